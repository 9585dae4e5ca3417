//! What alerts, dashboard and runbooks read is what is written: metrics by their names, and in the dashboard labels by theirs. A
//! question about a label that nothing has is answered with nothing, which looks like health. Called by the test harness only.

use super::tests::{full, names, pods, written};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Names of ours in a text that scrapers' operators read.
fn named(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("bedplate_gpu_") || word.starts_with("bedplate_agent_"))
        .collect()
}

#[test]
fn alerts_dashboard_and_runbooks_name_only_metrics_that_are_written() {
    let text = written(&full(), Some(&pods()));
    let known = names(&text);
    let mut files: Vec<_> = ["alerts.yaml", "alerts-rules.yaml", "dashboard.json"]
        .iter()
        .map(|name| root().join("manifests/agent").join(name))
        .collect();
    let runbooks = std::fs::read_dir(root().join("docs/runbooks")).unwrap();
    files.extend(runbooks.map(|entry| entry.unwrap().path()));
    for path in files {
        let content = std::fs::read_to_string(&path).unwrap();
        let unknown: Vec<_> = named(&content).difference(&known).copied().collect();
        assert_eq!(unknown, Vec::<&str>::new(), "{}", path.display());
    }
}

/// The labels of each metric, as scraped.
fn labels(text: &str) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut labels: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, rest) = line.split_once('{').unwrap();
        let own = rest.split(',').filter_map(|pair| pair.split_once('='));
        labels.entry(name).or_default().extend(own.map(|(label, _)| label));
    }
    // Prometheus' own, whose labels are the scrape's.
    labels.insert("up", BTreeSet::from(["job", "instance"]));
    labels
}

/// What stands between each `from` and the next `to`.
fn between<'a>(text: &'a str, from: &'a str, to: char) -> impl Iterator<Item = &'a str> {
    text.split(from)
        .skip(1)
        .filter_map(move |rest| Some(rest.split_once(to)?.0))
}

/// The labels that a question names: what it chooses by, joins on and keeps.
fn asked(question: &str) -> BTreeSet<&str> {
    let lists = ["by (", "on (", "group_left ("];
    let listed = lists.iter().flat_map(|list| between(question, list, ')'));
    let chosen = between(question, "{", '}').flat_map(|matchers| matchers.split(','));
    listed
        .flat_map(|list| list.split(','))
        .chain(chosen.filter_map(|matcher| Some(matcher.split_once(['=', '!'])?.0)))
        .map(str::trim)
        .filter(|label| !label.is_empty())
        .collect()
}

#[test]
fn the_dashboard_asks_for_and_shows_only_labels_that_are_written() {
    let text = written(&full(), Some(&pods()));
    let written = labels(&text);
    let dashboard = std::fs::read_to_string(root().join("manifests/agent/dashboard.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    let mut shown = 0;
    for panel in dashboard["panels"].as_array().unwrap() {
        let mut of_panel = BTreeSet::new();
        for target in panel["targets"].as_array().unwrap() {
            let question = target["expr"].as_str().unwrap();
            let words = question.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let mut known: BTreeSet<&str> = words.filter_map(|word| written.get(word)).flatten().copied().collect();
            if question.contains("label_replace(") {
                // Its label is among its quoted arguments.
                known.extend(question.split('"').skip(1).step_by(2));
            }
            let legend = target["legendFormat"].as_str().unwrap();
            let legend: BTreeSet<&str> = between(legend, "{{", '}').collect();
            let unknown: Vec<_> = asked(question)
                .union(&legend)
                .copied()
                .filter(|label| !known.contains(label))
                .collect();
            assert_eq!(unknown, Vec::<&str>::new(), "{}: {question}", panel["title"]);
            shown += legend.len();
            of_panel.extend(known);
        }
        for transformation in panel["transformations"].as_array().into_iter().flatten() {
            let Some(columns) = transformation["options"]["indexByName"].as_object() else {
                continue;
            };
            let labels = columns.keys().filter(|column| !column.starts_with("Value"));
            let unknown: Vec<_> = labels.filter(|column| !of_panel.contains(column.as_str())).collect();
            assert_eq!(unknown, Vec::<&String>::new(), "{}", panel["title"]);
            shown += columns.len();
        }
    }
    assert!(shown > 50, "{shown} labels and columns were looked at");
}
