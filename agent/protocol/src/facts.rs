//! What is there on a host. Never what should be.
//!
//! A field that could not be read is absent; a reader that failed says why in [`NodeFacts::unreadable`].

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

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
    /// Readers that failed: what, and why.
    #[serde(default)]
    pub unreadable: Vec<String>,
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
        /// The deadline, in seconds.
        after_seconds: u64,
    },
    /// The worker ended without an answer.
    WorkerDied {
        /// How.
        detail: String,
    },
}

/// One GPU as NVML sees it. A value whose call answered `NOT_SUPPORTED` is absent; any other failure is in `errors`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuFacts {
    /// NVML's index.
    pub index: u32,
    /// `GPU-…`.
    pub uuid: Option<String>,
    /// `NVIDIA H100 80GB HBM3`.
    pub name: Option<String>,
    /// The board's serial number.
    pub serial: Option<String>,
    /// `0000:17:00.0`, lower case, as in sysfs.
    pub pci_address: Option<String>,
    /// The N of `/dev/nvidiaN`.
    pub minor: Option<u32>,
    /// Bytes.
    pub memory_total_bytes: Option<u64>,
    /// `hopper`, NVML's architecture.
    pub architecture: Option<String>,
    /// `9.0`.
    pub compute_capability: Option<String>,
    /// Degrees Celsius.
    pub temperature_celsius: Option<u32>,
    /// Milliwatts.
    pub power_usage_milliwatts: Option<u32>,
    /// Milliwatts.
    pub power_limit_milliwatts: Option<u32>,
    /// Whether ECC is on.
    pub ecc_enabled: Option<bool>,
    /// Uncorrected volatile ECC errors, all memory.
    pub ecc_uncorrected_volatile: Option<u64>,
    /// Row remapping.
    pub row_remapping: Option<RowRemapping>,
    /// Negotiated PCIe generation.
    pub pcie_generation: Option<u32>,
    /// Negotiated PCIe lanes.
    pub pcie_width: Option<u32>,
    /// Highest PCIe generation that device and slot support.
    pub pcie_max_generation: Option<u32>,
    /// Most PCIe lanes that device and slot support.
    pub pcie_max_width: Option<u32>,
    /// `NVML_FI_DEV_GET_GPU_RECOVERY_ACTION`: 0 none, 1 reset GPU, 2 reboot node, 3 drain peer-to-peer, 4 drain and reset
    /// (nvml.h, `nvmlDeviceGpuRecoveryAction_t`).
    pub recovery_action: Option<u32>,
    /// Whether MIG is on.
    pub mig_enabled: Option<bool>,
    /// Process ids of compute processes.
    pub compute_processes: Vec<u32>,
    /// Calls that failed: which, code, words.
    pub errors: Vec<NvmlCallError>,
}

/// Rows of memory that were remapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowRemapping {
    /// Because of correctable errors.
    pub correctable: u32,
    /// Because of uncorrectable errors.
    pub uncorrectable: u32,
    /// Waits for a reset.
    pub pending: bool,
    /// A remapping failed.
    pub failed: bool,
}

/// An NVML call that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NvmlCallError {
    /// `nvmlDeviceGetUUID`.
    pub call: String,
    /// NVML's return code, where it is known.
    pub code: Option<i32>,
    /// NVML's words.
    pub detail: String,
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
