//! Device profiles: what a healthy GPU of one product answers. One file for each; every value names its source.
//!
//! Called by `board` for what a scenario leaves out, and by substrates for the PCI identity of a simulated `/sys`. A value without a
//! source is `None`, and NVML's call for it answers `NOT_SUPPORTED`; nothing is guessed here.

mod h100_80gb_hbm3;
mod l4;
mod rtx_4000_sff_ada;
mod rtx_pro_6000_blackwell_server;

use serde::{Deserialize, Serialize};

use crate::scenario::{MarginTemperatures, TemperatureThresholds};

/// The profiles there are, as scenarios name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ProfileName {
    /// NVIDIA H100 80GB HBM3 (SXM5).
    #[serde(rename = "h100-80gb-hbm3")]
    H100,
    /// NVIDIA RTX 4000 SFF Ada Generation.
    #[serde(rename = "rtx-4000-sff-ada")]
    Rtx4000SffAda,
    /// NVIDIA L4.
    #[serde(rename = "l4")]
    L4,
    /// NVIDIA RTX PRO 6000 Blackwell Server Edition.
    #[serde(rename = "rtx-pro-6000-blackwell-server")]
    RtxPro6000BlackwellServer,
}

impl ProfileName {
    /// Every profile.
    pub const ALL: [Self; 4] = [
        Self::H100,
        Self::Rtx4000SffAda,
        Self::L4,
        Self::RtxPro6000BlackwellServer,
    ];

    /// Its values.
    pub fn profile(self) -> &'static Profile {
        match self {
            Self::H100 => &h100_80gb_hbm3::PROFILE,
            Self::Rtx4000SffAda => &rtx_4000_sff_ada::PROFILE,
            Self::L4 => &l4::PROFILE,
            Self::RtxPro6000BlackwellServer => &rtx_pro_6000_blackwell_server::PROFILE,
        }
    }
}

/// What a healthy, idle GPU of one product answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// As `nvmlDeviceGetName` gives it.
    pub product_name: &'static str,
    /// Its identity on PCI.
    pub pci: PciIdentity,
    /// `nvmlDeviceArchitecture_t`.
    pub architecture: u32,
    /// `nvmlBrandType_t`.
    pub brand: Option<u32>,
    /// Major, minor.
    pub compute_capability: (i32, i32),
    /// Memory in all, as `nvidia-smi` prints it.
    pub memory_mib: u64,
    /// Whether boards of this kind have a serial number that NVML reads.
    pub has_serial: bool,
    /// `96.00.89.00.01`.
    pub vbios_version: Option<&'static str>,
    /// `G520.0200.00.05`.
    pub inforom_version: Option<&'static str>,
    /// Degrees Celsius, idle.
    pub temperature_celsius: Option<u32>,
    /// Of the memory, degrees Celsius, idle.
    pub memory_temperature_celsius: Option<u32>,
    /// Where it slows down and turns itself off.
    pub temperature_thresholds: TemperatureThresholds,
    /// Degrees to the nearest slowdown, idle.
    pub temperature_margin_celsius: Option<i32>,
    /// Where it slows down and turns itself off, counted from the margin.
    pub margin_temperatures: MarginTemperatures,
    /// Milliwatts, idle.
    pub power_usage_milliwatts: Option<u32>,
    /// Milliwatts; the default limit.
    pub power_limit_milliwatts: Option<u32>,
    /// Least and greatest limit that can be set, milliwatts.
    pub power_limit_range_milliwatts: Option<(u32, u32)>,
    /// Idle.
    pub clocks_mhz: ClocksMhz,
    /// The greatest there are.
    pub greatest_clocks_mhz: ClocksMhz,
    /// Idle, the bits of `nvmlClocksEventReason…`.
    pub clocks_event_reasons: Option<u64>,
    /// The N of `P<N>`, idle.
    pub performance_state: Option<u32>,
    /// Whether ECC is on as delivered; absent where there is none.
    pub ecc_enabled: Option<bool>,
    /// Whether `nvmlDeviceGetSramEccErrorStatus` answers.
    pub sram_ecc_status: bool,
    /// Whether the memory remaps rows.
    pub row_remapping: bool,
    /// Highest PCIe generation.
    pub pcie_generation: Option<u32>,
    /// Most PCIe lanes.
    pub pcie_width: Option<u32>,
    /// `NVLink`; absent without a source for it.
    pub nvlinks: Option<NvLinks>,
    /// Most MIG devices; absent where there is no MIG.
    pub mig_devices: Option<u32>,
    /// What `NVML_FI_DEV_GET_GPU_RECOVERY_ACTION` says of a healthy one.
    pub recovery_action: Option<u32>,
    /// Whether persistence mode is on.
    pub persistence_mode: Option<bool>,
}

/// Clocks in megahertz; one without a source is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClocksMhz {
    /// Of the graphics engine.
    pub graphics: Option<u32>,
    /// Of the streaming multiprocessors.
    pub sm: Option<u32>,
    /// Of the memory.
    pub memory: Option<u32>,
    /// Of the video engine.
    pub video: Option<u32>,
}

impl ClocksMhz {
    /// No source for any.
    const UNKNOWN: Self = Self {
        graphics: None,
        sm: None,
        memory: None,
        video: None,
    };

    /// The clock of this `nvmlClockType_t`.
    pub(crate) fn of(&self, kind: u32) -> Option<u32> {
        match kind {
            0 => self.graphics,
            1 => self.sm,
            2 => self.memory,
            3 => self.video,
            _ => None,
        }
    }
}

/// The `NVLink`s of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NvLinks {
    /// How many; 0 where there is none.
    pub count: u32,
    /// `nvmlNvlinkVersion_t`.
    pub version: u32,
}

/// No source for any threshold.
const NO_THRESHOLDS: TemperatureThresholds = TemperatureThresholds {
    shutdown: None,
    slowdown: None,
    memory_max: None,
    gpu_max: None,
};

/// No source for any margin.
const NO_MARGINS: MarginTemperatures = MarginTemperatures {
    shutdown: None,
    slowdown: None,
    memory_max: None,
    gpu_max: None,
};

/// A device's identity on PCI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PciIdentity {
    /// `0x10de`.
    pub vendor: u16,
    /// `0x2330`.
    pub device: u16,
    /// `0x10de`.
    pub subsystem_vendor: u16,
    /// `0x16c1`.
    pub subsystem_device: u16,
    /// Class code as in sysfs: `0x030200` 3D controller, `0x030000` VGA controller.
    pub class: u32,
}

impl PciIdentity {
    /// Device and vendor in one word, as `nvmlPciInfo_t.pciDeviceId` has it.
    pub(crate) fn device_word(&self) -> u32 {
        u32::from(self.device) << 16 | u32::from(self.vendor)
    }

    /// The subsystem in one word, as `nvmlPciInfo_t.pciSubSystemId` has it.
    pub(crate) fn subsystem_word(&self) -> u32 {
        u32::from(self.subsystem_device) << 16 | u32::from(self.subsystem_vendor)
    }
}

impl Profile {
    /// The link speed as sysfs prints it (`current_link_speed`; Linux 6.1, drivers/pci/pci.h, `PCIE_SPEED2STR`).
    pub fn link_speed(&self) -> Option<&'static str> {
        match self.pcie_generation? {
            1 => Some("2.5 GT/s PCIe"),
            2 => Some("5.0 GT/s PCIe"),
            3 => Some("8.0 GT/s PCIe"),
            4 => Some("16.0 GT/s PCIe"),
            5 => Some("32.0 GT/s PCIe"),
            6 => Some("64.0 GT/s PCIe"),
            _ => None,
        }
    }
}
