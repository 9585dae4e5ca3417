//! `/proc/self/mounts`, as far as a node cares: filesystems with data, not the kernel's own. Called by [`crate::host`] only.

use super::Tree;
use bedplate_protocol::facts::MountFacts;

/// Filesystems that hold data though their source is no path.
const WITHOUT_DEVICE: &[&str] = &[
    "overlay", "zfs", "btrfs", "nfs", "nfs4", "cifs", "ceph", "9p", "virtiofs",
];

/// Mounts of real and overlay filesystems.
pub(super) fn read(tree: &Tree) -> Vec<MountFacts> {
    parse(&tree.required_text("proc/self/mounts"))
}

fn parse(text: &str) -> Vec<MountFacts> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split_whitespace();
            let (source, target, filesystem) = (fields.next()?, fields.next()?, fields.next()?);
            let real = source.starts_with('/') || WITHOUT_DEVICE.contains(&filesystem);
            real.then(|| MountFacts {
                source: unescape(source),
                target: unescape(target),
                filesystem: filesystem.to_owned(),
            })
        })
        .collect()
}

/// The kernel writes white space and backslashes in paths as three octal digits behind a backslash (`fstab(5)`).
pub(super) fn unescape(field: &str) -> String {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let octal = after
            .get(..3)
            .filter(|digits| first == b'\\' && digits.iter().all(|d| (b'0'..=b'7').contains(d)));
        let value = octal.map(|d| u32::from(d[0] - b'0') * 64 + u32::from(d[1] - b'0') * 8 + u32::from(d[2] - b'0'));
        if let Some(byte) = value.and_then(|value| u8::try_from(value).ok()) {
            bytes.push(byte);
            rest = &after[3..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_kernels_own_filesystems_are_left_out() {
        let mounts = parse("proc /proc proc rw 0 0\n/dev/vda1 / ext4 rw 0 0\noverlay /mnt/a\\040b overlay rw 0 0\n");
        let targets: Vec<&str> = mounts.iter().map(|mount| mount.target.as_str()).collect();
        assert_eq!(targets, ["/", "/mnt/a b"]);
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "\\PC*", escapes in "[\\\\0-9]{0,12}") {
            parse(&text);
            unescape(&text);
            unescape(&escapes);
        }

        #[test]
        fn a_path_without_backslash_stays_as_it_is(path in "[^\\\\]*") {
            prop_assert_eq!(unescape(&path), path);
        }
    }
}
