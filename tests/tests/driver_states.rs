//! `bedplate-agent check` on each state that NVIDIA's driver can be in, the built program against the simulated library.
//!
//! Needs root.

#![allow(clippy::expect_used, clippy::panic, reason = "test helpers stand outside #[test]")]

use bedplate_protocol::{Health, Verdict};
use bedplate_tests::driver_tree::{ADDRESS, DRIVER, Host};
use std::path::Path;

/// The exit code and the verdict.
fn check(host: &Host, arguments: &[&str]) -> (Option<i32>, Verdict) {
    let ran = host.agent(&[&["check", "--output", "json"], arguments].concat());
    let verdict =
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", ran.stdout, ran.stderr));
    (ran.code, verdict)
}

/// The driver's or the GPU's own finding must be this one and the exit code the health's.
fn expect(host: &Host, code: &str, health: Health) {
    let (exit, verdict) = check(host, &["--nvml-deadline", "2"]);
    let found: Vec<&str> = verdict.findings.iter().map(|finding| finding.code.as_str()).collect();
    assert!(found.contains(&code), "{verdict:#?}");
    assert_eq!(verdict.health, health, "{verdict:#?}");
    let wanted = match health {
        Health::Healthy => 0,
        Health::Problem => 1,
        Health::Unknown => 2,
    };
    assert_eq!(exit, Some(wanted));
}

#[test]
fn a_driver_that_initialises_is_healthy_and_its_host_is_a_pattern_for_others() {
    let blind = Host::new("", "");
    let (exit, verdict) = check(&blind, &[]);
    assert_eq!(
        (exit, verdict.health),
        (Some(2), Health::Unknown),
        "nobody has heard its driver"
    );
    let host = blind.with_the_machines_kernel_log();
    let (exit, verdict) = check(&host, &["--expect", "gpus=1,model=H100,driver=580"]);
    assert_eq!((exit, verdict.health), (Some(0), Health::Healthy), "{verdict:#?}");
    let text = host.agent(&["check"]).stdout;
    assert!(text.starts_with("healthy: 1 of 1 GPU(s) healthy"), "{text}");
    let pattern = host.agent(&["facts", "--expectation"]);
    assert_eq!(pattern.code, Some(0), "{}", pattern.stderr);
    assert!(pattern.stdout.contains("\nexpect:\n"), "{}", pattern.stdout);
    assert!(pattern.stdout.contains("\n  gpus: 1\n"), "{}", pattern.stdout);
    assert!(
        pattern.stdout.contains(&format!("\n  driver: \"{DRIVER}\"\n")),
        "{}",
        pattern.stdout
    );
    let written = pattern
        .stdout
        .split('\'')
        .nth(1)
        .expect("the same for --expect is in the comment")
        .to_owned();
    let (exit, verdict) = check(&host, &["--expect", &written]);
    assert_eq!(exit, Some(0), "{written}: {verdict:#?}");
}

#[test]
fn no_nvidia_device_on_pci_and_no_driver_is_a_host_without_gpus() {
    let host = Host::new("init: {code: 9}\n", "");
    host.remove("module/nvidia");
    host.remove(&format!("bus/pci/devices/{ADDRESS}"));
    let (exit, verdict) = check(&host, &[]);
    assert_eq!((exit, verdict.health), (Some(0), Health::Healthy), "{verdict:#?}");
    let (exit, verdict) = check(&host, &["--expect", "gpus=1"]);
    assert_eq!(exit, Some(1), "{verdict:#?}");
    assert!(
        verdict.findings.iter().any(|finding| finding.code == "gpu-count"),
        "{verdict:#?}"
    );
}

#[test]
fn a_device_without_module() {
    let host = Host::new("init: {code: 9}\n", "");
    host.remove("module/nvidia");
    host.remove("driver/nvidia");
    expect(&host, "nvidia-module-missing", Health::Problem);
}

#[test]
fn a_module_without_library() {
    let host = Host::new("", "");
    host.remove(&format!("library/libnvidia-ml.so.{DRIVER}"));
    expect(&host, "nvidia-library-missing", Health::Problem);
}

#[test]
fn a_library_that_is_not_the_modules() {
    let host = Host::new("init: {code: 18}\n", "");
    expect(&host, "nvidia-version-mismatch", Health::Problem);
}

#[test]
fn device_nodes_that_are_missing() {
    let host = Host::new("init: {code: 999}\n", "");
    for node in ["nvidia0", "nvidiactl", "nvidia-uvm", "nvidia-uvm-tools"] {
        host.remove(&format!("dev/{node}"));
    }
    expect(&host, "nvidia-device-nodes-missing", Health::Problem);
    let host = Host::new("", "");
    host.remove("dev/nvidia-uvm");
    expect(&host, "nvidia-uvm-missing", Health::Problem);
}

#[test]
fn a_driver_that_this_process_may_not_use() {
    expect(
        &Host::new("init: {code: 4}\n", ""),
        "nvml-no-permission",
        Health::Unknown,
    );
}

/// NVML answers 999 where a device cgroup took the nodes away; that is the container's fault and no GPU's. A mount without
/// devices refuses the open as a cgroup does.
#[test]
fn device_nodes_that_were_taken_from_this_process() {
    let host = Host::new("init: {code: 999}\n", "");
    host.remove("dev/nvidiactl");
    let denied = "mknod /dev/nvidiactl c 195 255; mount -o remount,bind,nodev /dev;";
    let ran = host.agent_after(denied, &["check"]);
    assert_eq!(ran.code, Some(2), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("[nvml-no-permission]"), "{}", ran.stdout);
    assert!(ran.stdout.contains("/dev/nvidiactl"), "{}", ran.stdout);
}

#[test]
fn a_gpu_that_is_lost() {
    expect(&Host::new("", ", lost: true"), "gpu-lost", Health::Problem);
}

#[test]
fn a_gpu_that_must_be_reset() {
    expect(
        &Host::new("", ", returns: {nvmlDeviceGetTemperature: 16}"),
        "gpu-reset-required",
        Health::Problem,
    );
}

#[test]
fn a_driver_that_hangs() {
    let host = Host::new("", ", hang: {call: nvmlDeviceGetTemperature, seconds: forever}");
    expect(&host, "nvml-unresponsive", Health::Problem);
}

#[test]
fn the_host_itself_is_untouched() {
    let there = || Path::new("/sys/bus/pci/devices").join(ADDRESS).exists();
    let before = there();
    check(&Host::new("", ""), &[]);
    assert_eq!(there(), before);
}
