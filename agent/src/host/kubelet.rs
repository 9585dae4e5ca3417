//! At what kubelet evicts pods, as its configuration has it: `/var/lib/kubelet/config.yaml`, where kubeadm puts it.
//!
//! Reads only; drop-ins (`--config-dir`) are not read. Called by [`super::read_tree`].

use super::Tree;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What kubelet goes by where it was told nothing (kubernetes.io, "Node-pressure Eviction", "Hard eviction thresholds", read 2026-11-22).
pub(crate) const DEFAULTS: &[(&str, &str)] = &[
    ("memory.available", "100Mi"),
    ("nodefs.available", "10%"),
    ("nodefs.inodesFree", "5%"),
    ("imagefs.available", "15%"),
    ("imagefs.inodesFree", "5%"),
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    eviction_hard: Option<BTreeMap<String, String>>,
    #[serde(default)]
    merge_default_eviction_settings: bool,
}

/// `evictionHard`, with the defaults of what it does not name where `mergeDefaultEvictionSettings` says so: "Signals not specified in this
/// configuration inherit their defaults" (kubernetes.io, "Kubelet Configuration (v1beta1)", read 2026-11-22). Absent where there is no
/// kubelet or no threshold in the file, so that kubelet's defaults count; empty where a kubelet has its configuration elsewhere, or out of
/// a pod's sight: what it goes by nobody here knows.
pub(super) fn eviction_hard(tree: &Tree) -> Option<BTreeMap<String, String>> {
    let Some(text) = tree.optional_text("var/lib/kubelet/config.yaml") else {
        let kubelet = tree.resolve("var/lib/kubelet").is_some_and(|folder| folder.is_dir());
        return kubelet.then(BTreeMap::new);
    };
    let configuration = serde_saphyr::from_str::<Configuration>(&text).ok()?;
    let mut told = configuration.eviction_hard.filter(|told| !told.is_empty())?;
    if configuration.merge_default_eviction_settings {
        for (signal, default) in DEFAULTS {
            told.entry((*signal).to_owned())
                .or_insert_with(|| (*default).to_owned());
        }
    }
    Some(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubelet_was_told_is_read_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let read = || eviction_hard(&Tree::new(root.path()));
        assert_eq!(read(), None, "no kubelet");
        let file = root.path().join("var/lib/kubelet/config.yaml");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        assert_eq!(read(), Some(BTreeMap::new()), "a kubelet that was told elsewhere");
        std::fs::write(&file, "kind: KubeletConfiguration\ncgroupDriver: systemd\n").unwrap();
        assert_eq!(read(), None);
        std::fs::write(
            &file,
            "evictionHard:\n  nodefs.available: 1Gi\n  nodefs.inodesFree: 1%\nmaxPods: 110\n",
        )
        .unwrap();
        let told = read().unwrap();
        assert_eq!(
            (told["nodefs.available"].as_str(), told["nodefs.inodesFree"].as_str()),
            ("1Gi", "1%")
        );
        assert_eq!(told.get("memory.available"), None, "what is not named is no threshold");
        let merged = "evictionHard:\n  nodefs.available: 1Gi\nmergeDefaultEvictionSettings: true\n";
        std::fs::write(&file, merged).unwrap();
        let told = read().unwrap();
        assert_eq!(
            (told["nodefs.available"].as_str(), told["memory.available"].as_str()),
            ("1Gi", "100Mi")
        );
        std::fs::write(&file, "evictionHard: {}\n").unwrap();
        assert_eq!(read(), None, "no threshold is told, so its defaults count");
    }
}
