//! Simulated hosts behave like bare machines, and leave nothing behind. Needs root; says what else it needs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]

use bedplate_substrates::simulated::census::Census;
use bedplate_substrates::simulated::{Hosts, Options, SimulatedNvml, Spec};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Instant;

const NAME: &str = "hosts-test";

fn library() -> PathBuf {
    // A test runs from target/<profile>/deps; cargo puts the library one above.
    let beside = std::env::current_exe().unwrap();
    let library = beside.parent().unwrap().parent().unwrap().join("libnvidia_ml.so");
    assert!(
        library.is_file(),
        "{} is missing: cargo build -p bedplate-simulated-nvml",
        library.display()
    );
    library
}

fn nodes() -> Vec<(String, Ipv4Addr)> {
    (1..=3)
        .map(|i| (format!("gpu-{i}"), Ipv4Addr::new(10, 79, 0, 10 + i)))
        .collect()
}

fn options() -> Options {
    Options {
        cache: None,
        nvml: SimulatedNvml { library: library() },
    }
}

/// Ends what this test has made, also when an assertion fails; `down` finds it on disk.
struct RemoveAtEnd;

impl Drop for RemoveAtEnd {
    fn drop(&mut self) {
        if let Ok(Some(left)) = Hosts::existing(NAME, &options()) {
            left.down().expect("the machines can be removed");
        }
    }
}

#[test]
fn three_hosts_boot_reboot_show_their_gpus_and_leave_nothing_behind() {
    if let Some(left) = Hosts::existing(NAME, &options()).unwrap() {
        left.down().unwrap();
    }
    let before = Census::read(NAME);
    // A thread of its own enters the machines' network; this one stays outside and can compare.
    std::thread::spawn(live).join().unwrap();
    assert_eq!(Census::read(NAME).differences(&before), Vec::<String>::new());
    assert!(
        Hosts::existing(NAME, &options()).unwrap().is_none(),
        "down has removed the folder"
    );
}

fn live() {
    // Declared first, so dropped last: the machines' lock is free by then.
    let _end = RemoveAtEnd;
    let section = serde_json::json!({"gpus": {"gpu-1": {"profile": "h100-80gb-hbm3", "count": 2}}});
    let spec = Spec::read(Some(&section)).unwrap();
    let hosts = Hosts::prepare(NAME, &spec, &nodes(), &options()).unwrap_or_else(|findings| {
        panic!(
            "{}",
            findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        )
    });
    let since = Instant::now();
    hosts
        .up(|line| println!("{:6.2} s {line}", since.elapsed().as_secs_f32()))
        .unwrap();
    let on = |host: &str, line: &str| hosts.ssh(host, line).unwrap().trim().to_owned();

    let mut identities = std::collections::BTreeSet::new();
    for access in hosts.access() {
        let name = access.name.as_str();
        assert_eq!(on(name, "hostname"), name);
        let state = on(
            name,
            "systemctl is-system-running --wait || systemctl --failed --no-legend",
        );
        assert_eq!(state, "running", "{name}");
        assert_eq!(
            on(name, "sshd -T | grep -E '^(maxsessions|maxstartups)' | sort"),
            "maxsessions 10\nmaxstartups 10:30:100"
        );
        identities.insert(on(name, "cat /etc/machine-id"));
        assert!(access.host_key.starts_with("ssh-ed25519 "), "{}", access.host_key);
    }
    assert_eq!(identities.len(), 3, "each machine has its own id");
    assert_eq!(on("gpu-2", "ping -c1 -W5 gpu-3 >/dev/null && echo reached"), "reached");

    let nvidia = "cat /sys/bus/pci/devices/*/vendor | grep -c 0x10de; cat /sys/module/nvidia/version /proc/driver/nvidia/version; \
                  ls /usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1 /dev/nvidia*";
    let seen = on("gpu-1", nvidia);
    for part in [
        "2\n580.95.05\n",
        "Open Kernel Module",
        "libnvidia-ml.so.1",
        "/dev/nvidia0",
        "/dev/nvidia1",
        "/dev/nvidiactl",
        "/dev/nvidia-uvm",
    ] {
        assert!(seen.contains(part), "{part} in {seen}");
    }
    let absent = on("gpu-2", &format!("({nvidia}) 2>/dev/null; true"));
    assert_eq!(absent, "0", "a machine without GPUs shows none");

    // A kernel parameter set on a machine stays on that machine.
    let outside = std::fs::read_to_string("/proc/sys/kernel/panic").unwrap();
    assert_eq!(
        on(
            "gpu-2",
            "sysctl -w kernel.panic=77 >/dev/null; cat /proc/sys/kernel/panic"
        ),
        "77"
    );
    assert_eq!(std::fs::read_to_string("/proc/sys/kernel/panic").unwrap(), outside);

    let boot = "cat /proc/sys/kernel/random/boot_id";
    let first = on("gpu-1", boot);
    let rebooting = Instant::now();
    hosts.reboot("gpu-1").unwrap();
    println!("reboot {:.2} s", rebooting.elapsed().as_secs_f32());
    assert_ne!(on("gpu-1", boot), first, "a reboot has a boot id of its own");
    assert!(
        on("gpu-1", nvidia).contains("/dev/nvidia1"),
        "the GPUs are there after a reboot"
    );

    hosts.power_off("gpu-3").unwrap();
    assert_eq!(
        on("gpu-2", "ping -c1 -W1 gpu-3 >/dev/null && echo reached || echo silent"),
        "silent"
    );
    hosts.power_on("gpu-3").unwrap();
    assert_eq!(on("gpu-3", "hostname"), "gpu-3");

    // A census that sees nothing would prove nothing.
    let seen = Census::read(NAME).differences(&Census::read("no-such-rehearsal"));
    for kind in [
        "+ mount nsfs /run/netns/",
        "+ network namespace ",
        "+ cgroup ",
        "+ process ",
    ] {
        assert!(seen.iter().any(|line| line.starts_with(kind)), "{kind} in {seen:#?}");
    }

    let ending = Instant::now();
    hosts.down().unwrap();
    println!("down {:.2} s", ending.elapsed().as_secs_f32());
}
