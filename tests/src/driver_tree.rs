//! A host with one H100 as a tree of files, which is mounted over `/sys`, `/proc/driver` and `/dev` in a mount namespace of the one
//! process that looks. Called by the tests of driver states and of alerts; needs root.

use crate::built::{Ran, program, run};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

/// The driver's version on it.
pub const DRIVER: &str = "580.95.05";
/// Where its GPU is.
pub const ADDRESS: &str = "0000:18:00.0";

/// A host with one H100 that works; a test takes something away.
pub struct Host {
    folder: tempfile::TempDir,
    kernel_log: &'static str,
}

impl Host {
    /// `faults` is added to the scenario, `of_gpu` to its GPU.
    pub fn new(faults: &str, of_gpu: &str) -> Self {
        let host = Self {
            folder: tempfile::tempdir().expect("a folder can be made"),
            kernel_log: "",
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

    /// The same with the kernel's log of the machine that the test runs on, which has no NVIDIA GPU; without it the log is an empty file.
    #[must_use]
    pub fn with_the_machines_kernel_log(mut self) -> Self {
        self.kernel_log = "mount --bind /dev/kmsg $tree/dev/kmsg;";
        self
    }

    /// Of something in the tree.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file of the tree, and its folders.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder can be made");
        fs::write(path, text).expect("a file can be written");
    }

    /// Removes a file or folder of the tree.
    pub fn remove(&self, name: &str) {
        let path = self.path(name);
        let gone = if path.is_dir() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        gone.expect("it was there");
    }

    /// Named for its version, as the driver's own file is.
    pub fn library(&self) -> PathBuf {
        self.path(&format!("library/libnvidia-ml.so.{DRIVER}"))
    }

    /// Runs the agent where this tree is the machine's. The namespace and its mounts end with it.
    pub fn agent(&self, arguments: &[&str]) -> Ran {
        self.agent_after("", arguments)
    }

    /// The same after more commands in the namespace, each ended by a semicolon.
    pub fn agent_after(&self, and_then: &str, arguments: &[&str]) -> Ran {
        let library = self.library();
        let mut command = self.command_after(and_then);
        run(command.args(arguments).arg("--nvml-library").arg(library))
    }

    /// The agent where this tree is the machine's, its arguments not given yet.
    pub fn command(&self) -> Command {
        self.command_after("")
    }

    fn command_after(&self, and_then: &str) -> Command {
        let tree = self.folder.path().display();
        // /dev keeps what every program needs; a file stands for a node, which only NVML itself would open.
        let script = format!(
            "set -e; tree={tree}; mkdir -p {tree}/modules; \
             mount -t tmpfs tmpfs /sys/bus && cp -a {tree}/bus/. /sys/bus/ && \
             mount -t tmpfs tmpfs /sys/module && cp -a {tree}/module/. /sys/module/ && \
             mkdir -p {tree}/dev && touch {tree}/dev/null {tree}/dev/kmsg && \
             mount --bind /dev/null {tree}/dev/null; {} mount --rbind {tree}/dev /dev; {and_then} \
             [ ! -d /proc/driver ] || mount --bind {tree}/driver /proc/driver; \
             exec \"$@\"",
            self.kernel_log
        );
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private", "sh", "-c", &script, "sh"])
            .arg(program("bedplate-agent"));
        command
    }
}
