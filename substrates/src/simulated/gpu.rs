//! Simulated GPUs on one machine: the files that NVIDIA's driver would have brought, and what the kernel would show of them.
//!
//! The one place that knows the simulated NVML library's types. Everything goes into the machine's overlay before it boots;
//! `machine-hardware.sh` binds the kernel's part over `/sys` and `/proc` inside the machine.

use super::spec::Gpus;
use super::state::{self, StateError, at};
use super::{Hosts, HostsError};
use nvidia_ml::Scenario;
use nvidia_ml::profiles::ProfileName;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// The version that the simulated library's file carries. A choice, not a claim: 580 is a branch whose CUDA version the
/// library's own documentation sources.
pub const DRIVER_VERSION: &str = "580.95.05";
/// What driver 580 supports: CUDA Toolkit 13.0 release notes, table 2, 2025-08.
const CUDA_VERSION: &str = "13.0";
/// Debian's and Ubuntu's directory of libraries on this architecture.
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";
const HARDWARE: &str = "usr/local/lib/machine-hardware";

/// Where the simulated NVML library was built to.
#[derive(Debug, Clone)]
pub struct SimulatedNvml {
    /// The shared library's file.
    pub library: PathBuf,
}

impl Default for SimulatedNvml {
    /// `libnvidia_ml.so` beside the running program, where cargo puts it.
    fn default() -> Self {
        let beside = std::env::current_exe().unwrap_or_default();
        Self {
            library: beside.with_file_name("libnvidia_ml.so"),
        }
    }
}

/// A machine's GPUs could not be made.
#[derive(Debug, thiserror::Error)]
pub enum GpuError {
    /// A file.
    #[error(transparent)]
    State(#[from] StateError),
    /// There is no such profile.
    #[error("`{0}` is no GPU profile; write h100-80gb-hbm3, rtx-4000-sff-ada, l4 or rtx-pro-6000-blackwell-server")]
    Profile(String),
    /// The scenario could not be written.
    #[error(transparent)]
    Scenario(#[from] nvidia_ml::ScenarioError),
}

/// The profile of this name.
pub(super) fn profile(name: &str) -> Result<ProfileName, GpuError> {
    serde_json::from_value(serde_json::Value::from(name)).map_err(|_| GpuError::Profile(name.to_owned()))
}

/// The scenario file of a machine, seen from outside: beside the library, named so that NVIDIA's CDI discovery mounts it too.
pub(super) fn scenario_path(upper: &Path) -> PathBuf {
    upper
        .join(LIBRARIES)
        .join(format!("libnvidia-ml-scenario.so.{DRIVER_VERSION}"))
}

/// Puts library, scenario, device list and kernel trees into the overlay.
pub(super) fn install(upper: &Path, host: &str, gpus: &Gpus, nvml: &SimulatedNvml) -> Result<(), GpuError> {
    let profile = profile(&gpus.profile)?;
    let scenario = Scenario::for_host(host, DRIVER_VERSION, CUDA_VERSION, &[(profile, gpus.count)]);
    let libraries = upper.join(LIBRARIES);
    fs::create_dir_all(&libraries).map_err(at(&libraries))?;
    let library = libraries.join(format!("libnvidia-ml.so.{DRIVER_VERSION}"));
    fs::copy(&nvml.library, &library).map_err(at(&nvml.library))?;
    let cuda = format!("libcuda.so.{DRIVER_VERSION}");
    state::write(&libraries.join(&cuda), 0o644, "")?;
    for (link, to) in [
        ("libnvidia-ml.so.1", format!("libnvidia-ml.so.{DRIVER_VERSION}")),
        ("libcuda.so.1", cuda.clone()),
    ] {
        let link = libraries.join(link);
        let _ = fs::remove_file(&link);
        symlink(to, &link).map_err(at(&link))?;
    }
    scenario.write(&scenario_path(upper))?;

    let hardware = upper.join(HARDWARE);
    let pci = profile.profile().pci;
    let mut minors = String::from("255");
    for gpu in &scenario.gpus {
        let _ = write!(minors, " {}", gpu.minor);
        let device = hardware.join("pci").join(gpu.pci_address.to_string());
        let link = profile.profile();
        let mut attributes = vec![
            ("vendor", format!("{:#06x}", pci.vendor)),
            ("device", format!("{:#06x}", pci.device)),
            ("subsystem_vendor", format!("{:#06x}", pci.subsystem_vendor)),
            ("subsystem_device", format!("{:#06x}", pci.subsystem_device)),
            ("class", format!("{:#08x}", pci.class)),
        ];
        // A profile without a source for its link shows none.
        attributes.extend(link.link_speed().map(|speed| ("current_link_speed", speed.to_owned())));
        attributes.extend(link.pcie_width.map(|width| ("current_link_width", width.to_string())));
        for (name, value) in attributes {
            state::write(&device.join(name), 0o444, &format!("{value}\n"))?;
        }
        let driver = device.join("driver");
        let _ = fs::remove_file(&driver);
        symlink("../../drivers/nvidia", &driver).map_err(at(&driver))?;
    }
    state::write(&hardware.join("minors"), 0o444, &minors)?;
    state::write(
        &hardware.join("sys/module/nvidia/version"),
        0o444,
        &format!("{DRIVER_VERSION}\n"),
    )?;
    // Written from memory of the open modules' line, not copied from a machine: only `Open Kernel Module` and the version
    // are meant to be read from it.
    let version = format!("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {DRIVER_VERSION}  Release Build\n");
    state::write(&hardware.join("proc/driver/nvidia/version"), 0o444, &version)?;
    Ok(())
}

impl Hosts {
    /// Changes what a machine's GPUs answer, at once, also for clients that run already.
    pub fn set_scenario(&self, name: &str, scenario: &nvidia_ml::Scenario) -> Result<(), HostsError> {
        let path = scenario_path(&self.host(self.record(name)?).join("upper"));
        scenario.write(&path).map_err(|error| HostsError::Gpu(error.into()))
    }

    /// What a machine's GPUs answer now.
    pub fn scenario(&self, name: &str) -> Result<nvidia_ml::Scenario, HostsError> {
        let path = scenario_path(&self.host(self.record(name)?).join("upper"));
        let text = fs::read_to_string(&path).map_err(state::at(&path))?;
        nvidia_ml::Scenario::parse(&text, &path).map_err(|error| HostsError::Gpu(error.into()))
    }
}
