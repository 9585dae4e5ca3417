//! A [`Fleet`] for people. Called through the room's `mod`.

use super::{Agent, Fleet, NodeStatus};
use bedplate_protocol::Health;
use jiff::Timestamp;
use std::fmt::Write as _;

const HEADS: [&str; 7] = ["NODE", "READY", "AGENT", "HEALTH", "GPU", "MODEL", "DO"];

/// The table, then what stands in the way.
pub fn table(fleet: &Fleet) -> String {
    let mut rows = vec![HEADS.map(str::to_owned)];
    for node in &fleet.nodes {
        rows.extend(lines(node, fleet.at));
    }
    let widths: Vec<usize> = (0..HEADS.len())
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // Writing to a string cannot fail.
            let _ = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    for finding in &fleet.findings {
        let _ = writeln!(text, "{finding}");
    }
    text
}

/// One line a GPU, the node's own words on the first.
fn lines(node: &NodeStatus, at: Timestamp) -> Vec<[String; 7]> {
    let ready = match (node.ready, node.cordoned) {
        (true, false) => "yes",
        (true, true) => "cordoned",
        (false, _) => "no",
    };
    let agent = match &node.agent {
        Agent::Reports { last } => format!("{} ago", ago(*last, at)),
        Agent::Silent { since } => format!("silent for {}", ago(*since, at)),
        Agent::Absent => "none".to_owned(),
    };
    let old = !matches!(node.agent, Agent::Reports { .. });
    let mut lines: Vec<[String; 7]> = node
        .gpus
        .iter()
        .map(|gpu| {
            let health = if old {
                format!("was {}", word(gpu.health))
            } else {
                word(gpu.health).to_owned()
            };
            let name = gpu.uuid.as_ref().or(gpu.pci.as_ref());
            [
                String::new(),
                String::new(),
                String::new(),
                health,
                name.cloned().unwrap_or_else(|| "-".to_owned()),
                gpu.model.clone().unwrap_or_else(|| "-".to_owned()),
                gpu.action.map(|action| action.to_string()).unwrap_or_default(),
            ]
        })
        .collect();
    if lines.is_empty() {
        let health = node.health.map_or("not judged", word);
        let alone = ["", "", "", health, "none", "-", ""];
        lines.push(alone.map(str::to_owned));
    }
    lines[0][0].clone_from(&node.name);
    ready.clone_into(&mut lines[0][1]);
    lines[0][2] = agent;
    lines
}

fn word(health: Health) -> &'static str {
    match health {
        Health::Healthy => "healthy",
        Health::Unknown => "unknown",
        Health::Problem => "problem",
    }
}

/// `12 s`, `3 min`, `5 h`, `2 d`.
fn ago(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(then).as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86400),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ConditionStatus, GpuStatus};
    use super::*;
    use bedplate_protocol::RecommendedAction;

    #[test]
    fn the_table_reads_as_a_person_expects() {
        let at: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let gpu = |uuid: &str, health, action| GpuStatus {
            uuid: Some(uuid.into()),
            pci: None,
            model: Some("NVIDIA L4".into()),
            health,
            action,
            codes: Vec::new(),
        };
        let node = |name: &str, agent, gpus| NodeStatus {
            name: name.into(),
            health: None,
            ready: true,
            cordoned: name == "b",
            taints: Vec::new(),
            agent,
            allocatable_gpus: 1,
            gpus,
            conditions: Vec::<ConditionStatus>::new(),
        };
        let fleet = Fleet {
            at,
            health: Health::Problem,
            nodes: vec![
                node(
                    "a",
                    Agent::Reports {
                        last: "2026-11-21T11:59:48Z".parse().unwrap(),
                    },
                    vec![
                        gpu("GPU-1", Health::Healthy, None),
                        gpu("GPU-2", Health::Problem, Some(RecommendedAction::ResetGpu)),
                    ],
                ),
                node(
                    "b",
                    Agent::Silent {
                        since: "2026-11-19T11:00:00Z".parse().unwrap(),
                    },
                    vec![gpu("GPU-3", Health::Healthy, None)],
                ),
                node("c", Agent::Absent, Vec::new()),
            ],
            findings: Vec::new(),
        };
        assert_eq!(
            table(&fleet),
            "\
NODE  READY     AGENT           HEALTH       GPU    MODEL      DO
a     yes       12 s ago        healthy      GPU-1  NVIDIA L4
                                problem      GPU-2  NVIDIA L4  reset GPU
b     cordoned  silent for 2 d  was healthy  GPU-3  NVIDIA L4
c     yes       none            not judged   none   -
"
        );
    }
}
