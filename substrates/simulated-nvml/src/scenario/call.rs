//! The name of an NVML call, as scenarios give it to make the call fail or hang.

use serde::{Deserialize, Serialize};

/// A call that the library exports, without its version suffix: `nvmlDeviceGetMemoryInfo` stands for `…_v2` too, and `nvmlInit` for
/// `nvmlInitWithFlags`, so that a fault hits every client whichever variant it calls.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CallName(String);

/// A name that no exported call has.
#[derive(Debug, thiserror::Error)]
#[error(
    "the library exports no call {0:?}, so a fault in it would never be seen; `nm -D --defined-only` on it lists the names"
)]
pub struct NotExported(String);

impl CallName {
    /// Whether an exported symbol is this call.
    pub fn is(&self, symbol: &str) -> bool {
        self.0 == stem(symbol)
    }
}

impl TryFrom<String> for CallName {
    type Error = NotExported;

    fn try_from(name: String) -> Result<Self, NotExported> {
        let wanted = stem(&name);
        if crate::abi::SYMBOLS.iter().any(|symbol| stem(symbol) == wanted) {
            Ok(Self(wanted.to_owned()))
        } else {
            Err(NotExported(name))
        }
    }
}

impl From<CallName> for String {
    fn from(name: CallName) -> Self {
        name.0
    }
}

fn stem(symbol: &str) -> &str {
    let unversioned = symbol
        .rsplit_once("_v")
        .filter(|(_, version)| version.parse::<u8>().is_ok())
        .map_or(symbol, |(stem, _)| stem);
    if unversioned == "nvmlInitWithFlags" {
        "nvmlInit"
    } else {
        unversioned
    }
}
