//! The known word that a slip was meant for, for "did you mean". Pure; called by the readers of the configuration and of the
//! command line.

/// Two letters wrong at most, and more right than wrong; upper and lower case, `_` and `-` count as one.
pub(crate) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let plain = |text: &str| text.to_lowercase().replace('_', "-");
    let word = plain(word);
    let far = |key: &str| strsim::damerau_levenshtein(&plain(key), &word);
    known
        .into_iter()
        .min_by_key(|key| far(key))
        .filter(|key| far(key) <= 2 && far(key) * 2 < word.len().max(key.len()))
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_finds_its_word_and_a_stranger_finds_none() {
        let known = ["nodeName", "memory-gib", "mig"];
        assert_eq!(nearest("nodename", known), Some("nodeName"));
        assert_eq!(nearest("ndoeName", known), Some("nodeName"));
        assert_eq!(nearest("memory_gib", known), Some("memory-gib"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("gpu", known), None);
    }
}
