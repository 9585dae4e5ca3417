//! Names that are born once and carried everywhere: runs, epochs, steps and content hashes.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// One run of `bedplate up` (or `plan`) over a cluster. Safe as a file name and as a systemd instance name:
/// lower-case letters, digits and `-` only, at most 64 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(String);

/// A text that is no [`RunId`].
#[derive(Debug, thiserror::Error)]
#[error("a run id has 1 to 64 lower-case letters, digits or '-', and begins with a letter or digit: {0:?} does not")]
pub struct BadRunId(String);

impl RunId {
    /// Checks the text and keeps it.
    pub fn new(text: impl Into<String>) -> Result<Self, BadRunId> {
        let text = text.into();
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if text.is_empty() || text.len() > 64 || text.starts_with('-') || !text.bytes().all(legal) {
            return Err(BadRunId(text));
        }
        Ok(Self(text))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RunId {
    type Error = BadRunId;
    fn try_from(text: String) -> Result<Self, BadRunId> {
        Self::new(text)
    }
}
impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.0
    }
}
impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A fencing number: an agent refuses a plan whose epoch is older than the newest it has seen. Seconds since 1970 at the
/// start of a run, so that a later run always fences an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names one step of a plan, `kind:subject`, the same in every plan that asks for the same thing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(String);

impl StepId {
    /// `kind` is the step's kind as in the plan, `subject` what it is about (a path, a unit, an image).
    pub fn new(kind: &str, subject: &str) -> Self {
        Self(format!("{kind}:{subject}"))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A SHA-256 as 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256Hex(String);

/// A text that is no SHA-256.
#[derive(Debug, thiserror::Error)]
#[error("a SHA-256 has 64 lower-case hexadecimal digits: {0:?} does not")]
pub struct BadSha256(String);

impl Sha256Hex {
    /// Checks the text and keeps it.
    pub fn new(text: impl Into<String>) -> Result<Self, BadSha256> {
        let text = text.into();
        if text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            Ok(Self(text))
        } else {
            Err(BadSha256(text))
        }
    }

    /// The hash of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(hex::encode(Sha256::digest(bytes)))
    }

    /// The end of a hash that was computed piece by piece.
    pub fn from_hasher(hasher: Sha256) -> Self {
        Self(hex::encode(hasher.finalize()))
    }

    /// The 64 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}
impl TryFrom<String> for Sha256Hex {
    type Error = BadSha256;
    fn try_from(text: String) -> Result<Self, BadSha256> {
        Self::new(text)
    }
}
impl From<Sha256Hex> for String {
    fn from(hash: Sha256Hex) -> Self {
        hash.0
    }
}
impl fmt::Display for Sha256Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
