//! Ten thousand XID lines a second, each another one: neither the built agent's memory nor its writes grow, and it still sees the
//! line that matters. Needs root.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "test helpers stand outside #[test]"
)]

use bedplate_tests::agents_cluster::{AGENT, agents_cluster, bound_token};
use bedplate_tests::kernel_log::KernelLog;
use bedplate_tests::publishing::{ADDRESS, Agent, Place, UUID, until};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// In each of two halves: the first fills whatever has a limit, the second must add nothing.
const LINES: u32 = 60_000;
const IN_A_SECOND: u32 = 10_000;
/// What an allocator may keep after such a half.
const ROOM_KIB: u64 = 3 * 1024;

/// What the agent has in memory and on disk.
#[derive(Debug, Clone, Copy)]
struct Held {
    resident_kib: u64,
    state_bytes: u64,
    log_bytes: usize,
    written: usize,
}

/// Says the lines from `first` on, at the wanted pace or slower, and looks at the files every 5 ms: how often each was written.
fn flood(log: &mut KernelLog, first: u32, state: &Path) -> [u32; 2] {
    let begun = Instant::now();
    let changed = |name: &str| -> Option<SystemTime> { state.join(name).metadata().ok()?.modified().ok() };
    let files = ["xids.json", "health.json"];
    let (mut times, mut writes) = (files.map(changed), [0, 0]);
    for number in 0..LINES {
        let line = first + number;
        // Every GPU that PCI has room for, one after another, with every number, known or not.
        let (bus, device, domain) = (line % 256, line / 256 % 32, line / 8192);
        log.says(&format!(
            "NVRM: Xid (PCI:{domain:04x}:{bus:02x}:{device:02x}): {}, pid={line}, name=a{line}, Ch {line:08x}",
            line % 997
        ));
        if number % (IN_A_SECOND / 200) == 0 {
            for (place, file) in files.iter().enumerate() {
                let now = changed(file);
                writes[place] += u32::from(now != times[place]);
                times[place] = now;
            }
            let due = Duration::from_secs(1) * number / IN_A_SECOND;
            std::thread::sleep(due.saturating_sub(begun.elapsed()));
        }
    }
    let took = begun.elapsed();
    println!(
        "{LINES} lines in {took:?}, {:.0} a second; writes of {files:?}: {writes:?}",
        f64::from(LINES) / took.as_secs_f64()
    );
    // At most one in ten seconds (`Store::EVERY`), one at the beginning, and one that was begun.
    let limit = u32::try_from(took.as_secs() / 10).expect("it ends") + 2;
    assert!(writes[0] <= limit, "{} writes of xids.json in {took:?}", writes[0]);
    writes
}

fn held(place: &Place, agent: &Agent, written: usize) -> Held {
    let files = std::fs::read_dir(place.path("state")).expect("it is there").flatten();
    let held = Held {
        resident_kib: agent.resident_kib(),
        state_bytes: files.map(|file| file.metadata().map_or(0, |data| data.len())).sum(),
        log_bytes: place.log().len(),
        written,
    };
    println!("{held:?}");
    held
}

#[test]
fn ten_thousand_xid_lines_a_second_grow_neither_memory_nor_writes_and_hide_nothing() {
    let server = agents_cluster();
    let folder = tempfile::tempdir().unwrap();
    let mut log = KernelLog::start(folder.path());
    let place = Place::new(
        &server,
        &bound_token(&server, "one", "1h"),
        "",
        &format!("kernelLog: {}\n", log.device().display()),
    );
    let agent = place.start();
    let xids = || {
        place
            .knows("GPUXidProblem")
            .map(|condition| condition["status"].clone())
    };
    until("the agent reads the log", &place, || {
        xids().filter(|status| status == "False")
    });

    let state = place.path("state");
    flood(&mut log, 0, &state);
    until("the agent has noticed", &place, || {
        xids().filter(|status| status == "True")
    });
    let before = held(&place, &agent, server.writes_of(AGENT).len());
    let [_, kept] = flood(&mut log, LINES, &state);
    let after = held(&place, &agent, server.writes_of(AGENT).len());

    assert!(
        after.resident_kib <= before.resident_kib + ROOM_KIB,
        "{before:?} {after:?}"
    );
    // The longest line of each of the 1,024 counts, twice, and what goes with it.
    assert!(after.state_bytes <= 3 << 20, "{after:?}");
    assert!(kept <= 8, "what holds was written {kept} times and nothing new holds");
    assert!(after.log_bytes <= before.log_bytes + (16 << 10), "{before:?} {after:?}");
    // Six conditions at once and then one in ten seconds; ten Events and then one in thirty.
    assert!(after.written <= before.written + 12, "{before:?} {after:?}");
    assert!(after.written <= 60, "{after:?}");

    // In the middle of the noise, what matters: the GPU that is there.
    let lost = || {
        let state = place.state()?;
        let found = state["verdict"]["findings"].as_array()?.iter().find(|finding| {
            let says = |key: &str, word: &str| finding[key].as_str().is_some_and(|text| text.contains(word));
            says("code", "xid-fatal") && says("subject", UUID) && says("message", "XID 79")
        });
        found.cloned()
    };
    assert_eq!(lost(), None);
    log.says(&format!(
        "NVRM: Xid (PCI:{}): 79, pid=1, GPU has fallen off the bus.",
        &ADDRESS[..10]
    ));
    until("the GPU's own XID counts", &place, lost);
    let (status, _) = place.ask("/livez");
    assert_eq!(status, "200");
    assert!(!place.log().contains("panicked"), "{}", place.log());
}
