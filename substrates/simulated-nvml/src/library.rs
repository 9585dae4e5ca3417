//! The built shared library as a file: copying it, and copying it without some of its symbols, as an older driver's is.
//!
//! Called by tests and by substrates. A scenario cannot do this: whether `dlsym` finds a symbol is decided by the file, before the first
//! call. The original is never written to.

mod symbols;

use std::path::{Path, PathBuf};
use std::{fs, io};

pub use symbols::NotThere;

/// The shared library that cargo built.
#[derive(Debug, Clone)]
pub struct Library {
    built: PathBuf,
}

/// A copy of the library could not be made.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// The file system refused.
    #[error("{file}: {source}; see that the library is built and that you may write there", file = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Its words.
        source: io::Error,
    },
    /// The library has no such symbol, or is none.
    #[error("{file}: {source}", file = .path.display())]
    Symbol {
        /// The library.
        path: PathBuf,
        /// What is not there.
        source: NotThere,
    },
}

impl Library {
    /// The library at this path, `libnvidia_ml.so` of a build.
    pub fn at(built: impl Into<PathBuf>) -> Self {
        Self { built: built.into() }
    }

    /// Writes a copy in which `dlsym` does not find these symbols; without any, a plain copy.
    pub fn write_without(&self, symbols: &[&str], to: &Path) -> Result<(), LibraryError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| LibraryError::Io { path, source }
        };
        let mut bytes = fs::read(&self.built).map_err(io(&self.built))?;
        for symbol in symbols {
            symbols::hide(&mut bytes, symbol).map_err(|source| LibraryError::Symbol {
                path: self.built.clone(),
                source,
            })?;
        }
        fs::write(to, bytes).map_err(io(to))
    }
}
