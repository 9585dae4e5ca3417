//! What the daemon writes to its log, which systemd keeps: what begins and ends to hold, and nothing at each pass.

use crate::health::{Change, Transition};
use bedplate_protocol::Severity;

/// One line a change.
pub(super) fn change(change: &Transition) {
    let Transition { code, subject, message, .. } = change;
    match (change.change, change.severity) {
        (Change::Raised, Severity::Error) => tracing::error!("{subject}: {message} [{code}]"),
        (Change::Raised, Severity::Warning) => tracing::warn!("{subject}: {message} [{code}]"),
        (Change::Raised, Severity::Info) => tracing::info!("{subject}: {message} [{code}]"),
        (Change::Cleared, _) => tracing::info!("{subject}: over: {message} [{code}]"),
    }
}
