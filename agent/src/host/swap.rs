//! Swap in use (`/proc/swaps`) and swap that the next boot would turn on (`/etc/fstab`). Called by [`crate::host`] only.

use super::{Tree, mounts};

/// Files and devices in `/proc/swaps`.
pub(super) fn in_use(tree: &Tree) -> Vec<String> {
    // A kernel built without swap has no such file.
    parse_swaps(&tree.optional_text("proc/swaps").unwrap_or_default())
}

/// Sources of `/etc/fstab` lines of type `swap`, unless they say `noauto`.
pub(super) fn in_fstab(tree: &Tree) -> Vec<String> {
    parse_fstab(&tree.optional_text("etc/fstab").unwrap_or_default())
}

fn parse_swaps(text: &str) -> Vec<String> {
    text.lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next())
        .map(mounts::unescape)
        .collect()
}

fn parse_fstab(text: &str) -> Vec<String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut fields = line.split_whitespace();
            let (source, _, kind) = (fields.next()?, fields.next()?, fields.next()?);
            let manual = fields
                .next()
                .is_some_and(|options| options.split(',').any(|option| option == "noauto"));
            (kind == "swap" && !manual).then(|| mounts::unescape(source))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_heading_of_proc_swaps_is_no_swap() {
        assert!(parse_swaps("Filename\tType\tSize\tUsed\tPriority\n").is_empty());
        assert_eq!(
            parse_swaps("Filename Type\n/swap\\040file file 1 0 -2\n"),
            ["/swap file"]
        );
    }

    #[test]
    fn only_swap_that_a_boot_turns_on_counts() {
        let fstab = "# /dev/sdz none swap sw 0 0\nUUID=1 / ext4 defaults 0 1\n/dev/sda2 none swap sw 0 0\n/s none swap noauto\n";
        assert_eq!(parse_fstab(fstab), ["/dev/sda2"]);
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "\\PC*", fields in "([a-z\\\\0-9]* ){0,6}\n") {
            parse_swaps(&text);
            parse_fstab(&text);
            parse_fstab(&fields);
        }
    }
}
