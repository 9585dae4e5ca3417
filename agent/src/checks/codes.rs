//! Every code that a check can give: its weight, whether it says "is wrong" or "could not be read", and what it says.
//!
//! A check makes its findings from these constants only, so the table is whole by construction. `docs/findings.md` and the
//! reasons of a node's conditions are tested against [`ALL`]. Codes are stable: scripts and overrides name them.

use bedplate_protocol::{Finding, RecommendedAction, Severity};

/// One code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Code {
    /// Kebab-case.
    pub(crate) name: &'static str,
    /// How much a finding with it weighs; a log that one look could not read weighs more ([`crate::once`]).
    pub(crate) severity: Severity,
    /// Whether it says that something could not be read, and not that something is wrong.
    pub(crate) unread: bool,
    /// What should be done, unless the finding itself knows better.
    pub(crate) action: Option<RecommendedAction>,
    /// What it says, one sentence.
    pub(crate) meaning: &'static str,
}

impl Code {
    /// A finding with this code.
    pub(super) fn about(
        self,
        subject: impl Into<String>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Finding {
        Finding {
            action: self.action,
            ..Finding::new(self.severity, self.name, subject, message, remedy)
        }
    }
}

/// `error`: something is wrong. `unread`: an error of reading, which recommends nothing. `warning` and `info`: nothing that
/// makes a GPU or node sick. Then what should be done, the code, and what it says.
macro_rules! codes {
    ($($name:ident $kind:ident $action:ident $code:literal $meaning:literal;)*) => {
        $(pub(crate) const $name: Code = Code {
            name: $code,
            severity: codes!(@ $kind),
            unread: matches!(stringify!($kind).as_bytes(), b"unread"),
            action: codes!(@ $action),
            meaning: $meaning,
        };)*
        /// All of them, in the order of the checks.
        pub(crate) const ALL: &[Code] = &[$($name),*];
    };
    (@ error) => { Severity::Error };
    (@ unread) => { Severity::Error };
    (@ warning) => { Severity::Warning };
    (@ info) => { Severity::Info };
    (@ None) => { None };
    (@ $action:ident) => { Some(RecommendedAction::$action) };
}

codes! {
    PCI_UNREADABLE unread None "pci-unreadable" "PCI devices could not be read, so nobody knows whether there is a GPU.";
    MODULE_MISSING error Service "nvidia-module-missing" "There is an NVIDIA GPU and its kernel module is not loaded.";
    LIBRARY_MISSING error Service "nvidia-library-missing" "The kernel module is loaded and `libnvidia-ml.so.1` cannot be.";
    VERSION_MISMATCH error Reboot "nvidia-version-mismatch" "Kernel module and library of NVIDIA's driver have different versions.";
    NO_PERMISSION unread None "nvml-no-permission" "This process may not use the driver: permission bits or a device cgroup, no fault of a GPU.";
    INIT_FAILED error Reboot "nvml-init-failed" "Everything is in its place and NVML does not initialise.";
    UNRESPONSIVE error Reboot "nvml-unresponsive" "A call of NVML did not come back within the deadline.";
    WORKER_DIED unread None "nvml-worker-died" "The process that reads NVML ended without an answer.";
    DEVICE_NODES_MISSING error Reboot "nvidia-device-nodes-missing" "A node in `/dev` is missing, without which no container can have the GPU.";
    UVM_MISSING error Reboot "nvidia-uvm-missing" "`/dev/nvidia-uvm` is missing, without which no container can use CUDA.";
    UVM_TOOLS_MISSING info None "nvidia-uvm-tools-missing" "`/dev/nvidia-uvm-tools` is missing, without which memory profilers do not work.";
    GPU_INVENTORY error PowerCycle "gpu-inventory" "PCI and NVML count different numbers of GPUs.";
    GPU_COUNT error Service "gpu-count" "There are more or fewer GPUs than expected.";
    GPU_MODEL error Service "gpu-model" "A GPU is another product than expected.";
    EXPECTED_DRIVER error Service "expected-driver" "The driver has another version than expected.";
    EXPECTED_MEMORY error Service "expected-memory" "A GPU has less memory than expected.";
    EXPECTED_MIG error ResetGpu "expected-mig" "MIG is on and expected off, or off and expected on.";
    EXPECTED_PERSISTENCE error Service "expected-persistence" "Persistence mode is not as expected.";
    EXPECTED_ECC error ResetGpu "expected-ecc" "ECC is not as expected.";
    EXPECTED_LINK_WIDTH error Service "expected-link-width" "Device and slot together have fewer PCIe lanes than expected.";
    GPU_LOST error Reboot "gpu-lost" "A GPU has fallen off the bus.";
    RESET_REQUIRED error ResetGpu "gpu-reset-required" "NVML says that a GPU must be reset before it can be used.";
    POWER_CABLE error Service "gpu-power-cable" "A GPU's power cables are not properly attached.";
    GPU_IRQ error Reboot "gpu-irq" "The kernel has an interrupt problem with a GPU.";
    INFOROM error Service "gpu-inforom" "A GPU's infoROM is corrupted.";
    VALUE_UNREADABLE unread None "gpu-value-unreadable" "A call about a GPU failed, so it is not proven healthy.";
    NOT_READ unread None "gpu-not-read" "A GPU was not read, because NVML stopped before.";
    RECOVERY_GPU_RESET error ResetGpu "recovery-gpu-reset" "The driver asks to reset a GPU.";
    RECOVERY_NODE_REBOOT error Reboot "recovery-node-reboot" "The driver asks to reboot the node.";
    RECOVERY_DRAIN_P2P error RestartApp "recovery-drain-p2p" "The driver asks to stop what uses peer-to-peer traffic.";
    RECOVERY_DRAIN_AND_RESET error ResetGpu "recovery-drain-and-reset" "The driver asks to drain, then reset a GPU.";
    RECOVERY_IMEX_DOMAIN error Service "recovery-imex-domain" "The driver asks to recover the IMEX domain, which other nodes share.";
    RECOVERY_BUS_RESET error PowerCycle "recovery-bus-reset" "The driver asks to reset a GPU's PCIe bus.";
    RECOVERY_SYSTEM_REBOOT error Reboot "recovery-system-reboot" "The driver asks to reboot the system.";
    RECOVERY_UNKNOWN error Service "recovery-unknown" "The driver asks for something that this build does not know.";
    ECC_UNCORRECTED error ResetGpu "ecc-uncorrected" "Uncorrected memory errors since the driver was loaded.";
    ECC_SRAM_THRESHOLD error Service "ecc-sram-threshold" "SRAM errors are past the number at which NVIDIA wants the card examined.";
    ECC_CORRECTED_RISING info None "ecc-corrected-rising" "Memory errors are being corrected; nothing is lost.";
    ROW_REMAPPING_FAILED error Service "row-remapping-failed" "A row of memory is bad and could not be remapped.";
    ROW_REMAPPING_PENDING error ResetGpu "row-remapping-pending" "A row of memory is bad and waits for a reset to be remapped.";
    PAGE_RETIREMENT_PENDING error Reboot "page-retirement-pending" "A page of memory is bad and waits for a reboot to be retired.";
    PAGE_RETIREMENT_LIMIT error Service "page-retirement-limit" "So many pages are retired that hardly another can be.";
    LINK_WIDTH warning Service "pcie-link-width" "A GPU at work has fewer PCIe lanes than device and slot support.";
    LINK_WIDTH_IDLE info None "pcie-link-width-idle" "A GPU that is idle has fewer PCIe lanes than it could have; load tells.";
    LINK_GENERATION warning Service "pcie-link-generation" "A GPU at work has a slower PCIe generation than device and slot support.";
    PCIE_REPLAYS warning Service "pcie-replays" "PCIe packets are being sent again and again.";
    NVLINK_INACTIVE error ResetGpu "nvlink-inactive" "On a machine with NVSwitches, a link is down.";
    NVLINK_UNBRIDGED warning Service "nvlink-unbridged" "A link is down that another GPU of the same product has up, or one to an NVSwitch on every GPU.";
    NVLINK_ERRORS warning Service "nvlink-errors" "Errors of an NVLink are rising.";
    FABRIC_MANAGER_INACTIVE error Service "fabric-manager-inactive" "The machine has NVSwitches and its fabric manager does not run.";
    FABRIC_NOT_READY error Reboot "fabric-not-ready" "A GPU is not registered with the NVLink fabric yet.";
    FABRIC_FAILED error Reboot "fabric-failed" "A GPU's registration with the NVLink fabric failed.";
    FABRIC_UNHEALTHY error Reboot "fabric-unhealthy" "The NVLink fabric is unhealthy for a GPU.";
    FABRIC_LIMITED warning Service "fabric-limited" "The NVLink fabric has limited capacity for a GPU.";
    CLOCK_THERMAL error Service "clock-hw-thermal" "Heat has slowed a GPU's clocks for most of the window.";
    CLOCK_POWER_BRAKE error Service "clock-power-brake" "The machine's power supply has slowed a GPU's clocks for most of the window.";
    CLOCK_SLOWDOWN error Service "clock-hw-slowdown" "The hardware has slowed a GPU's clocks for most of the window.";
    CLOCK_SLOWED_NOW warning None "clock-slowed-now" "The hardware slows a GPU's clocks right now.";
    TEMPERATURE_SLOWDOWN error Service "temperature-slowdown" "A GPU is as hot as where its hardware slows down.";
    TEMPERATURE_NEAR_SLOWDOWN warning None "temperature-near-slowdown" "A GPU is a few degrees below where its hardware slows down.";
    MEMORY_TEMPERATURE error Service "memory-temperature" "A GPU's memory is hotter than its limit.";
    PERSISTENCE_OFF warning None "persistence-off" "The driver unloads a GPU's state when its last client ends.";
    PROCESS_BLOCKED error Reboot "process-blocked" "A process has been stuck inside NVIDIA's driver for minutes.";
    PROCESS_BLOCKED_UNSEEN unread None "process-blocked-unseen" "A process that uses a GPU has slept uninterruptibly for minutes, and the agent may not see in what.";
    PROCESS_BLOCKED_NOW warning None "process-blocked-now" "A process that uses a GPU sleeps uninterruptibly, for a moment or where it cannot be seen in what.";
    MIG_WITHOUT_DEVICES warning None "mig-without-devices" "MIG is on and has no device, so no pod can use the GPU.";
    MIG_DEVICES_WITHOUT_MODE warning None "mig-devices-without-mode" "MIG is off and there are MIG devices.";
    LIBRARY_CHANGED warning Reboot "nvidia-library-changed" "The library on disk is another one than at the agent's start.";
    MODULE_CHANGED warning Reboot "nvidia-module-changed" "The module on disk is another version than the loaded one.";
    NEXT_KERNEL_WITHOUT_MODULE warning None "next-kernel-without-module" "The kernel of the next boot has no NVIDIA module, so no GPU will work.";
    DPKG_INTERRUPTED warning None "dpkg-interrupted" "An installation of packages was interrupted.";
    REBOOT_PENDING info None "reboot-pending" "An upgrade of NVIDIA's driver or of the kernel waits for a reboot.";
    XID_FATAL error Service "xid-fatal" "The driver reported an XID after which the GPU cannot be used until something is done.";
    XID_WARNING warning None "xid-warning" "The driver reported an XID; the GPU goes on working.";
    XID_NOT_COVERED warning None "xid-not-covered" "The driver reported an XID that the catalogue does not explain for this GPU.";
    XID_APPLICATION info RestartApp "xid-application" "The driver reported an XID that a workload has caused.";
    FATAL_POISON warning None "nvml-fatal-poison" "NVML told of poisoned data that was consumed, and no value of the GPU explains it.";
    GPU_UNAVAILABLE warning None "nvml-gpu-unavailable" "NVML told that the GPU cannot be used, and no value of the GPU explains it.";
    KERNEL_LOG_UNREADABLE warning None "kernel-log-unreadable" "The kernel's log could not be read, so XIDs are not seen.";
    KERNEL_LOG_LOST warning None "kernel-log-lost" "Records of the kernel's log were overwritten before they were read; an XID may have been among them.";
    NODE_DISK_PRESSURE warning None "node-disk-pressure" "A disk is so full that kubelet evicts pods.";
    NODE_MEMORY_LOW warning None "node-memory-low" "So little memory is left that kubelet evicts pods.";
    MEMORY_PRESSURE warning None "memory-pressure" "Tasks have waited for memory most of the last minute.";
}

/// The code of a finding.
pub(crate) fn of(finding: &Finding) -> Option<&'static Code> {
    ALL.iter().find(|known| known.name == finding.code)
}
