//! `bedplate-agent apply --run RUN`: carries out a stored plan. Started by the run's systemd unit, never by a person.

use crate::apply::{self, Ended, Layout};
use crate::exit::Exit;
use bedplate_protocol::{RunId, RunStatus};
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// Which run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The run whose plan lies in /var/lib/bedplate/runs
    #[arg(long, value_parser = |text: &str| RunId::new(text))]
    run: RunId,
}

/// 0 when the run has ended well or had ended before, 1 when it failed, was cancelled or could not begin.
pub(crate) fn run(args: Args) -> ExitCode {
    let Args { run } = args;
    match apply::execute_stored(&Layout::new(Path::new("/")), &run) {
        Ok(Ended::Now(RunStatus::Done) | Ended::Before) => ExitCode::SUCCESS,
        Ok(Ended::Now(RunStatus::Failed | RunStatus::Cancelled)) => Exit::Problem.into(),
        Err(error) => {
            // The unit's journal has it then, and a person who tried it sees it. One without a standard error has the exit code.
            let _ = writeln!(
                std::io::stderr(),
                "run {}: {error}\n    cure: {}",
                run.as_str(),
                error.cure()
            );
            Exit::Problem.into()
        }
    }
}
