//! The agent's unit on a machine with systemd: whatever ends it, the process that owns NVML leaves its call first. Needs root.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]

use bedplate_substrates::simulated::{Hosts, Spec};
use bedplate_tests::built::{host_options, program, repository, run};
use bedplate_tests::one_host::{HOST, RemoveAtEnd, remove};
use nvidia_ml::scenario::{Hang, HangTime};
use std::net::Ipv4Addr;
use std::process::Command;
use std::time::{Duration, Instant};

const NAME: &str = "unit-test";
const SOON: Duration = Duration::from_secs(40);
/// Long enough to look at twice over SSH, and less than the daemon waits.
const CALL_SECONDS: u64 = 6;

fn until(what: &str, mut met: impl FnMut() -> bool) {
    let since = Instant::now();
    while !met() {
        assert!(since.elapsed() < SOON, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn neither_a_restart_nor_the_death_of_the_agent_ends_the_process_that_owns_nvml_inside_a_call() {
    remove(NAME);
    // A thread of its own enters the machine's network.
    std::thread::spawn(live).join().unwrap();
}

/// A machine with a GPU, and the agent installed as the unit has it.
fn installed() -> Hosts {
    let section = serde_json::json!({"gpus": {HOST: {"profile": "h100-80gb-hbm3", "count": 1}}});
    let nodes = [(HOST.to_owned(), Ipv4Addr::new(10, 86, 0, 11))];
    let spec = Spec::read(Some(&section)).unwrap();
    let hosts = Hosts::prepare(NAME, &spec, &nodes, &host_options()).unwrap_or_else(|findings| panic!("{findings:?}"));
    hosts.up(|line| println!("{line}")).unwrap();
    hosts.ssh(HOST, "mkdir -p /etc/bedplate").unwrap();
    let access = hosts.access().remove(0);
    let known = access.key.with_file_name("known_hosts");
    let copied = run(Command::new("scp")
        .args(["-q", "-o", "BatchMode=yes", "-o"])
        .arg(format!("UserKnownHostsFile={}", known.display()))
        .arg("-i")
        .arg(&access.key)
        .arg(program("bedplate-agent"))
        .arg(format!("root@{}:/usr/local/bin/bedplate-agent", access.address)));
    assert_eq!(copied.code, Some(0), "{}", copied.stderr);
    let unit = std::fs::read_to_string(repository().join("installer/src/plan/bedplate-agent.service")).unwrap();
    let unit = unit.replace("{program}", "/usr/local/bin/bedplate-agent");
    let configuration = "interval: 10s\nnvml: {deadline: 30s}\n";
    for (path, text) in [
        ("/etc/systemd/system/bedplate-agent.service", unit.as_str()),
        ("/etc/bedplate/agent.yaml", configuration),
    ] {
        hosts.ssh(HOST, &format!("cat > {path} <<'END'\n{text}\nEND")).unwrap();
    }
    hosts
}

fn live() {
    let _end = RemoveAtEnd(NAME);
    let hosts = installed();
    let on = |line: &str| hosts.ssh(HOST, line).unwrap_or_else(|error| panic!("{line}: {error}"));
    on("systemctl daemon-reload; systemctl start bedplate-agent");
    let mut scenario = hosts.scenario(HOST).unwrap();
    scenario.gpus[0].hang = Some(Hang {
        call: "nvmlDeviceGetTemperature".to_owned().try_into().unwrap(),
        seconds: HangTime::For(CALL_SECONDS),
    });
    hosts.set_scenario(HOST, &scenario).unwrap();
    for how in [
        "systemctl restart --no-block bedplate-agent",
        "kill -KILL $(systemctl show --value --property MainPID bedplate-agent)",
    ] {
        // The last call of that name is over, and another has begun.
        let named = "grep -l nvmlDeviceGetTemperature /run/bedplate/nvml-workers/* || true";
        until("a call is over", || on(named).is_empty());
        until("a call has begun", || !on(named).is_empty());
        let worker = on("pgrep -f nvml-worker").trim().to_owned();
        on(how);
        std::thread::sleep(Duration::from_secs(1));
        let lives = format!("kill -0 {worker} 2>/dev/null && echo lives || true");
        assert_eq!(on(&lives).trim(), "lives", "{how}: it was ended inside the call");
        until("the worker ends after the call", || on(&lives).is_empty());
        until("another agent runs", || {
            on("systemctl is-active bedplate-agent || true").trim() == "active"
        });
        let journal = on("journalctl --no-pager -u bedplate-agent");
        assert!(!journal.contains("with signal SIGKILL"), "{how}: {journal}");
    }
    hosts.down().unwrap();
}
