//! `check --catalogue`: which XIDs this build can explain, by which source, and which it cannot. Reads nothing of the host.

use super::{Exit, Output, print_json};
use crate::xid::catalogue::{self, Row, Severity, Source};
use crate::xid::nvlink5;
use bedplate_protocol::RecommendedAction;
use serde::Serialize;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

/// Said with every answer, because the numbers are the same and their meaning is not.
const OLDER: &str = "GPUs before Ampere: NVIDIA has another catalogue for them, none of it is here, \
and every XID of theirs reads as unknown, a warning";

/// The answer for programs.
#[derive(Serialize)]
struct Coverage {
    source: &'static Source,
    covered: usize,
    highest: u32,
    not_covered: NotCovered,
    nvlink5_rules: usize,
    rows: Vec<Explained>,
}

/// What reads as unknown, a warning.
#[derive(Serialize)]
struct NotCovered {
    unused: &'static [u32],
    unlisted: Vec<u32>,
    above: u32,
    older_gpus: &'static str,
}

/// A row and what this agent recommends by it.
#[derive(Serialize)]
struct Explained {
    #[serde(flatten)]
    row: &'static Row,
    action: Option<RecommendedAction>,
}

/// Prints the coverage.
pub(super) fn run(output: Output) -> ExitCode {
    let coverage = coverage();
    let printed = match output {
        Output::Json => print_json(&coverage),
        Output::Text => std::io::stdout().write_all(text(&coverage).as_bytes()),
    };
    printed.map_or(Exit::Output, |()| Exit::Success).into()
}

fn coverage() -> Coverage {
    let rows = catalogue::rows();
    let unused = catalogue::unused();
    let highest = rows
        .iter()
        .map(|row| row.number)
        .chain(unused.iter().copied())
        .max()
        .unwrap_or(0);
    Coverage {
        source: catalogue::source(),
        covered: rows.len(),
        highest,
        not_covered: NotCovered {
            unused,
            unlisted: (1..=highest)
                .filter(|number| catalogue::row(*number).is_none() && !unused.contains(number))
                .collect(),
            above: highest,
            older_gpus: OLDER,
        },
        nvlink5_rules: nvlink5::len(),
        rows: rows
            .iter()
            .map(|row| Explained {
                row,
                action: catalogue::action(row.immediate, row.severity),
            })
            .collect(),
    }
}

fn text(coverage: &Coverage) -> String {
    let Coverage {
        source, not_covered, ..
    } = coverage;
    let mut text = format!(
        "{} XIDs covered, of those up to {}, and {} rows of decode for NVLink 5\nsource: {}, read {}: {}\n\n",
        coverage.covered, coverage.highest, coverage.nvlink5_rules, source.url, source.read, source.via
    );
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{:>4}  {:<8}  {:<11}  {:<21}  {:<21}  MEANING",
        "XID", "SEVERITY", "ACTION", "NVIDIA'S BUCKET", "PRODUCTS"
    );
    for Explained { row, action } in &coverage.rows {
        let products: Vec<&str> = row.applies.iter().map(|product| product.title()).collect();
        let _ = writeln!(
            text,
            "{:>4}  {:<8}  {:<11}  {:<21}  {:<21}  {}",
            row.number,
            word(row.severity),
            action.map_or_else(|| "-".to_owned(), |action| action.to_string()),
            row.immediate.map_or_else(|| "-".to_owned(), bucket),
            products.join(" "),
            row.meaning
        );
    }
    let _ = writeln!(
        text,
        "\nnot covered, so unknown, a warning:\n  listed, and for no GPU from Ampere on: {}",
        ranges(not_covered.unused)
    );
    if !not_covered.unlisted.is_empty() {
        let _ = writeln!(text, "  not listed: {}", ranges(&not_covered.unlisted));
    }
    let _ = writeln!(
        text,
        "  above {}\n  an XID on a product that its row does not name\n  {}",
        not_covered.above, not_covered.older_gpus
    );
    text
}

/// NVIDIA's own spelling.
fn bucket(bucket: catalogue::Bucket) -> String {
    serde_json::to_value(bucket)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::App => "app",
        Severity::Warn => "warn",
        Severity::Fatal => "fatal",
    }
}

/// `1-7, 9` of ascending numbers.
fn ranges(numbers: &[u32]) -> String {
    let mut words: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match words.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => words.push((*number, *number)),
        }
    }
    let words: Vec<String> = words
        .into_iter()
        .map(|(first, last)| {
            if first == last {
                first.to_string()
            } else {
                format!("{first}-{last}")
            }
        })
        .collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_up_to_the_highest_is_covered_or_said_not_to_be() {
        let coverage = coverage();
        let known: Vec<u32> = coverage.rows.iter().map(|explained| explained.row.number).collect();
        for number in 1..=coverage.highest {
            let not_covered =
                coverage.not_covered.unused.contains(&number) || coverage.not_covered.unlisted.contains(&number);
            assert!(known.contains(&number) != not_covered, "XID {number}");
        }
    }

    #[test]
    fn programs_read_the_casing_of_every_other_document() {
        let document = serde_json::to_value(coverage()).unwrap();
        let mut keys: Vec<&String> = document.as_object().unwrap().keys().collect();
        keys.extend(document["not_covered"].as_object().unwrap().keys());
        keys.extend(document["source"].as_object().unwrap().keys());
        keys.extend(document["rows"][0].as_object().unwrap().keys());
        assert!(keys.len() > 10, "{keys:?}");
        for key in keys {
            assert!(
                !key.contains(|letter: char| letter.is_uppercase() || letter == '-'),
                "{key}"
            );
        }
    }

    #[test]
    fn the_text_names_source_date_products_and_what_is_missing() {
        let text = text(&coverage());
        for part in [
            "https://docs.nvidia.com/deploy/xid-errors/analyzing-xid-catalog.html, read 2026-11-21",
            "  79  fatal     reboot       RESTART_BM             A100 H100 B100 GB200   GPU has fallen off the bus",
            " 121  info      -            IGNORE                 GB200                  corrected errors",
            "GPUs before Ampere",
            "for no GPU from Ampere on: 1-7, 9-10, 12,",
            "above 172",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
    }

    #[test]
    fn numbers_that_follow_each_other_are_a_range() {
        assert_eq!(ranges(&[1, 2, 3, 5, 7, 8]), "1-3, 5, 7-8");
        assert_eq!(ranges(&[]), "");
    }
}
