//! Kernel modules on disk: blacklists of modprobe.d(5) and the headers of the running kernel. Called by [`crate::host`] only.

use super::Tree;
use std::collections::BTreeSet;

/// Where administrators, the running system and packages put modprobe's settings.
const DIRECTORIES: &[&str] = &["etc/modprobe.d", "run/modprobe.d", "usr/lib/modprobe.d"];

/// Modules that a `blacklist` line, or an `install … /bin/false` or `/bin/true` line, keeps from being loaded.
pub(super) fn blacklisted(tree: &Tree) -> Vec<String> {
    let mut modules = BTreeSet::new();
    for directory in DIRECTORIES {
        for name in tree.names(directory) {
            if name.as_str().strip_suffix(".conf").is_some() {
                modules.extend(parse(
                    &tree.optional_text(&format!("{directory}/{name}")).unwrap_or_default(),
                ));
            }
        }
    }
    modules.into_iter().collect()
}

/// Whether `/lib/modules/<release>/build` leads to a kernel's Makefile, which is what building a module needs first.
pub(super) fn has_headers(tree: &Tree, release: &str) -> bool {
    !release.is_empty() && !release.contains('/') && tree.exists(format!("lib/modules/{release}/build/Makefile"))
}

fn parse(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (verb, module) = (words.next()?, words.next()?);
            let disabled = match verb {
                "blacklist" => true,
                "install" => words.next().is_some_and(|program| {
                    matches!(program, "/bin/false" | "/bin/true" | "/usr/bin/false" | "/usr/bin/true")
                }),
                _ => false,
            };
            // The kernel's names have underscores; modprobe takes both.
            disabled.then(|| module.replace('-', "_"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn blacklists_and_dead_installs_count_and_comments_do_not() {
        let text = "# blacklist a\nblacklist nouveau\ninstall nvidia-drm /bin/false\ninstall snd /sbin/modprobe x\n";
        assert_eq!(parse(text), ["nouveau", "nvidia_drm"]);
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "\\PC*", words in "((blacklist|install) ?[a-z]{0,3} ?\n){0,5}") {
            parse(&text);
            parse(&words);
        }
    }
}
