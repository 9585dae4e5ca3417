//! The parent against workers that are shell scripts: they speak the same lines and misbehave as asked.

use super::*;
use crate::gpu::event::EventKind;
use crate::gpu::progress::Owner;
use rustix::process::{Pid, Signal, kill_process};
use std::sync::MutexGuard;
use std::time::Instant;

/// One stuck worker stops all others of a process, so tests that make passes take turns.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A worker whose "library" is the script that plays it. `system` and `done` say a pass's first and last line; the version of
/// NVML is the process's id.
fn playing(script: &str) -> (Worker, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script");
    let functions = r#"
        system() { echo "{\"system\":{\"driver\":\"580.95.05\",\"nvml\":\"$$\",\"cuda\":null,\"gpus\":$1}}" >&0; }
        done_() { echo '"done"' >&0; }
        call() { printf '\001\000\000\000\000\000\000\000\001\000\000\000\000\000\000\000\024nvmlDeviceGetUUID(0)' | dd conv=notrunc of=/proc/self/fd/1 2>/dev/null; }
    "#;
    std::fs::write(&path, format!("{functions}\n{script}\n")).unwrap();
    let mut worker = Worker::new(Some(path));
    worker.root = folder.path().to_owned();
    worker.pages = folder.path().join("pages");
    worker.program = |script| {
        let mut command = Command::new("sh");
        command.arg(script);
        command
    };
    (worker, folder)
}

fn gpu(values: &str) -> String {
    let gpu = serde_json::to_value(GpuFacts::default()).unwrap();
    let mut gpu = gpu.as_object().unwrap().clone();
    let values: serde_json::Map<String, serde_json::Value> = serde_json::from_str(values).unwrap();
    gpu.extend(values);
    let line = serde_json::json!({"gpu": gpu});
    format!("echo '{line}' >&0")
}

const SOON: Duration = Duration::from_secs(10);

#[test]
fn one_session_lasts_from_pass_to_pass_until_the_library_is_replaced() {
    let _turn = turn();
    let (mut worker, folder) = playing("while read request; do system 0; done_; done");
    let first = worker.pass(SOON);
    assert_eq!(first.status, NvmlStatus::Ready, "{first:?}");
    assert_eq!(worker.pass(SOON).nvml_version, first.nvml_version);
    let path = folder.path().join("script");
    let replaced = folder.path().join("new");
    std::fs::copy(&path, &replaced).unwrap();
    std::fs::rename(&replaced, &path).unwrap();
    let after = worker.pass(SOON);
    assert_eq!(after.status, NvmlStatus::Ready);
    assert_ne!(after.nvml_version, first.nvml_version, "an upgrade has its own session");
    std::fs::create_dir_all(folder.path().join("sys/module/nvidia")).unwrap();
    std::fs::write(folder.path().join("sys/module/nvidia/version"), "590.1.1").unwrap();
    assert_ne!(
        worker.pass(SOON).nvml_version,
        after.nvml_version,
        "so has a reloaded module"
    );
}

