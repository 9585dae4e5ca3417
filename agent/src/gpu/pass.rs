//! One pass: hands a request to a worker and takes its lines until the last one, or until its time is over. Called by
//! [`super::parent`] only.

use super::collected::Collected;
use super::patience::Patience;
use super::process::Process;
use super::wire::Request;
use bedplate_protocol::facts::{NvmlFacts, NvmlStatus};
use jiff::Timestamp;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

/// How often a pass that takes long is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// One pass, and since when NVML does not answer if it does not.
pub(super) fn collect(
    process: &mut Process,
    request: &Request,
    mut patience: Patience,
    stopping: &AtomicBool,
) -> (NvmlFacts, Option<Timestamp>) {
    let mut pass = Collected::default();
    let mut closed = false;
    // A worker that has just died does not take it; its lines end, which is seen below.
    let _ = process.ask(request, patience.deadline());
    loop {
        match process.next(LOOK) {
            Ok(line) => {
                if pass.take(line) {
                    return (pass.finish(), None);
                }
                patience.hears();
                patience.counts(pass.counted());
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                let how = process.wait().map_or_else(
                    || "it closed its socket and does not end".to_owned(),
                    |exit| exit.to_string(),
                );
                let call = process.under_way().map_or_else(|| "no call".to_owned(), |it| it.call);
                let detail = format!("{how}, at {call}");
                return (pass.broken_off(&call, NvmlStatus::WorkerDied { detail }), None);
            }
        }
        if !closed && stopping.load(Ordering::Relaxed) {
            process.close();
            closed = true;
        }
        let under_way = process.under_way();
        if let Some(over) = patience.over(under_way.as_ref()) {
            let since = under_way.as_ref().map_or_else(Timestamp::now, |it| it.since);
            let call = under_way.map_or_else(|| "start of the worker".to_owned(), |it| it.call);
            let status = NvmlStatus::Unresponsive {
                call: call.clone(),
                after_seconds: over.call.as_secs(),
                since: Some(since),
                pass_seconds: over.pass.map(|pass| pass.as_secs()),
            };
            return (pass.broken_off(&call, status), Some(since));
        }
    }
}
