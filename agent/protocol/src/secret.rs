//! Values that may be sent and never shown.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A secret text. It can be put into a [`crate::message::Values`] frame and nowhere else: its `Debug` is redacted, it has no
/// `Display`, and no event, plan, journal or receipt type has a field of this type.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretString(String);

impl SecretString {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself; every call is a place to look at in a review.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<secret, {} bytes>", self.0.len())
    }
}
