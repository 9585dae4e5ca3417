//! `bedplate`: parse, run one verb, exit.

use std::process::ExitCode;

fn main() -> ExitCode {
    bedplate::cli::run().into()
}
