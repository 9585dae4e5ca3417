//! What dpkg and unattended upgrades have left undone. Reads two small places; called by [`super::read_tree`].

use super::Tree;
use bedplate_protocol::facts::PackageFacts;

/// `/run/reboot-required.pkgs` is written by package scripts through update-notifier's and needrestart's hook
/// (debian-policy(7) 9.3.4 and Ubuntu's update-notifier-common, `notify-reboot-required`): a package name a line.
const REBOOT: &str = "run/reboot-required.pkgs";
/// Numbered files lie there while dpkg writes its database; one that stays was interrupted (dpkg's `lib/dpkg/dbmodify.c`).
const UPDATES: &str = "var/lib/dpkg/updates";

/// Both, empty where there is no dpkg.
pub(super) fn read(tree: &Tree) -> PackageFacts {
    let mut packages: Vec<String> = tree
        .optional_text(REBOOT)
        .unwrap_or_default()
        .lines()
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect();
    packages.sort();
    packages.dedup();
    let numbered = |name: &String| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    PackageFacts {
        reboot_required_by: packages,
        dpkg_interrupted: tree.names(UPDATES).iter().any(numbered),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_a_reboot_is_named_once_and_an_interrupted_dpkg_is_seen() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(read(&Tree::new(root.path())), PackageFacts::default());
        std::fs::create_dir_all(root.path().join("run")).unwrap();
        std::fs::write(
            root.path().join(REBOOT),
            "nvidia-dkms-580\nlinux-image-6.8\nnvidia-dkms-580\n",
        )
        .unwrap();
        std::fs::create_dir_all(root.path().join(UPDATES)).unwrap();
        std::fs::write(root.path().join(UPDATES).join("tmp.i"), "").unwrap();
        let read_now = || read(&Tree::new(root.path()));
        assert_eq!(read_now().reboot_required_by, ["linux-image-6.8", "nvidia-dkms-580"]);
        assert!(!read_now().dpkg_interrupted);
        std::fs::write(root.path().join(UPDATES).join("0001"), "").unwrap();
        assert!(read_now().dpkg_interrupted);
    }
}
