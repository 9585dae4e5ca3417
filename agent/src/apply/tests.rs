//! The executor's promises, kept with real steps below a temporary root.

use super::{Ended, Layout, admit, execute, keep_plan, request_cancel};
use crate::{journal, values};
use bedplate_protocol::message::Values;
use bedplate_protocol::plan::{Content, Part};
use bedplate_protocol::{Epoch, Event, EventKind, Mode, NodePlan, Outcome, RunId, RunStatus, SecretString, Sha256Hex};
use bedplate_protocol::{StepKind, StepSpec};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

fn host() -> (TempDir, Layout) {
    let root = tempfile::tempdir().unwrap();
    let layout = Layout::new(root.path());
    (root, layout)
}

fn plan(run: &str, mode: Mode, steps: Vec<StepKind>) -> NodePlan {
    let run = RunId::new(run).unwrap();
    let steps = steps.into_iter().map(StepSpec::new).collect();
    NodePlan {
        protocol: 1,
        run,
        epoch: Epoch(7),
        node: "n".to_owned(),
        mode,
        steps,
    }
}

fn steps() -> Vec<StepKind> {
    vec![
        StepKind::Directory {
            path: "/etc/demo".to_owned(),
            mode: 0o750,
        },
        StepKind::File {
            path: "/etc/demo/a".to_owned(),
            mode: 0o640,
            content: Content::text("a\n"),
        },
        StepKind::File {
            path: "/etc/demo/b".to_owned(),
            mode: 0o644,
            content: Content::text("b\n"),
        },
    ]
}

fn carry_out(layout: &Layout, plan: &NodePlan) -> Vec<Event> {
    keep_plan(plan, layout).unwrap();
    execute(layout, plan).unwrap();
    journal::read(&layout.journal(plan.mode, &plan.run)).unwrap()
}

fn outcomes(events: &[Event]) -> Vec<&Outcome> {
    let outcome = |event: &'_ Event| matches!(event.kind, EventKind::StepFinished { .. });
    let finished = events.iter().filter(|event| outcome(event));
    finished
        .filter_map(|event| {
            if let EventKind::StepFinished { outcome } = &event.kind {
                Some(outcome)
            } else {
                None
            }
        })
        .collect()
}

fn tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let content = if path.is_dir() {
                Vec::new()
            } else {
                fs::read(&path).unwrap()
            };
            found.insert(path.display().to_string(), content);
            if path.is_dir() {
                open.push(path);
            }
        }
    }
    found
}

#[test]
fn a_second_run_changes_nothing_and_says_so_from_the_machine() {
    let (root, layout) = host();
    let first = carry_out(&layout, &plan("r1", Mode::Change, steps()));
    assert!(
        outcomes(&first)
            .iter()
            .all(|outcome| matches!(outcome, Outcome::Changed { .. })),
        "{first:?}"
    );
    let before = tree(&root.path().join("etc"));
    let second = carry_out(&layout, &plan("r2", Mode::Change, steps()));
    assert!(
        outcomes(&second)
            .iter()
            .all(|outcome| **outcome == Outcome::AlreadyDone),
        "{second:?}"
    );
    assert_eq!(tree(&root.path().join("etc")), before);

    fs::write(root.path().join("etc/demo/b"), "drift\n").unwrap();
    let third = carry_out(&layout, &plan("r3", Mode::Change, steps()));
    let changed: Vec<bool> = outcomes(&third)
        .iter()
        .map(|outcome| matches!(outcome, Outcome::Changed { .. }))
        .collect();
    assert_eq!(changed, [false, false, true]);
    assert_eq!(fs::read_to_string(root.path().join("etc/demo/b")).unwrap(), "b\n");
}

#[test]
fn a_kill_between_intent_and_effect_is_resumed_with_the_sequence_going_on() {
    let (root, layout) = host();
    let plan = plan("r", Mode::Change, steps());
    let whole = carry_out(&layout, &plan);
    let path = layout.journal(Mode::Change, &plan.run);
    let text = fs::read_to_string(&path).unwrap();
    // As it lies on the disk when the power goes after the second step's intent, in the middle of the next line.
    let intent = whole
        .iter()
        .position(|event| event.step.as_ref() == Some(&plan.steps[1].id))
        .unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    fs::write(
        &path,
        format!("{}{}", lines[..=intent].concat(), &lines[intent + 1][..20]),
    )
    .unwrap();
    fs::remove_file(root.path().join("etc/demo/a")).unwrap();
    fs::remove_file(root.path().join("etc/demo/b")).unwrap();

    assert_eq!(execute(&layout, &plan).unwrap(), Ended::Now(RunStatus::Done));
    let resumed = journal::read(&path).unwrap();
    let seqs: Vec<u64> = resumed.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..=resumed.len() as u64).collect::<Vec<_>>());
    let after = outcomes(&resumed[intent + 1..]);
    assert!(
        matches!(
            after[..],
            [Outcome::AlreadyDone, Outcome::Changed { .. }, Outcome::Changed { .. }]
        ),
        "{after:?}"
    );
    assert_eq!(fs::read_to_string(root.path().join("etc/demo/a")).unwrap(), "a\n");
    assert_eq!(execute(&layout, &plan).unwrap(), Ended::Before);
}

