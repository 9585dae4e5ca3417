//! Which GPUs sleep by runtime power management, from sysfs alone: asking NVML for one would wake it and keep it awake
//! (github.com/Syllo/nvtop issue 267, read 2026-11-21). Called by [`super::parent`] before each pass.
//!
//! A GPU that is awake when the worker first asks for it stays so while the worker lives: the worker's session is a client.

use std::path::Path;

/// Where the driver's devices are, beneath the root.
const DRIVER: &str = "sys/bus/pci/drivers/nvidia";

/// The GPUs that NVIDIA's driver has, by PCI address in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Power {
    /// May be asked.
    pub(super) awake: Vec<String>,
    /// May not.
    pub(super) asleep: Vec<String>,
}

/// Reads it. Without sysfs nothing sleeps.
pub(super) fn read(root: &Path) -> Power {
    let mut power = Power::default();
    let Ok(entries) = std::fs::read_dir(root.join(DRIVER)) else {
        return power;
    };
    for entry in entries.flatten() {
        let device = entry.path();
        // Beside its devices, links named by address, a driver's folder has `bind`, `module` and such.
        let class = std::fs::read_to_string(device.join("class")).unwrap_or_default();
        if !(class.starts_with("0x0300") || class.starts_with("0x0302")) {
            continue;
        }
        let address = entry.file_name().to_string_lossy().to_ascii_lowercase();
        let status = std::fs::read_to_string(device.join("power/runtime_status")).unwrap_or_default();
        if status.trim() == "suspended" {
            power.asleep.push(address);
        } else {
            power.awake.push(address);
        }
    }
    power.awake.sort_unstable();
    power.asleep.sort_unstable();
    power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_gpus_count_and_only_suspended_ones_sleep() {
        let root = tempfile::tempdir().unwrap();
        let device = |address: &str, class: &str, status: Option<&str>| {
            let folder = root.path().join(DRIVER).join(address);
            std::fs::create_dir_all(folder.join("power")).unwrap();
            std::fs::write(folder.join("class"), format!("{class}\n")).unwrap();
            if let Some(status) = status {
                std::fs::write(folder.join("power/runtime_status"), format!("{status}\n")).unwrap();
            }
        };
        device("0000:41:00.0", "0x030000", Some("suspended"));
        device("0000:18:00.0", "0x030200", Some("active"));
        device("0000:3A:00.0", "0x030200", None);
        device("0000:05:00.0", "0x068000", Some("suspended"));
        std::fs::write(root.path().join(DRIVER).join("bind"), "").unwrap();
        let power = read(root.path());
        assert_eq!(power.awake, ["0000:18:00.0", "0000:3a:00.0"]);
        assert_eq!(power.asleep, ["0000:41:00.0"]);
        assert_eq!(read(Path::new("/nowhere")), Power::default());
    }
}
