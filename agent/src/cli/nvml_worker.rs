//! The hidden verb `nvml-worker`: the process that owns NVML, started only by the agent itself (see [`crate::gpu`]).

use crate::exit::Exit;
use crate::gpu;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// What the parent hands over.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The library's path, or its name for the dynamic linker
    #[arg(long)]
    library: PathBuf,
}

impl Args {
    /// Of a command line as the parent writes it: `nvml-worker --library PATH`, and nothing else.
    pub(crate) fn given(command_line: impl Iterator<Item = OsString>) -> Option<Self> {
        let words: Vec<OsString> = command_line.skip(1).take(4).collect();
        match words.as_slice() {
            [verb, option, library] if verb == "nvml-worker" && option == "--library" => Some(Self {
                library: library.into(),
            }),
            _ => None,
        }
    }
}

/// Answers until its parent closes standard input; a parent that has gone is the only failure.
pub(crate) fn run(args: &Args) -> ExitCode {
    match gpu::serve(&args.library) {
        Ok(()) => Exit::Success.into(),
        Err(_) => Exit::Output.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_parents_own_form_is_taken_without_the_command_lines_parser() {
        let given = |line: &str| Args::given(line.split(' ').map(OsString::from)).map(|args| args.library);
        let library = Some(PathBuf::from("/usr/lib/libnvidia-ml.so.1"));
        assert_eq!(
            given("bedplate-agent nvml-worker --library /usr/lib/libnvidia-ml.so.1"),
            library
        );
        for other in [
            "bedplate-agent",
            "bedplate-agent check --library x",
            "bedplate-agent nvml-worker --library",
            "bedplate-agent nvml-worker --library x y",
        ] {
            assert_eq!(given(other), None, "{other}");
        }
    }
}
