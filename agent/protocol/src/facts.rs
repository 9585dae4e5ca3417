//! What is there on a host. Never what should be.
//!
//! A field that could not be read is absent; a reader that failed says why in [`NodeFacts::unreadable`].

mod gpu;

pub use gpu::{FabricFacts, GpuFacts, MigDeviceFacts, NvLinkFacts, NvmlCallError, RetiredPages, RowRemapping};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything the agent reads of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFacts {
    /// The kernel's host name.
    pub hostname: String,
    /// `/etc/machine-id`.
    pub machine_id: Option<String>,
    /// `/etc/os-release`.
    pub os: OsFacts,
    /// The running kernel.
    pub kernel: KernelFacts,
    /// How it was booted.
    pub boot: BootFacts,
    /// The cgroup hierarchy that a kubelet would use.
    pub cgroup: CgroupVersion,
    /// NVIDIA's devices on PCI (vendor `0x10de`), whatever driver they have.
    pub nvidia_pci: Vec<PciDevice>,
    /// NVIDIA's driver and container software on disk and in the kernel.
    pub nvidia: NvidiaFacts,
    /// What NVML says.
    pub nvml: NvmlFacts,
    /// Processor.
    pub cpu: CpuFacts,
    /// Memory.
    pub memory: MemoryFacts,
    /// Swap in use (`/proc/swaps`).
    pub swaps: Vec<String>,
    /// Swap that a boot would turn on (`/etc/fstab`).
    pub fstab_swaps: Vec<String>,
    /// Filesystems on real devices.
    pub disks: Vec<DiskFacts>,
    /// Network interfaces.
    pub networks: Vec<NetworkFacts>,
    /// `/proc/self/mounts` lines of real and overlay filesystems.
    pub mounts: Vec<MountFacts>,
    /// The host's clock.
    pub time: TimeFacts,
    /// Units that matter to a node, those that exist.
    pub services: Vec<ServiceFacts>,
    /// Processes in uninterruptible sleep (`D` in `/proc/<pid>/stat`) that hold one of NVIDIA's devices or are named for them.
    #[serde(default)]
    pub blocked_processes: Vec<BlockedProcess>,
    /// Pressure stall information, where the kernel has it.
    #[serde(default)]
    pub pressure: PressureFacts,
    /// kubelet's `evictionHard`, by signal; absent where its configuration has none, so that its defaults count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubelet_eviction_hard: Option<BTreeMap<String, String>>,
    /// What the package manager has left undone.
    #[serde(default)]
    pub packages: PackageFacts,
    /// Readers that failed: what, and why.
    #[serde(default)]
    pub unreadable: Vec<String>,
}

/// What Debian's and Ubuntu's package managers have left undone; empty elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageFacts {
    /// `/run/reboot-required.pkgs`: packages whose upgrade waits for a reboot.
    pub reboot_required_by: Vec<String>,
    /// Whether dpkg was stopped half-way (`/var/lib/dpkg/updates` holds journal files).
    pub dpkg_interrupted: bool,
}

/// A process in uninterruptible sleep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockedProcess {
    /// Its id.
    pub pid: u32,
    /// When it was started, in clock ticks since boot (`starttime`, field 22 of `/proc/<pid>/stat`): tells it from a later
    /// process with the same id.
    pub start_ticks: u64,
    /// `/proc/<pid>/comm`.
    pub command: String,
    /// `/proc/<pid>/wchan`: the kernel function that it sleeps in.
    pub waits_in: Option<String>,
    /// Whether that is inside a module of NVIDIA's, by `/proc/<pid>/stack` (which wants `CAP_SYS_ADMIN`), else by the function's
    /// name; absent where neither tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_driver: Option<bool>,
}

/// `/proc/pressure`: the share of the last 60 seconds in which every task that could run was stalled (`full avg60`), in
/// hundredths of a percent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PressureFacts {
    /// `/proc/pressure/memory`.
    pub memory_full_avg60: Option<u32>,
    /// `/proc/pressure/io`.
    pub io_full_avg60: Option<u32>,
}

