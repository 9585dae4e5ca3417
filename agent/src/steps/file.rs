//! A file with exactly this content and these permission bits.
//!
//! What it shows to people never holds a value: a file with values, or one that not everybody may read, is never quoted.

use super::{Context, State, StepError};
use bedplate_protocol::Mode;
use bedplate_protocol::plan::Content;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// How many lines of a difference are shown.
const SHOWN: usize = 20;

pub(super) fn inspect(path: &str, mode: u32, wanted: &Content, context: &Context<'_>) -> Result<State, StepError> {
    let place = context.at(path);
    let text = match context.resolve(wanted) {
        Err(StepError::Value { name }) if context.mode == Mode::Inspect => {
            return Ok(State::Unknown {
                reason: format!("its value {name:?} is made only when the plan is carried out"),
            });
        }
        text => text?,
    };
    let secret = wanted.values().next().is_some();
    compare(&place, mode, text.as_bytes(), secret)
}

/// Compares a file with a text. With `secret`, no line of either is shown.
pub(super) fn compare(path: &Path, mode: u32, wanted: &[u8], secret: bool) -> Result<State, StepError> {
    let found = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(State::differs(
                "no such file",
                format!("{} bytes with mode {mode:04o}", wanted.len()),
            ));
        }
        found => found.map_err(StepError::io(path, "read"))?,
    };
    let metadata = fs::metadata(path).map_err(StepError::io(path, "read"))?;
    let bits = metadata.permissions().mode() & 0o7777;
    if found != wanted {
        let before = format!("another content ({} bytes, mode {bits:04o})", found.len());
        let hidden = secret || mode & 0o044 == 0 || bits & 0o044 == 0;
        let diff = if hidden {
            "its content differs and is not shown, because it may hold secrets".to_owned()
        } else {
            difference(&String::from_utf8_lossy(&found), &String::from_utf8_lossy(wanted))
        };
        return Ok(State::Differs { before, diff });
    }
    if bits != mode {
        return Ok(State::differs(format!("mode {bits:04o}"), format!("mode {mode:04o}")));
    }
    Ok(State::Holds)
}

pub(super) fn change(path: &str, mode: u32, wanted: &Content, context: &Context<'_>) -> Result<(), StepError> {
    let text = context.resolve(wanted)?;
    install(&context.at(path), mode, text.as_bytes())
}

/// Writes the file, or only its mode where the content is right, so that who compares times sees no change.
pub(super) fn install(path: &Path, mode: u32, content: &[u8]) -> Result<(), StepError> {
    if fs::read(path).is_ok_and(|found| found == content) {
        return fs::set_permissions(path, Permissions::from_mode(mode)).map_err(StepError::io(path, "given its mode"));
    }
    if let Some(parent) = path.parent() {
        crate::durable::directory(parent, 0o755).map_err(StepError::io(parent, "created"))?;
    }
    crate::durable::write(path, content, mode).map_err(StepError::io(path, "written"))
}

/// Lines that only one of the two has, after what they share at both ends.
fn difference(found: &str, wanted: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (found.lines().collect(), wanted.lines().collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - head;
    let tail = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take(rest)
        .take_while(|(a, b)| a == b)
        .count();
    let removed = old[head..old.len() - tail].iter().map(|line| format!("-{line}"));
    let added = new[head..new.len() - tail].iter().map(|line| format!("+{line}"));
    let lines: Vec<String> = removed.chain(added).collect();
    if lines.is_empty() {
        return "only line ends differ".to_owned();
    }
    let more = match lines.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!("\n… and {more} lines more"),
    };
    format!(
        "@@ line {} @@\n{}{more}",
        head + 1,
        lines[..lines.len().min(SHOWN)].join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_the_lines_that_differ_and_where() {
        assert_eq!(difference("a\nb\nc\n", "a\nx\nc\n"), "@@ line 2 @@\n-b\n+x");
        assert_eq!(difference("a\n", "a\nb\n"), "@@ line 2 @@\n+b");
    }

    #[test]
    fn a_file_that_others_may_not_read_is_never_quoted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        crate::durable::write(&path, b"hunter2", 0o600).unwrap();
        let State::Differs { before, diff } = compare(&path, 0o644, b"new", false).unwrap() else {
            panic!("it differs")
        };
        assert!(
            !before.contains("hunter2") && !diff.contains("hunter2"),
            "{before} {diff}"
        );
    }

    #[test]
    fn a_wrong_mode_alone_is_put_right_without_rewriting_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        install(&path, 0o600, b"text").unwrap();
        let written = fs::metadata(&path).unwrap().modified().unwrap();
        assert!(matches!(
            compare(&path, 0o644, b"text", false).unwrap(),
            State::Differs { .. }
        ));
        install(&path, 0o644, b"text").unwrap();
        assert!(matches!(compare(&path, 0o644, b"text", false).unwrap(), State::Holds));
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), written);
    }
}
