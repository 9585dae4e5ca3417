//! `bedplate-simulated-kmsg DIRECTORY`: serves a simulated machine's kernel log there. Started by the machine's supervisor,
//! never by a person; see `simulated::kernel_log`.

use bedplate_substrates::simulated::kernel_log::serve::serve;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(directory), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: bedplate-simulated-kmsg DIRECTORY");
        return ExitCode::from(64);
    };
    match serve(Path::new(&directory)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bedplate-simulated-kmsg: {error}");
            ExitCode::FAILURE
        }
    }
}
