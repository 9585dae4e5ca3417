//! The verb `run`: the daemon. Reads its configuration, says everything that is wrong with it, and goes on until a signal.

use crate::daemon::{self, Config, ConfigError};
use crate::exit::Exit;
use crate::health;
use bedplate_protocol::Finding;
use std::ffi::OsString;
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

impl Args {
    /// Of a command line as the unit and the `DaemonSet` write it: `run --config FILE`, `run --config FILE --node-name NAME`, and
    /// nothing else.
    pub(crate) fn given(command_line: impl Iterator<Item = OsString>) -> Option<Self> {
        let words: Vec<OsString> = command_line.skip(1).take(6).collect();
        let (config, node_name) = match words.as_slice() {
            [verb, option, config] if verb == "run" && option == "--config" => (config, None),
            [verb, option, config, other, name] if verb == "run" && option == "--config" && other == "--node-name" => {
                (config, Some(name.to_str()?.to_owned()))
            }
            _ => return None,
        };
        // An option where its value should be is a mistake, and the parser has the words for it.
        if words
            .iter()
            .skip(2)
            .step_by(2)
            .any(|value| value.as_encoded_bytes().starts_with(b"-"))
        {
            return None;
        }
        Some(Self {
            config: config.into(),
            node_name,
            check_config: false,
            reasons: false,
        })
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Whole {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn the_forms_that_are_taken_without_the_command_lines_parser_mean_what_they_mean_to_it() {
        for line in [
            "bedplate-agent run --config /etc/bedplate/agent.yaml",
            "bedplate-agent run --config agent.yaml --node-name gpu-1",
        ] {
            let words = || line.split(' ').map(OsString::from);
            let given = format!("{:?}", Args::given(words()).unwrap());
            let parsed = Whole::try_parse_from(words().skip(1)).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(given, format!("{:?}", parsed.args), "{line}");
        }
    }

    #[test]
    fn every_other_form_is_for_the_command_lines_parser() {
        for other in [
            "bedplate-agent run",
            "bedplate-agent run --config",
            "bedplate-agent run --config a --check-config",
            "bedplate-agent run --config --check-config",
            "bedplate-agent run --config a --node-name",
            "bedplate-agent run --config a --node-name b --reasons",
            "bedplate-agent check --config a",
        ] {
            let given = Args::given(other.split(' ').map(OsString::from));
            assert!(given.is_none(), "{other}");
        }
    }
}
