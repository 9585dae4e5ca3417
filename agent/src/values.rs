//! The values of a run: what a plan names and must not contain. In memory (`/run`), 0600, gone when the run ends.
//!
//! Written by the session, read and removed by the executor. No value is ever an argument, an event or a line of a journal;
//! [`Values::redact`] is the last net under everything that goes into one.

use crate::apply::Layout;
use bedplate_protocol::{RunId, SecretString};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::{fs, io};

/// Shorter values are no secrets (a port, a yes) and would tear holes into ordinary words when they are redacted.
const SHORTEST_SECRET: usize = 6;

/// Values that cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ValuesError {
    /// The file system says no.
    #[error("the run's values cannot be {action} at {path}: {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The file is not what the agent writes. Its content is not repeated here.
    #[error("{path} does not hold the values of a run; remove it and run `bedplate up` again")]
    Malformed {
        /// Where.
        path: PathBuf,
    },
}

/// The values of one run by name.
#[derive(Debug, Default)]
pub(crate) struct Values(BTreeMap<String, SecretString>);

impl Values {
    /// Those that were kept for this run; none when nothing was.
    pub(crate) fn load(layout: &Layout, run: &RunId) -> Result<Self, ValuesError> {
        let path = layout.values(run);
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(ValuesError::Io {
                path,
                action: "read",
                source,
            }),
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Self)
                .map_err(|_| ValuesError::Malformed { path }),
        }
    }

    /// The secret itself.
    pub(crate) fn get(&self, name: &str) -> Option<&SecretString> {
        self.0.get(name)
    }

    /// The text with each value in it replaced by its name.
    pub(crate) fn redact(&self, text: &str) -> String {
        let mut secrets: Vec<(&String, &str)> = self.0.iter().map(|(name, secret)| (name, secret.expose())).collect();
        // Longest first: a value that contains another must not leave its rest behind.
        secrets.sort_by_key(|(_, secret)| std::cmp::Reverse(secret.len()));
        let mut text = text.to_owned();
        for (name, secret) in secrets
            .into_iter()
            .filter(|(_, secret)| secret.len() >= SHORTEST_SECRET)
        {
            // Program output holds a value of several lines line by line.
            let lines = secret.lines().filter(|line| line.len() >= SHORTEST_SECRET);
            for piece in std::iter::once(secret).chain(lines) {
                if text.contains(piece) {
                    text = text.replace(piece, &format!("<value {name}>"));
                }
            }
        }
        text
    }
}

impl FromIterator<(String, SecretString)> for Values {
    fn from_iter<I: IntoIterator<Item = (String, SecretString)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

/// Keeps the values of a run until it ends or the host goes down.
pub(crate) fn keep(layout: &Layout, values: &bedplate_protocol::message::Values) -> Result<(), ValuesError> {
    let path = layout.values(&values.run);
    let failed = |source| ValuesError::Io {
        path: path.clone(),
        action: "kept",
        source,
    };
    let text = serde_json::to_vec(&values.values).map_err(|error| failed(error.into()))?;
    if let Some(dir) = path.parent() {
        crate::durable::directory(dir, 0o700).map_err(failed)?;
    }
    crate::durable::write(&path, &text, 0o600).map_err(failed)
}

/// Forgets the values of a run.
pub(crate) fn forget(layout: &Layout, run: &RunId) -> Result<(), ValuesError> {
    let path = layout.values(run);
    crate::durable::remove(&path).map_err(|source| ValuesError::Io {
        path,
        action: "removed",
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn values_are_kept_for_root_alone_and_forgotten() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        let run = RunId::new("r").unwrap();
        let values = BTreeMap::from([("token".to_owned(), SecretString::new("abcdef.0123"))]);
        keep(
            &layout,
            &bedplate_protocol::message::Values {
                run: run.clone(),
                values,
            },
        )
        .unwrap();
        assert_eq!(
            fs::metadata(layout.values(&run)).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let kept = Values::load(&layout, &run).unwrap();
        assert_eq!(kept.get("token").unwrap().expose(), "abcdef.0123");
        assert_eq!(kept.redact("using abcdef.0123 now"), "using <value token> now");
        forget(&layout, &run).unwrap();
        assert!(Values::load(&layout, &run).unwrap().get("token").is_none());
    }
}
