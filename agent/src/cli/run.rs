//! The verb `run`: the daemon. Reads its configuration, says everything that is wrong with it, and goes on until a signal.

use crate::daemon::{self, Config, ConfigError};
use crate::exit::Exit;
use crate::health;
use bedplate_protocol::Finding;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// What a person may say.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = Config::PATH)]
    config: PathBuf,
    /// The node's name in its cluster, instead of the configuration's: one configuration then serves a `DaemonSet`'s pods
    #[arg(long, value_name = "NAME")]
    node_name: Option<String>,
    /// Only read the configuration and the files that it names, and say what is wrong with them
    #[arg(long)]
    check_config: bool,
    /// Only print the conditions and reasons that this agent knows, as docs/reasons.md has them
    #[arg(long, conflicts_with = "check_config")]
    reasons: bool,
}

/// 0 after SIGTERM or SIGINT, 78 when the configuration is wrong, 1 when the daemon could not go on.
pub(crate) fn run(args: &Args) -> ExitCode {
    if args.reasons {
        let printed = std::io::stdout().write_all(health::markdown().as_bytes());
        return printed.map_or(Exit::Output, |()| Exit::Success).into();
    }
    if args.check_config {
        return match Config::check(&args.config) {
            Ok(warnings) => {
                tell(&warnings);
                ExitCode::SUCCESS
            }
            Err(error) => refused(&error).into(),
        };
    }
    let (mut config, warnings) = match daemon::read(&args.config) {
        Ok(read) => read,
        Err(error) => return refused(&error).into(),
    };
    if let Some(name) = &args.node_name {
        config.node_name = Some(name.clone());
    }
    // systemd keeps lines with a time of its own; colour is noise in it.
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .init();
    for warning in warnings {
        let (at, code) = (warning.subject, warning.code);
        tracing::warn!(%at, %code, cure = %warning.remedy, "{}", warning.message);
    }
    match daemon::run(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            Exit::Problem.into()
        }
    }
}

fn refused(error: &ConfigError) -> Exit {
    if let ConfigError::Mistakes { findings, .. } = error {
        tell(findings);
    }
    // Who started it may have closed its standard error; the exit code says the same.
    let _ = writeln!(std::io::stderr(), "{error}");
    Exit::Config
}

fn tell(findings: &[Finding]) {
    for finding in findings {
        let _ = writeln!(std::io::stderr(), "{finding}");
    }
}
