//! What holds of whatever a worker says of NVML: the values are a driver's, which may say anything. Called by the fuzz target
//! `nvml_values` and by a property test.

use super::collected::{Collected, MOST};
use super::wire::Line;
use crate::checks::{self, History, Observation};
use crate::daemon::{Config, State};
use crate::health::{Fold, Memory, Moment, Sense, Sight};
use bedplate_protocol::NodeFacts;
use bedplate_protocol::facts::NvmlStatus;
use jiff::{SignedDuration, Timestamp};
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

/// A host on which nothing can be read.
static BARE: LazyLock<NodeFacts> = LazyLock::new(|| NodeFacts {
    hostname: "one".to_owned(),
    ..crate::host::read_facts(Path::new("/nowhere"))
});

/// Lines become facts, facts a verdict with one GPU for each that was told, findings that say what they are about, conditions,
/// and an exposition of which every line is one; twice, so that values are also compared with earlier ones.
pub(crate) fn holds(bytes: &[u8]) {
    let mut fold = Fold::new(Vec::new(), SignedDuration::from_secs(10), Memory::default());
    let mut history = History::default();
    for (second, whole) in [(0, true), (10, false)] {
        let mut facts = BARE.clone();
        facts.time.now = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second);
        facts.nvml = collected(bytes, whole);
        assert!(facts.nvml.gpus.len() <= MOST, "{} GPUs", facts.nvml.gpus.len());
        fold.forgive(facts.time.now, &facts, &crate::health::Era::default(), None);
        let verdict = checks::judge(&Observation {
            facts: &facts,
            expect: None,
            history: &history,
        });
        assert_eq!(verdict.gpus.len(), facts.nvml.gpus.len());
        assert!(verdict.findings.iter().all(|finding| !finding.subject.is_empty()));
        history.record(&facts);
        let sight = Sight::of_pass(&facts, false).and(Sense::Host);
        let now = Moment {
            at: facts.time.now,
            steady: Duration::from_secs(second.unsigned_abs()),
        };
        fold.observe(now, &verdict, &sight);
        let mut state = State::before_the_first_pass(&Config::default(), "one", &fold);
        for condition in &state.conditions {
            assert!(condition.message.len() <= crate::health::Condition::MESSAGE);
        }
        state.last_pass = Some(facts.time.now);
        state.facts = Some(facts);
        for line in crate::serve::exposition_of(&state).lines() {
            assert!(line.starts_with('#') || line.starts_with("bedplate_"), "{line:?}");
        }
    }
}

/// As the parent takes them in.
fn collected(bytes: &[u8], whole: bool) -> bedplate_protocol::facts::NvmlFacts {
    let mut collected = Collected::default();
    for line in bytes.split(|byte| *byte == b'\n') {
        let Ok(line) = serde_json::from_slice::<Line>(line) else {
            continue;
        };
        if collected.take(line) {
            break;
        }
    }
    if whole {
        return collected.finish();
    }
    let detail = "it ended".to_owned();
    collected.broken_off("nvmlDeviceGetHandleByIndex_v2", NvmlStatus::WorkerDied { detail })
}

#[cfg(test)]
mod tests {
    use super::Line;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    /// One pass over a whole GPU.
    const PASS: &str = include_str!("../../fuzz/seeds/nvml_values/h100");

    /// Values at the borders of what a driver can say, and none.
    fn borders() -> Vec<Value> {
        vec![
            json!(0),
            json!(1),
            json!(-1),
            json!(u32::MAX),
            json!(i32::MIN),
            json!(u64::MAX),
            json!(i64::MIN),
            json!(""),
            json!("a\nb"),
            json!("\"\\"),
            json!("GPU-\u{202e}"),
            json!("x".repeat(5000)),
            json!(true),
            json!(false),
            Value::Null,
        ]
    }

    /// The places of everything that is neither a list nor a table, as JSON pointers.
    fn leaves(value: &Value, at: &str, found: &mut Vec<String>) {
        match value {
            Value::Array(items) => {
                for (place, item) in items.iter().enumerate() {
                    leaves(item, &format!("{at}/{place}"), found);
                }
            }
            Value::Object(map) => {
                for (key, item) in map {
                    leaves(item, &format!("{at}/{key}"), found);
                }
            }
            _ => found.push(at.to_owned()),
        }
    }

    /// The line with other values, of which each is one that the worker could write there.
    fn changed(line: &str, choices: &mut impl Iterator<Item = usize>) -> String {
        let mut line: Value = serde_json::from_str(line).unwrap();
        let borders = borders();
        let mut places = Vec::new();
        leaves(&line, "", &mut places);
        for place in places {
            let Some(value) = borders.get(choices.next().unwrap_or(usize::MAX)) else {
                continue;
            };
            let before = line.clone();
            *line.pointer_mut(&place).unwrap() = value.clone();
            if serde_json::from_value::<Line>(line.clone()).is_err() {
                line = before;
            }
        }
        line.to_string()
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_a_verdict(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            super::holds(&bytes);
        }

        #[test]
        fn so_do_values_at_the_borders_of_what_they_can_be(choices in prop::collection::vec(0..30_usize, 150)) {
            let mut choices = choices.into_iter();
            let lines: Vec<String> = PASS.lines().map(|line| changed(line, &mut choices)).collect();
            super::holds(lines.join("\n").as_bytes());
        }
    }

    #[test]
    fn a_driver_that_counts_four_billion_gpus_fills_no_memory() {
        let line = json!({"system": {"driver": null, "nvml": null, "cuda": null, "gpus": u32::MAX}});
        super::holds(line.to_string().as_bytes());
        super::holds(&[line.to_string(), PASS.repeat(500)].join("\n").into_bytes());
    }
}
