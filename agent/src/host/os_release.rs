//! `/etc/os-release` (os-release(5)), with `/usr/lib/os-release` where `/etc` has none. Called by [`crate::host`] only.

use super::Tree;
use bedplate_protocol::facts::OsFacts;

/// The distribution; a missing file is noted.
pub(super) fn read(tree: &Tree) -> OsFacts {
    if tree.exists("etc/os-release") {
        parse(&tree.required_text("etc/os-release"))
    } else {
        parse(&tree.required_text("usr/lib/os-release"))
    }
}

fn parse(text: &str) -> OsFacts {
    let mut os = OsFacts::default();
    for line in text.lines() {
        let Some((key, value)) = line.trim().split_once('=') else {
            continue;
        };
        let field = match key {
            "ID" => &mut os.id,
            "VERSION_ID" => &mut os.version_id,
            "PRETTY_NAME" => &mut os.pretty_name,
            _ => continue,
        };
        *field = unquote(value);
    }
    os
}

/// A shell-quoted value as os-release(5) allows it: single or double quotes around the whole, backslash escapes.
fn unquote(value: &str) -> String {
    let value = value.trim();
    let inner = ['"', '\'']
        .iter()
        .find_map(|quote| value.strip_prefix(*quote).and_then(|rest| rest.strip_suffix(*quote)))
        .unwrap_or(value);
    let mut plain = String::with_capacity(inner.len());
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => plain.extend(letters.next()),
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quotes_and_escapes_are_taken_off() {
        let os = parse("# comment\nID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian \\\"GNU\\\"/Linux\"\n");
        assert_eq!((os.id.as_str(), os.version_id.as_str()), ("debian", "12"));
        assert_eq!(os.pretty_name, "Debian \"GNU\"/Linux");
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "\\PC*|(ID=[\"'\\\\]{0,4}\n)*") {
            parse(&text);
        }
    }
}
