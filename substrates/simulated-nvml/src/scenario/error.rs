//! What can be wrong with a scenario file. Shown by the library on stderr and by a substrate to its caller.

use std::path::PathBuf;

/// A scenario that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The text is not the schema's YAML.
    #[error("{file}:{line}:{column}: {detail}; correct that line", file = .path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is wrong there.
        detail: String,
    },
    /// Values that contradict one another.
    #[error("{file}:{line}: {detail}", file = .path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What contradicts what, and the edit that cures it.
        detail: String,
    },
    /// The scenario cannot be written as YAML.
    #[error("the scenario for {file} cannot be written as YAML: {detail}", file = .path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The serializer's words.
        detail: String,
    },
    /// The file system refused.
    #[error("{file}: {source}; see that the directory exists and that you may write there", file = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Its words.
        source: std::io::Error,
    },
}
