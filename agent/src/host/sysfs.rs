//! PCI devices and module parameters of `/sys`. Called by [`crate::host`] only.

use super::Tree;
use bedplate_protocol::facts::PciDevice;

/// NVIDIA's vendor id on PCI (pci.ids of Debian's pci.ids 0.0~2023.04.11, `10de`).
const NVIDIA: &str = "0x10de";
/// Where PCI devices are.
pub(crate) const PCI_DEVICES: &str = "sys/bus/pci/devices";

/// NVIDIA's devices, by address. A machine without a PCI bus has none; a tree without `/sys/bus` cannot say, which is noted.
pub(super) fn nvidia_devices(tree: &Tree) -> Vec<PciDevice> {
    if !tree.exists("sys/bus") {
        tree.note(PCI_DEVICES, &"sysfs is not mounted there");
        return Vec::new();
    }
    let mut devices = Vec::new();
    for address in tree.names(PCI_DEVICES) {
        let device = format!("{PCI_DEVICES}/{address}");
        let read = |name: &str| tree.word(&format!("{device}/{name}"));
        if read("vendor").as_deref() != Some(NVIDIA) {
            continue;
        }
        devices.push(PciDevice {
            vendor: NVIDIA.to_owned(),
            device: read("device").unwrap_or_default(),
            class: read("class").unwrap_or_default(),
            driver: tree.link_name(format!("{device}/driver")),
            link_speed: read("current_link_speed"),
            link_width: read("current_link_width"),
            address: address.to_ascii_lowercase(),
        });
    }
    devices
}

/// Whether the kernel refuses modules without a valid signature; absent on a kernel built without signatures.
pub(super) fn signatures_enforced(tree: &Tree) -> Option<bool> {
    match tree.word("sys/module/module/parameters/sig_enforce")?.as_str() {
        "Y" | "1" => Some(true),
        "N" | "0" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_without_sysfs_says_so_and_a_machine_without_pci_has_no_device() {
        let root = tempfile::tempdir().unwrap();
        let tree = Tree::new(root.path());
        assert!(nvidia_devices(&tree).is_empty());
        assert_eq!(
            tree.into_unreadable(),
            ["/sys/bus/pci/devices: sysfs is not mounted there"]
        );
        std::fs::create_dir_all(root.path().join("sys/bus")).unwrap();
        let tree = Tree::new(root.path());
        assert!(nvidia_devices(&tree).is_empty());
        assert!(tree.into_unreadable().is_empty());
    }
}