/// `/etc/os-release`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OsFacts {
    /// `debian`.
    pub id: String,
    /// `12`.
    pub version_id: String,
    /// `Debian GNU/Linux 12 (bookworm)`.
    pub pretty_name: String,
}

/// The running kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelFacts {
    /// `uname -r`.
    pub release: String,
    /// `uname -m`.
    pub machine: String,
    /// `/proc/cmdline`.
    pub cmdline: String,
    /// Names in `/proc/modules`.
    pub modules: Vec<String>,
    /// Whether `/lib/modules/<release>/build` leads to headers.
    pub headers: bool,
    /// Whether the kernel can load modules at all (`/proc/modules` exists).
    pub modular: bool,
    /// Modules blacklisted in `/etc/modprobe.d`, `/usr/lib/modprobe.d`, `/run/modprobe.d`.
    pub blacklisted: Vec<String>,
}

/// How the machine was booted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootFacts {
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// Whether `/sys/firmware/efi` is there.
    pub uefi: bool,
    /// The `SecureBoot` EFI variable; absent without UEFI or when it cannot be read.
    pub secure_boot: Option<bool>,
    /// Whether the kernel enforces module signatures (`/sys/module/module/parameters/sig_enforce`).
    pub module_signatures_enforced: Option<bool>,
}

/// The cgroup hierarchy at `/sys/fs/cgroup`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CgroupVersion {
    /// `cgroup2fs`.
    V2,
    /// `tmpfs` with controllers beneath (hybrid hierarchies are v1 to a kubelet).
    V1,
    /// Neither.
    Unknown,
}

/// One device of `/sys/bus/pci/devices`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PciDevice {
    /// `0000:17:00.0`.
    pub address: String,
    /// `0x10de`.
    pub vendor: String,
    /// `0x2330`.
    pub device: String,
    /// `0x030200`.
    pub class: String,
    /// The kernel driver bound to it.
    pub driver: Option<String>,
    /// `current_link_speed`, as sysfs prints it.
    pub link_speed: Option<String>,
    /// `current_link_width`.
    pub link_width: Option<String>,
}

impl NodeFacts {
    /// GPUs on PCI that this host's own driver should have: those that are passed through to a virtual machine (bound to `vfio-pci`)
    /// are another system's.
    pub fn gpus_on_pci(&self) -> Vec<&PciDevice> {
        let own = |device: &&PciDevice| device.is_gpu() && device.driver.as_deref() != Some("vfio-pci");
        self.nvidia_pci.iter().filter(own).collect()
    }
}

impl PciDevice {
    /// Whether it is a GPU: a VGA controller (0x0300) or a 3D controller (0x0302), PCI Code and ID Assignment r1.11 §1.4.
    pub fn is_gpu(&self) -> bool {
        self.class.starts_with("0x0300") || self.class.starts_with("0x0302")
    }
}

/// NVIDIA's driver and container software.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NvidiaFacts {
    /// `/sys/module/nvidia/version`, else parsed from `/proc/driver/nvidia/version`.
    pub module_version: Option<String>,
    /// `open` or `proprietary`, from the first line of `/proc/driver/nvidia/version`.
    pub module_flavour: Option<String>,
    /// The version in the name of the file that `libnvidia-ml.so.1` leads to.
    pub library_version: Option<String>,
    /// Where `libnvidia-ml.so.1` was found.
    pub library_path: Option<String>,
    /// `/dev/nvidia*`.
    pub device_nodes: Vec<String>,
    /// Where `nvidia-ctk` was found.
    pub container_toolkit: Option<String>,
    /// CDI specifications in `/etc/cdi` and `/var/run/cdi`.
    pub cdi_specs: Vec<String>,
    /// The version of the `nvidia.ko` that the running kernel would load, from its `.modinfo`; absent when it is compressed.
    #[serde(default)]
    pub module_on_disk_version: Option<String>,
    /// The kernel that the next boot starts, where that can be told and is not the running one.
    #[serde(default)]
    pub next_kernel: Option<NextKernel>,
    /// Why this process may not open `/dev/nvidiactl`, where NVML was refused and it may not.
    #[serde(default)]
    pub control_node_denied: Option<String>,
}

