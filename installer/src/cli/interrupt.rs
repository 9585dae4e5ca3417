//! Ctrl-C and SIGTERM: the run stops listening; hosts go on with the plan they have, and their journals say where they are.

use tokio::signal::unix::{SignalKind, signal};

/// Returns when this process is asked to stop. Without a signal handler (the kernel refused one) it never returns, and the
/// signal ends the process as usual.
pub(crate) async fn wait() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => (),
        _ = terminate.recv() => (),
    }
}
