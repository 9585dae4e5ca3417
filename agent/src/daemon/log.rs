//! What the daemon writes to its log, which systemd keeps: what begins and ends to hold, and nothing at each pass.

use crate::health::{Change, Transition};
use bedplate_protocol::Severity;

/// One line a change, under the reason that an Event has.
pub(super) fn change(change: &Transition) {
    let Transition { subject, message, .. } = change;
    let reason = change.reason();
    match (change.change, change.severity) {
        (Change::Raised, Severity::Error) => tracing::error!("{subject}: {reason}: {message}"),
        (Change::Raised, Severity::Warning) => tracing::warn!("{subject}: {reason}: {message}"),
        (Change::Raised, Severity::Info) | (Change::Cleared, _) => tracing::info!("{subject}: {reason}: {message}"),
    }
}
