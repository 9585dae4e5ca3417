//! The nearest of several known words, for "did you mean". Called by `reader` and `accept`.

/// The known word with the smallest edit distance, if it is near enough to be a slip: at most a third of the length.
pub(in crate::config) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let (distance, best) = known
        .iter()
        .map(|candidate| (distance(&word.to_lowercase(), &candidate.to_lowercase()), *candidate))
        .min_by_key(|(distance, _)| *distance)?;
    (distance <= 1 + word.chars().count() / 3).then_some(best)
}

/// Levenshtein's edit distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let changed = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_finds_its_word_and_a_stranger_finds_none() {
        let known = ["podSubnet", "serviceSubnet"];
        assert_eq!(nearest("podSubent", &known), Some("podSubnet"));
        assert_eq!(nearest("podsubnet", &known), Some("podSubnet"));
        assert_eq!(nearest("colour", &known), None);
    }
}
