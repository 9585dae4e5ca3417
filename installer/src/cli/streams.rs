//! stdout and stderr. A stream that nobody reads, or a full disk behind it, is an exit code and never a panic. Called by the verbs.

use std::io::{Error, Write as _};

/// The answer, on stdout, through to whoever reads it.
pub(crate) fn answer(text: &str) -> Result<(), Error> {
    let mut out = std::io::stdout();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// What a person must read, on stderr; stderr has no buffer.
pub(crate) fn tell(text: &str) -> Result<(), Error> {
    std::io::stderr().write_all(text.as_bytes())
}

/// A line about what is going on, on stderr: work goes on whether or not somebody reads it.
pub(crate) fn note(line: &str) {
    let _ = tell(&format!("{line}\n"));
}
