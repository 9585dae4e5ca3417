//! The executable `bedplate-agent`. Everything is in the library of the same name.

use std::process::ExitCode;

fn main() -> ExitCode {
    bedplate_agent::run()
}
