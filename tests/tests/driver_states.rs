//! `bedplate-agent check` on each state that NVIDIA's driver can be in, the built program against the simulated library.
//!
//! Each state is a tree that is mounted over `/sys`, `/proc/driver` and `/dev` in a mount namespace of the one process that
//! looks. Needs root.

#![allow(clippy::expect_used, clippy::panic, reason = "test helpers stand outside #[test]")]

use bedplate_protocol::{Health, Verdict};
use bedplate_tests::built::{Ran, program, run};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

const DRIVER: &str = "580.95.05";
const ADDRESS: &str = "0000:18:00.0";

/// A host with one H100 that works; a test takes something away.
struct Host {
    folder: tempfile::TempDir,
}

impl Host {
    /// `faults` is added to the scenario, `of_gpu` to its GPU.
    fn new(faults: &str, of_gpu: &str) -> Self {
        let host = Self {
            folder: tempfile::tempdir().expect("a folder can be made"),
        };
        host.write("library/scenario", &format!(
            "driver_version: {DRIVER}\nnvml_version: 13.{DRIVER}\ncuda_version: '13.0'\n{faults}gpus:\n\
             - {{profile: h100-80gb-hbm3, pci_address: '{ADDRESS}', minor: 0, uuid: GPU-5b0d91a7-4e1c-4c6a-9f00-000000000001{of_gpu}}}\n"
        ));
        let scenario = host.path(&format!("library/libnvidia-ml-scenario.so.{DRIVER}"));
        fs::rename(host.path("library/scenario"), scenario).expect("the scenario can be named");
        fs::copy(program("libnvidia_ml.so"), host.library()).expect("the library can be copied");
        for (name, value) in [("vendor", "0x10de"), ("device", "0x2330"), ("class", "0x030200")] {
            host.write(&format!("bus/pci/devices/{ADDRESS}/{name}"), value);
        }
        host.write("bus/pci/drivers/nvidia/module", "");
        symlink(
            "../../drivers/nvidia",
            host.path(&format!("bus/pci/devices/{ADDRESS}/driver")),
        )
        .expect("a link can be made");
        host.write("module/nvidia/version", DRIVER);
        host.write(
            "driver/nvidia/version",
            &format!("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {DRIVER}\n"),
        );
        for node in ["nvidia0", "nvidiactl", "nvidia-uvm", "nvidia-uvm-tools"] {
            host.write(&format!("dev/{node}"), "");
        }
        host
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder can be made");
        fs::write(path, text).expect("a file can be written");
    }

    fn remove(&self, name: &str) {
        let path = self.path(name);
        let gone = if path.is_dir() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        gone.expect("it was there");
    }

    /// Named for its version, as the driver's own file is.
    fn library(&self) -> PathBuf {
        self.path(&format!("library/libnvidia-ml.so.{DRIVER}"))
    }

    /// Runs the agent where this tree is the machine's. The namespace and its mounts end with it.
    fn agent(&self, arguments: &[&str]) -> Ran {
        self.agent_after("", arguments)
    }

    /// The same after more commands in the namespace, each ended by a semicolon.
    fn agent_after(&self, and_then: &str, arguments: &[&str]) -> Ran {
        let tree = self.folder.path().display();
        // /dev keeps what every program needs; a file stands for a node, which only NVML itself would open.
        let script = format!(
            "set -e; mkdir -p {tree}/modules; \
             mount -t tmpfs tmpfs /sys/bus && cp -a {tree}/bus/. /sys/bus/ && \
             mount -t tmpfs tmpfs /sys/module && cp -a {tree}/module/. /sys/module/ && \
             mkdir -p {tree}/dev && touch {tree}/dev/null {tree}/dev/kmsg && \
             mount --bind /dev/null {tree}/dev/null && mount --rbind {tree}/dev /dev; {and_then} \
             [ ! -d /proc/driver ] || mount --bind {tree}/driver /proc/driver; \
             exec \"$@\""
        );
        run(Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", &script, "sh"])
            .arg(program("bedplate-agent"))
            .args(arguments)
            .arg("--nvml-library")
            .arg(self.library()))
    }

    /// The exit code and the verdict.
    fn check(&self, arguments: &[&str]) -> (Option<i32>, Verdict) {
        let ran = self.agent(&[&["check", "--output", "json"], arguments].concat());
        let verdict =
            serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", ran.stdout, ran.stderr));
        (ran.code, verdict)
    }

    /// The driver's or the GPU's own finding must be this one and the exit code the health's.
    fn expect(&self, code: &str, health: Health) {
        let (exit, verdict) = self.check(&["--nvml-deadline", "2"]);
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
}

#[test]
fn a_driver_that_initialises_is_healthy_and_its_host_is_a_pattern_for_others() {
    let host = Host::new("", "");
    let (exit, verdict) = host.check(&["--expect", "gpus=1,model=H100,driver=580"]);
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
    let (exit, verdict) = host.check(&["--expect", &written]);
    assert_eq!(exit, Some(0), "{written}: {verdict:#?}");
}

#[test]
fn no_nvidia_device_on_pci_and_no_driver_is_a_host_without_gpus() {
    let host = Host::new("init: {code: 9}\n", "");
    host.remove("module/nvidia");
    host.remove(&format!("bus/pci/devices/{ADDRESS}"));
    let (exit, verdict) = host.check(&[]);
    assert_eq!((exit, verdict.health), (Some(0), Health::Healthy), "{verdict:#?}");
    let (exit, verdict) = host.check(&["--expect", "gpus=1"]);
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
    host.expect("nvidia-module-missing", Health::Problem);
}

#[test]
fn a_module_without_library() {
    let host = Host::new("", "");
    host.remove(&format!("library/libnvidia-ml.so.{DRIVER}"));
    host.expect("nvidia-library-missing", Health::Problem);
}

#[test]
fn a_library_that_is_not_the_modules() {
    let host = Host::new("init: {code: 18}\n", "");
    host.expect("nvidia-version-mismatch", Health::Problem);
}

#[test]
fn device_nodes_that_are_missing() {
    let host = Host::new("init: {code: 999}\n", "");
    for node in ["nvidia0", "nvidiactl", "nvidia-uvm", "nvidia-uvm-tools"] {
        host.remove(&format!("dev/{node}"));
    }
    host.expect("nvidia-device-nodes-missing", Health::Problem);
    let host = Host::new("", "");
    host.remove("dev/nvidia-uvm");
    host.expect("nvidia-uvm-missing", Health::Problem);
}

#[test]
fn a_driver_that_this_process_may_not_use() {
    Host::new("init: {code: 4}\n", "").expect("nvml-no-permission", Health::Unknown);
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
    Host::new("", ", lost: true").expect("gpu-lost", Health::Problem);
}

#[test]
fn a_gpu_that_must_be_reset() {
    Host::new("", ", returns: {nvmlDeviceGetTemperature: 16}").expect("gpu-reset-required", Health::Problem);
}

#[test]
fn a_driver_that_hangs() {
    let host = Host::new("", ", hang: {call: nvmlDeviceGetTemperature, seconds: forever}");
    host.expect("nvml-unresponsive", Health::Problem);
}

#[test]
fn the_host_itself_is_untouched() {
    let there = || Path::new("/sys/bus/pci/devices").join(ADDRESS).exists();
    let before = there();
    Host::new("", "").check(&[]);
    assert_eq!(there(), before);
}