/// The kernel of the next boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextKernel {
    /// `6.1.0-39-amd64`.
    pub release: String,
    /// Whether its `modules.dep` names `nvidia.ko`.
    pub has_module: bool,
}

/// What NVML says, read in a worker process with a deadline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NvmlFacts {
    /// Whether it answered.
    pub status: NvmlStatus,
    /// `580.95.05`.
    pub driver_version: Option<String>,
    /// NVML's own version.
    pub nvml_version: Option<String>,
    /// `13.0`.
    pub cuda_driver_version: Option<String>,
    /// One entry per index that NVML counts.
    pub gpus: Vec<GpuFacts>,
}

/// Whether NVML answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum NvmlStatus {
    /// Initialised; every call came back.
    Ready,
    /// No `libnvidia-ml.so.1` could be loaded.
    LibraryMissing {
        /// The loader's words.
        detail: String,
    },
    /// `nvmlInit` failed.
    InitFailed {
        /// NVML's return code.
        code: Option<i32>,
        /// NVML's words.
        detail: String,
    },
    /// A call did not come back within the deadline; the worker was stopped.
    Unresponsive {
        /// The call that was under way.
        call: String,
        /// How long it had been when it was given up, in seconds.
        after_seconds: u64,
        /// When it began.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<Timestamp>,
        /// The bound of the whole pass, in seconds, where calls came back and the pass was not over in time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pass_seconds: Option<u64>,
    },
    /// The worker ended without an answer.
    WorkerDied {
        /// How.
        detail: String,
    },
}

/// Processor.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuFacts {
    /// As `/proc/cpuinfo` names it.
    pub model: String,
    /// Logical processors.
    pub logical: u32,
}

/// Memory, in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryFacts {
    /// Usable in all.
    pub total_bytes: u64,
    /// Usable without swapping.
    pub available_bytes: u64,
}

/// A filesystem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskFacts {
    /// Where it is mounted.
    pub mount_point: String,
    /// `ext4`.
    pub filesystem: String,
    /// Bytes.
    pub total_bytes: u64,
    /// Bytes that an ordinary process may still use.
    pub available_bytes: u64,
    /// Inodes in all; absent where the filesystem makes them as it needs them.
    #[serde(default)]
    pub total_inodes: Option<u64>,
    /// Inodes that an ordinary process may still use.
    #[serde(default)]
    pub available_inodes: Option<u64>,
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkFacts {
    /// `eth0`.
    pub name: String,
    /// `52:54:00:…`.
    pub mac: String,
    /// With prefix length.
    pub addresses: Vec<String>,
    /// Bytes.
    pub mtu: u64,
}

/// A mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountFacts {
    /// What.
    pub source: String,
    /// Where.
    pub target: String,
    /// `overlay`.
    pub filesystem: String,
}

/// The clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeFacts {
    /// When the facts were read, by the host's clock.
    pub now: Timestamp,
    /// When NVML was asked for what it says here: what has happened since may not be in it. Absent where nobody has asked it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nvml_asked: Option<Timestamp>,
    /// Whether a time service keeps it (`/run/systemd/timesync/synchronized`, or an active chrony/ntp/ptp unit).
    pub synchronized: Option<bool>,
}

/// A unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceFacts {
    /// `containerd.service`.
    pub name: String,
    /// `active`, `inactive`, `failed`, …
    pub active_state: String,
    /// `enabled`, `disabled`, …
    pub enabled_state: String,
}