#[test]
fn no_session_stays_open_while_a_gpu_waits_for_its_reset() {
    let _turn = turn();
    let reset = gpu(r#"{"recovery_action": 1}"#);
    let (mut worker, _folder) = playing(&format!("while read request; do system 1; {reset}; done_; done"));
    let first = worker.pass(SOON);
    assert_eq!(first.gpus[0].recovery_action, Some(1));
    assert!(
        worker.running.is_none(),
        "the driver refuses a reset while it has a client"
    );
    assert_ne!(worker.pass(SOON).nvml_version, first.nvml_version);
}

#[test]
fn a_call_that_does_not_come_back_is_named_with_its_beginning_and_what_came_before_it_is_kept() {
    let _turn = turn();
    let (mut worker, _folder) = playing("read request; system 2; call; read never; exec sleep 60");
    let facts = worker.pass(Duration::from_secs(1));
    let status = NvmlStatus::Unresponsive {
        call: "nvmlDeviceGetUUID(0)".into(),
        after_seconds: 1,
        since: Some(Timestamp::from_microsecond(1).unwrap()),
        pass_seconds: None,
    };
    assert_eq!(facts.status, status);
    assert!(worker.unresponsive_since().is_some());
    assert_eq!(facts.driver_version.as_deref(), Some("580.95.05"));
    assert_eq!(facts.gpus.len(), 2);
    assert!(facts.gpus.iter().all(|gpu| gpu.errors.len() == 1));
    assert!(still_stuck().is_none(), "a closed socket or SIGTERM ended it");
}

#[test]
fn while_a_worker_that_does_not_end_lives_no_second_is_started_and_its_end_is_recovery() {
    let _turn = turn();
    let script = "echo $$ >> pids; trap '' TERM; while ! [ -e well ]; do read request; sleep 0.1; done; \
                  while read request; do system 0; done_; done";
    let (mut worker, folder) = playing(script);
    worker.program = |script| {
        let mut command = Command::new("sh");
        command.current_dir(script.parent().unwrap_or(script)).arg(script);
        command
    };
    let since = Instant::now();
    let first = worker.pass(Duration::from_millis(300));
    assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
    assert!(matches!(first.status, NvmlStatus::Unresponsive { .. }), "{first:?}");
    let stuck_since = worker.unresponsive_since();
    for _ in 0..3 {
        let again = worker.pass(Duration::from_millis(300));
        assert!(matches!(again.status, NvmlStatus::Unresponsive { .. }), "{again:?}");
    }
    // Beside this process's own memory of it there is the page, which other processes see.
    let installed = worker.installed(&Power::default()).unwrap();
    assert!(
        crate::gpu::others::stuck(&worker.pages, &installed.key()).is_none(),
        "it names no call"
    );
    let another = Worker::new(worker.library.clone()).pass(Duration::from_millis(300));
    assert!(matches!(another.status, NvmlStatus::Unresponsive { .. }), "{another:?}");
    assert!(worker.unresponsive_since() <= Some(Timestamp::now()) && stuck_since.is_some());
    let pids = std::fs::read_to_string(folder.path().join("pids")).unwrap();
    assert_eq!(pids.lines().count(), 1, "one process in five passes: {pids}");

    std::fs::write(folder.path().join("well"), "").unwrap();
    let pid = Pid::from_raw(pids.trim().parse().unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    let expiry = Instant::now() + SOON;
    while still_stuck().is_some() {
        assert!(Instant::now() < expiry, "it was killed and lives");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(worker.pass(SOON).status, NvmlStatus::Ready);
    assert_eq!(worker.unresponsive_since(), None);
}

#[test]
fn no_worker_is_started_beside_one_of_another_process_that_hangs() {
    let _turn = turn();
    let (mut worker, _folder) = playing("read request; system 0; done_; read more");
    let key = worker.installed(&Power::default()).unwrap().key();
    let theirs = crate::gpu::others::page(&worker.pages, &key).unwrap();
    theirs.announce("nvmlInit_v2", None);
    assert_eq!(
        worker.pass(SOON).status,
        NvmlStatus::Ready,
        "theirs has not said how long a call may take"
    );
    worker.end();
    theirs.own(Owner {
        pid: 1,
        deadline_seconds: 0,
    });
    let expiry = Instant::now() + SOON;
    loop {
        let status = worker.pass(SOON).status;
        if let NvmlStatus::Unresponsive { call, since, .. } = status {
            assert_eq!((call.as_str(), since), ("nvmlInit_v2", worker.unresponsive_since()));
            assert!(worker.running.is_none() && since.is_some());
            break;
        }
        worker.end();
        assert!(Instant::now() < expiry, "{status:?}");
    }
    theirs.rest();
    assert_eq!(worker.pass(SOON).status, NvmlStatus::Ready, "it works again");
}

#[test]
fn a_pass_that_is_broken_off_ends_the_worker_and_waits_for_its_call() {
    let _turn = turn();
    let (mut worker, folder) =
        playing("read request; system 1; call; : > \"${0%/*}/begun\"; read never; sleep 4; exit 0");
    let stopping = worker.stopping();
    let begun = folder.path().join("begun");
    let asked = std::thread::spawn(move || {
        let waits = Instant::now();
        while !begun.exists() && waits.elapsed() < SOON {
            std::thread::sleep(Duration::from_millis(5));
        }
        stopping.store(true, std::sync::atomic::Ordering::Relaxed);
        Instant::now()
    });
    let facts = worker.pass(Duration::from_mins(1));
    let since = asked.join().unwrap();
    assert!(since.elapsed() >= Duration::from_secs(4), "its call was not waited for");
    let NvmlStatus::WorkerDied { detail } = facts.status else {
        panic!("{facts:?}")
    };
    assert!(detail.contains("exit status: 0"), "{detail}");
}

#[test]
fn a_worker_that_dies_says_how_and_where_and_the_next_pass_has_another() {
    let _turn = turn();
    let (mut worker, _folder) = playing("read request; call; [ -e well ] || kill -SEGV $$; system 0; done_; read more");
    let NvmlStatus::WorkerDied { detail } = worker.pass(SOON).status else {
        panic!("it died")
    };
    assert!(
        detail.contains("signal: 11") && detail.contains("nvmlDeviceGetUUID(0)"),
        "{detail}"
    );
    assert!(worker.running.is_none());
}

#[test]
fn an_event_is_heard_between_passes() {
    let _turn = turn();
    let event = r#"{"event":{"at":"2026-11-21T10:00:00Z","pci_address":"0000:18:00.0","uuid":null,"kind":{"xid":79},"gpu_instance":null,"compute_instance":null}}"#;
    let (mut worker, _folder) = playing(&format!(
        "read request; case $request in *'\"watch\":true'*) ;; *) exit 1;; esac; \
         echo 'NVRM: no line'; system 0; done_; echo 'no line' >&0; echo '{event}' >&0; read more"
    ));
    let events = worker.events().unwrap();
    assert_eq!(worker.events().map(drop), None, "they are one receiver's");
    assert_eq!(worker.pass(SOON).status, NvmlStatus::Ready);
    let event = events.recv_timeout(SOON).unwrap();
    assert_eq!(event.kind, EventKind::Xid(Some(79)));
    assert_eq!(event.pci_address.as_deref(), Some("0000:18:00.0"));
}

#[test]
fn gpus_that_all_sleep_are_told_and_no_library_is_loaded_for_them() {
    let _turn = turn();
    let (mut worker, folder) = playing("read request; system 0; done_");
    let device = folder.path().join("sys/bus/pci/drivers/nvidia/0000:18:00.0");
    std::fs::create_dir_all(device.join("power")).unwrap();
    std::fs::write(device.join("class"), "0x030000\n").unwrap();
    std::fs::write(device.join("power/runtime_status"), "suspended\n").unwrap();
    let facts = worker.pass(SOON);
    assert_eq!(facts.status, NvmlStatus::Ready);
    assert_eq!(facts.gpus.len(), 1);
    assert!(facts.gpus[0].suspended && facts.gpus[0].errors.is_empty());
    assert_eq!(facts.gpus[0].pci_address.as_deref(), Some("0000:18:00.0"));
    assert!(worker.running.is_none());
    std::fs::write(device.join("power/runtime_status"), "active\n").unwrap();
    assert!(worker.pass(SOON).nvml_version.is_some(), "awake, it is asked");
}
