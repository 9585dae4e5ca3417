//! The table of reasons.

use super::*;
use crate::checks::codes::{ALL, Code};

/// A finding with the weight that its check gives it.
fn weighed(code: &Code) -> Finding {
    Finding {
        severity: code.severity,
        ..finding(code.name)
    }
}

#[test]
fn every_code_of_the_checks_holds_ends_and_makes_its_condition_what_the_table_says() {
    let mut reached = BTreeSet::new();
    for code in ALL {
        let row = reason(code.name);
        let mut fold = fold();
        fold.observe(now(0), &verdict(vec![]), &whole());
        let mut raised = 0;
        for second in 1..=i64::from(row.raise) {
            raised += fold.observe(now(second), &verdict(vec![weighed(code)]), &whole()).len();
        }
        assert_eq!(raised, usize::from(row.mode != Mode::Off), "{}", code.name);
        let expected = match (row.mode, code.severity, row.unread) {
            (Mode::On, Severity::Error, false) => Status::True,
            (Mode::On, Severity::Warning, false) if row.warns => Status::True,
            (Mode::On, Severity::Error, true) => Status::Unknown,
            _ => Status::False,
        };
        assert_eq!(status(&fold, row.condition), expected, "{}", code.name);
        if expected == Status::True {
            reached.insert(row.condition);
        }
        let sick = code.severity == Severity::Error && row.mode == Mode::On;
        assert_eq!(fold.verdict().health != Health::Healthy, sick, "{}", code.name);
        let booted = Sight {
            era: era("b", 2),
            ..whole()
        };
        let looks = match row.clear {
            Clear::Observations(count) => count,
            Clear::Driver | Clear::Reboot => 1,
        };
        for second in 0..i64::from(looks) {
            fold.observe(now(100 + second), &verdict(vec![]), &booted);
        }
        assert_eq!(status(&fold, row.condition), Status::False, "{}", code.name);
    }
    let all: BTreeSet<&str> = CONDITIONS.iter().map(|kind| kind.name).collect();
    assert_eq!(reached, all, "a condition that no code can make True is no condition");
}

#[test]
fn every_row_is_of_a_code_that_a_check_can_give() {
    for row in REASONS.iter().filter(|row| row.code != "*") {
        assert!(ALL.iter().any(|code| reason(code.name) == row), "{}", row.code);
    }
}

#[test]
fn every_code_of_the_checks_has_a_row_and_is_unread_in_both_or_in_none() {
    for code in ALL {
        let row = reason(code.name);
        assert_ne!(row.code, "*", "reasons.yaml has no row for {}", code.name);
        assert_eq!(row.unread, code.unread, "{}", code.name);
    }
}

#[test]
fn reasons_and_types_are_words_that_the_api_accepts() {
    for kind in CONDITIONS {
        for word in [kind.name, kind.fine_reason] {
            assert!(word.starts_with(|c: char| c.is_ascii_uppercase()), "{word}");
            assert!(word.chars().all(|c| c.is_ascii_alphanumeric()), "{word}");
        }
    }
}
