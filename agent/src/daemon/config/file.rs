//! The file itself: its text, and why there is no configuration in it. Called by [`super::read`] and [`super::Config::check`].

use bedplate_protocol::{Finding, Severity};

/// A configuration is a page of text.
const LARGEST: u64 = 1 << 20;

/// Why a file is no configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file itself.
    #[error("{path} cannot be read: {source}\n    cure: {}", cure(path, source.kind()))]
    Unreadable {
        /// Which.
        path: String,
        /// The system's words.
        source: std::io::Error,
    },
    /// Mistakes in it, in the file's order, at least one.
    #[error("{path} has {} mistake(s)", findings.iter().filter(|finding| finding.severity == Severity::Error).count())]
    Mistakes {
        /// Which.
        path: String,
        /// What is wrong, and what else its author should know.
        findings: Vec<Finding>,
    },
}

fn cure(path: &str, kind: std::io::ErrorKind) -> String {
    match kind {
        std::io::ErrorKind::NotFound => {
            format!(
                "write it (it may be empty; docs/agent.md has every key), or name another with --config; `ls -ld {path}`"
            )
        }
        std::io::ErrorKind::PermissionDenied => format!("run this as root, or look at `ls -ld {path}`"),
        std::io::ErrorKind::InvalidData => {
            format!("write it in UTF-8; `iconv -f utf-8 -t utf-8 {path} > /dev/null` names the first place that is not")
        }
        std::io::ErrorKind::IsADirectory => "name a file with --config".to_owned(),
        _ => format!("look at `ls -ld {path}` and `dmesg | tail`"),
    }
}

/// A file's text, and the file's name for people.
pub(super) fn text_of(path: &std::path::Path) -> Result<(String, String), ConfigError> {
    use std::io::Read as _;
    let name = path.display().to_string();
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(LARGEST).read_to_string(&mut text));
    match read {
        Ok(_) => Ok((name, text)),
        Err(source) => Err(ConfigError::Unreadable { path: name, source }),
    }
}
