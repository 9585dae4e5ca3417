//! How the process that owns NVML ends: after the call that it is in, whatever asks it to. A client that ends inside a call can
//! leave a GPU stuck (github.com/NVIDIA/dcgm-exporter issue 84, read 2026-11-21).

#![allow(clippy::expect_used, reason = "test helpers stand outside #[test]")]

use bedplate_tests::built::run;
use bedplate_tests::nvml_worker::{HEALTHY, Nvml, Worker, named};
use serde_json::{Value, json};
use std::process::Command;
use std::time::{Duration, Instant};

const CALL: &str = "nvmlDeviceGetTemperature(0)";
/// A worker that is not inside a call is gone in less.
const AT_ONCE: Duration = Duration::from_secs(1);

fn hanging(seconds: &str) -> String {
    HEALTHY.replace(
        "minor: 0",
        &format!("minor: 0, hang: {{call: nvmlDeviceGetTemperature, seconds: {seconds}}}"),
    )
}

fn pass() -> Value {
    json!({"request": "pass", "asleep": [], "awake": [], "watch": true})
}

fn terminate(worker: &Worker) {
    let ran = run(Command::new("kill").args(["-TERM", &worker.child.id().to_string()]));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

/// A worker in a call of three seconds, and since when.
fn in_a_slow_call() -> (Nvml, Worker, Instant) {
    let nvml = Nvml::new(&hanging("3"));
    let mut worker = Worker::start(&nvml);
    worker.ask(&pass());
    worker.is_in(&nvml, CALL);
    (nvml, worker, Instant::now())
}

/// It is alive until the call has come back, and gone before the next one.
fn ends_after_the_call(nvml: &Nvml, mut worker: Worker, since: Instant) {
    std::thread::sleep(Duration::from_secs(2));
    assert!(
        worker.child.try_wait().expect("it is our child").is_none(),
        "it was ended inside the call"
    );
    let status = worker.ended().expect("it ends");
    let took = since.elapsed();
    assert!(status.success(), "{status}");
    assert!(
        (Duration::from_millis(2800)..Duration::from_secs(4)).contains(&took),
        "{took:?}"
    );
    assert!(named(nvml, CALL), "it made another call");
}

#[test]
fn sigterm_inside_a_slow_call_ends_the_worker_when_the_call_has_come_back() {
    let (nvml, worker, since) = in_a_slow_call();
    terminate(&worker);
    terminate(&worker);
    ends_after_the_call(&nvml, worker, since);
}

#[test]
fn so_does_the_end_of_the_socket() {
    let (nvml, worker, since) = in_a_slow_call();
    worker.close();
    ends_after_the_call(&nvml, worker, since);
}

#[test]
fn sigterm_between_two_passes_ends_it_at_once() {
    let nvml = Nvml::new(HEALTHY);
    let mut worker = Worker::start(&nvml);
    assert_eq!(worker.pass().len(), 1);
    assert!(!named(&nvml, "nvml"), "a worker that rests names no call");
    let since = Instant::now();
    terminate(&worker);
    let status = worker.ended().expect("it ends");
    assert!(
        status.success() && since.elapsed() < AT_ONCE,
        "{status} after {:?}",
        since.elapsed()
    );
}

#[test]
fn a_call_that_hangs_is_named_in_the_page_and_the_end_of_the_socket_ends_the_worker_after_it() {
    let nvml = Nvml::new(&hanging("forever"));
    let mut worker = Worker::start(&nvml);
    worker.ask(&pass());
    worker.is_in(&nvml, CALL);
    nvml.set(HEALTHY);
    assert_eq!(worker.answers()[0].errors, [], "it comes back and the pass goes on");
    assert!(worker.ends());
}
