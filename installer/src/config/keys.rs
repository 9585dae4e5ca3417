//! Every key of the cluster file, from `keys.yaml`: what the reader knows, and what `docs/cluster-file.md` says, which a test makes
//! of it. Decides nothing about values. Called by `reader`.

use serde::Deserialize;
use std::sync::LazyLock;

/// A key of the cluster file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The table that has it: empty for the top of the file, `nodes[].expect` for a table of each item.
    pub of: String,
    /// Its name.
    pub key: String,
    /// What may be written, for people.
    #[serde(rename = "type")]
    pub kind: String,
    /// What holds without it; absent for tables whose keys say so.
    pub default: Option<String>,
    /// In what a number is counted.
    pub unit: Option<String>,
    /// A value that can be used, as YAML; absent for tables, whose keys have theirs.
    pub example: Option<String>,
    /// What it is for.
    pub says: String,
}

static KEYS: LazyLock<Vec<Key>> = LazyLock::new(read);

#[allow(clippy::expect_used, reason = "a constant of this program, which a test reads")]
fn read() -> Vec<Key> {
    serde_saphyr::from_str(include_str!("keys.yaml")).expect("every test of this room reads it")
}

/// All of them, in the order of the page.
pub fn keys() -> &'static [Key] {
    &KEYS
}

/// The names of a table's keys; `nodes[3].expect` is any `nodes[].expect`.
pub(in crate::config) fn of(path: &str) -> Vec<&'static str> {
    let mut pattern = String::new();
    let mut index = false;
    for letter in path.chars() {
        index = letter == '[' || (index && letter != ']');
        if !index || letter == '[' {
            pattern.push(letter);
        }
    }
    let known = keys().iter().filter(|key| key.of == pattern);
    known.map(|key| key.key.as_str()).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_table_of_an_item_has_the_keys_of_any_item() {
        assert_eq!(super::of("accept[12]"), ["code", "reason"]);
        assert!(super::of("nodes[3].expect").contains(&"linkWidth"));
        assert!(super::of("nowhere").is_empty());
    }
}
