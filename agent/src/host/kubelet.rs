//! At what kubelet evicts pods, as its configuration has it: `/var/lib/kubelet/config.yaml`, where kubeadm puts it.
//!
//! Reads only; drop-ins (`--config-dir`) are not read. Called by [`super::read_tree`].

use super::Tree;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    eviction_hard: Option<BTreeMap<String, String>>,
}

/// `evictionHard`; absent where there is no such file or nothing about it in it, so that kubelet's defaults count.
pub(super) fn eviction_hard(tree: &Tree) -> Option<BTreeMap<String, String>> {
    let text = tree.optional_text("var/lib/kubelet/config.yaml")?;
    serde_saphyr::from_str::<Configuration>(&text).ok()?.eviction_hard
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
    }
}
