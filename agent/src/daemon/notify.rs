//! What systemd is told: that the daemon is ready, what it does, that it lives (`sd_notify(3)`, read 2026-11-21).
//!
//! Says nothing where nobody listens. Called by [`super::run`] only.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The socket of `$NOTIFY_SOCKET`.
#[derive(Debug)]
pub(super) struct Notify(Option<(UnixDatagram, SocketAddr)>);

impl Notify {
    /// What the environment names; nothing where it names nothing that can be reached.
    pub(super) fn from_environment() -> Self {
        let reached = std::env::var_os("NOTIFY_SOCKET").and_then(|name| {
            let address = match name.as_bytes().strip_prefix(b"@") {
                Some(hidden) => SocketAddr::from_abstract_name(hidden),
                None => SocketAddr::from_pathname(&name),
            };
            let socket = UnixDatagram::unbound().ok()?;
            // One that does not read would hold up whoever tells it something, once its queue is full.
            socket.set_nonblocking(true).ok()?;
            Some((socket, address.ok()?))
        });
        Self(reached)
    }

    /// `READY=1`, `WATCHDOG=1`, `STATUS=…`; one assignment.
    pub(super) fn say(&self, what: &str) {
        if let Some((socket, address)) = &self.0 {
            // A service manager that is gone, or does not read, is none of the daemon's troubles.
            let _ = socket.send_to_addr(what.replace('\n', " ").as_bytes(), address);
        }
    }

    /// How often a sign of life is wanted: half of what systemd waits for (`sd_watchdog_enabled(3)`).
    pub(super) fn watchdog() -> Option<Duration> {
        let wanted = std::env::var("WATCHDOG_USEC").ok()?.parse::<u64>().ok()?;
        let ours = std::env::var("WATCHDOG_PID").map_or(Ok(std::process::id()), |pid| pid.parse());
        (wanted > 0 && ours == Ok(std::process::id())).then(|| Duration::from_micros(wanted / 2))
    }
}
