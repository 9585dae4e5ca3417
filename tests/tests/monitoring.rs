//! Alerts, dashboard and runbooks fit each other and Prometheus: read by Debian's promtool, which works the alerts' cases out.
//! That they name only metrics that the agent writes is the agent's own test.

#![allow(clippy::expect_used, reason = "test helpers stand outside #[test]")]

use bedplate_tests::built::{Ran, repository, run};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::Command;

fn promtool(arguments: &[&str]) -> Ran {
    run(Command::new("promtool")
        .args(arguments)
        .current_dir(repository().join("tests/prometheus")))
}

#[test]
fn alert_rules_hold_what_their_cases_say() {
    let checked = promtool(&[
        "check",
        "rules",
        "../../manifests/agent/alerts-rules.yaml",
        "joins.yaml",
    ]);
    assert_eq!(checked.code, Some(0), "{}{}", checked.stdout, checked.stderr);
    let tested = promtool(&["test", "rules", "alerts-test.yaml"]);
    assert_eq!(tested.code, Some(0), "{}{}", tested.stdout, tested.stderr);
    assert!(tested.stdout.contains("SUCCESS"), "{}", tested.stdout);
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).expect("the file can be read")
}

#[test]
fn the_operators_rules_are_the_plain_ones() {
    let groups = |text: &str| {
        let (_, groups) = text.split_once("groups:\n").expect("rules have groups");
        groups
            .lines()
            .map(|line| line.trim_start().to_owned())
            .collect::<Vec<_>>()
    };
    let (plain, operator) = (
        read("manifests/agent/alerts-rules.yaml"),
        read("manifests/agent/alerts.yaml"),
    );
    assert_eq!(groups(&plain), groups(&operator));
}

#[test]
fn every_alert_has_its_page_and_every_page_its_alert() {
    let rules = read("manifests/agent/alerts-rules.yaml");
    let base = "https://github.com/bedplate/bedplate/blob/main/";
    let mut pages = BTreeSet::new();
    for line in rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("runbook_url: "))
    {
        let page = line.strip_prefix(base).expect("a page of this repository");
        assert!(repository().join(page).is_file(), "{page}");
        pages.insert(page.to_owned());
    }
    let alerts = rules.matches("- alert: ").count();
    assert_eq!((pages.len(), rules.matches("runbook_url: ").count()), (alerts, alerts));
    for entry in std::fs::read_dir(repository().join("docs/runbooks")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        // Pages of reasons have no such beginning.
        if name.starts_with("bedplate-") {
            assert!(
                pages.contains(&format!("docs/runbooks/{name}")),
                "{name} is no alert's page"
            );
        }
    }
}

/// What Grafana puts into a question before it asks.
const VARIABLES: [(&str, &str); 4] = [
    ("$__rate_interval", "5m"),
    ("$__interval_ms", "15000"),
    ("$__range", "6h"),
    ("$node", ".*"),
];

#[test]
fn prometheus_understands_every_question_of_the_dashboard() {
    let dashboard: serde_json::Value = serde_json::from_str(&read("manifests/agent/dashboard.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let questions: Vec<String> = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().expect("targets"))
        .map(|target| target["expr"].as_str().expect("an expression").to_owned())
        .collect();
    assert!(questions.len() > 15, "{questions:?}");
    let mut rules = String::from("groups:\n- name: dashboard\n  rules:\n");
    for (number, question) in questions.iter().enumerate() {
        let question = VARIABLES.iter().fold(question.clone(), |question, (name, value)| {
            question.replace(name, value)
        });
        assert!(!question.contains("$__"), "{question}");
        let _ = writeln!(rules, "  - {{record: 'panel:{number}', expr: {question:?}}}");
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &rules).unwrap();
    let checked = promtool(&["check", "rules", file.path().to_str().unwrap()]);
    assert_eq!(checked.code, Some(0), "{}{}", checked.stdout, checked.stderr);

    // What alerts-test.yaml works out is what the dashboard asks.
    let joins = read("tests/prometheus/joins.yaml");
    let (_, join) = joins.split_once(">-\n").expect("one rule");
    let join = join.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(questions.contains(&join), "{join}\n{questions:#?}");
}