#[test]
fn looking_says_what_would_change_and_changes_nothing_outside_run() {
    let (root, layout) = host();
    let events = carry_out(&layout, &plan("r", Mode::Inspect, steps()));
    assert!(
        outcomes(&events)
            .iter()
            .all(|outcome| matches!(outcome, Outcome::WouldChange { .. })),
        "{events:?}"
    );
    let left: Vec<String> = fs::read_dir(root.path())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(left, ["run"]);
}

#[test]
fn a_refused_plan_names_everything_and_changes_nothing() {
    let (root, layout) = host();
    crate::durable::directory(&layout.state(), 0o700).unwrap();
    fs::write(layout.epoch(), "9").unwrap();
    let before = tree(root.path());
    let hash = Sha256Hex::of(b"nowhere");
    let mut bad = plan(
        "r",
        Mode::Change,
        vec![
            StepKind::Program {
                path: "/usr/bin/p".to_owned(),
                mode: 0o755,
                artifact: hash.clone(),
                content: hash,
            },
            StepKind::File {
                path: "/etc/t".to_owned(),
                mode: 0o600,
                content: Content(vec![Part::ValueRef("token".to_owned())]),
            },
            StepKind::KubeadmInitPhase {
                phase: "dance".to_owned(),
                config: "/etc/c".to_owned(),
            },
        ],
    );
    bad.protocol = 99;
    let findings = admit(&bad, &layout).unwrap();
    let mut codes: Vec<&str> = findings.iter().map(|finding| finding.code.as_str()).collect();
    codes.sort_unstable();
    assert_eq!(
        codes,
        [
            "plan-artifact",
            "plan-epoch",
            "plan-protocol",
            "plan-step",
            "plan-value"
        ]
    );
    assert!(findings.iter().all(|finding| !finding.remedy.is_empty()));
    assert_eq!(tree(root.path()), before);
}

#[test]
fn a_failed_step_ends_the_run_before_the_next_one_begins() {
    let (root, layout) = host();
    fs::create_dir(root.path().join("etc")).unwrap();
    fs::write(root.path().join("etc/demo"), "a file where a directory must be").unwrap();
    let events = carry_out(&layout, &plan("r", Mode::Change, steps()));
    assert!(matches!(outcomes(&events)[..], [Outcome::Failed { .. }]), "{events:?}");
    assert_eq!(
        events.last().unwrap().kind,
        EventKind::RunFinished {
            status: RunStatus::Failed
        }
    );
}

#[test]
fn a_cancelled_run_stops_between_two_steps() {
    let (_root, layout) = host();
    let plan = plan("r", Mode::Change, steps());
    keep_plan(&plan, &layout).unwrap();
    assert!(request_cancel(&layout, &plan.run).unwrap());
    assert_eq!(execute(&layout, &plan).unwrap(), Ended::Now(RunStatus::Cancelled));
    assert!(!layout.at("/etc/demo").exists());
    assert!(!request_cancel(&layout, &RunId::new("other").unwrap()).unwrap());
}

#[test]
fn a_run_id_with_another_plan_is_refused_and_the_same_plan_is_not() {
    let (_root, layout) = host();
    let plan = plan("r", Mode::Change, steps());
    carry_out(&layout, &plan);
    assert!(admit(&plan, &layout).unwrap().is_empty());
    let mut other = plan;
    other.steps.pop();
    assert_eq!(admit(&other, &layout).unwrap()[0].code, "plan-run");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn no_value_ever_reaches_the_journal_or_stays_on_the_host(
        secret in "[A-Za-z0-9./+]{16,60}",
        old in "[A-Za-z0-9]{0,20}",
        mode in prop::sample::select(vec![0o600_u32, 0o644]),
        look in any::<bool>(),
    ) {
        let (root, layout) = host();
        fs::create_dir(root.path().join("etc")).unwrap();
        // What was there before holds the secret too, so that a careless difference would show it.
        fs::write(root.path().join("etc/t"), format!("{old}{secret}\n")).unwrap();
        let content = Content(vec![Part::Text("token: ".to_owned()), Part::ValueRef("token".to_owned())]);
        let mut steps = vec![StepKind::File { path: "/etc/t".to_owned(), mode, content }];
        steps.push(StepKind::File { path: "/etc/t".to_owned(), mode: 0o644, content: Content::text("plain\n") });
        let plan = plan("r", if look { Mode::Inspect } else { Mode::Change }, steps);
        let values_of = BTreeMap::from([("token".to_owned(), SecretString::new(secret.clone()))]);
        values::keep(&layout, &Values { run: plan.run.clone(), values: values_of }).unwrap();
        carry_out(&layout, &plan);
        let text = fs::read_to_string(layout.journal(plan.mode, &plan.run)).unwrap();
        prop_assert!(!text.contains(&secret), "{}", text);
        prop_assert!(!layout.values(&plan.run).exists());
    }
}
