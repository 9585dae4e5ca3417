//! Plans of the example's three nodes: complete, the same every time, and without secrets.

#![allow(clippy::expect_used, clippy::panic, reason = "test helpers stand outside #[test]")]

use bedplate::config::{self, ClusterSpec, Surroundings};
use bedplate::plan::{self, AgentIdentity, PlanError, RunHeader, Site};
use bedplate::preflight;
use bedplate_protocol::artifacts::Index;
use bedplate_protocol::facts::CgroupVersion;
use bedplate_protocol::plan::TokenClaims;
use bedplate_protocol::{Epoch, Mode, NodeFacts, NodePlan, RunId};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

fn spec() -> ClusterSpec {
    let codes = preflight::codes();
    let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
    let around = Surroundings {
        home: Path::new("/root"),
        folder: Path::new("/"),
        sections: bedplate_substrates::SECTIONS,
        codes: &codes,
    };
    config::parse(
        "three.yaml",
        include_str!("../../examples/three-gpu-nodes.yaml"),
        &around,
    )
    .expect("the example")
    .spec
}

fn index() -> Index {
    serde_json::from_str(include_str!("fixtures/plan/index.json")).expect("the index")
}

fn facts(spec: &ClusterSpec, cgroup: CgroupVersion) -> BTreeMap<String, NodeFacts> {
    let mut one: NodeFacts = serde_json::from_str(include_str!("fixtures/good-gpu-host.json")).expect("facts");
    one.cgroup = cgroup;
    spec.nodes.iter().map(|node| (node.name.clone(), one.clone())).collect()
}

fn plans(spec: &ClusterSpec, cgroup: CgroupVersion) -> Vec<NodePlan> {
    let (facts, index) = (facts(spec, cgroup), index());
    let site = Site {
        spec,
        facts: &facts,
        index: &index,
    };
    let run = RunHeader {
        run: RunId::new("run-1").expect("an id"),
        epoch: Epoch(1),
        mode: Mode::Change,
    };
    spec.nodes
        .iter()
        .map(|node| plan::node(&site, node, &run).expect("a plan"))
        .collect()
}

#[test]
fn the_plans_of_the_example_are_those_that_were_looked_at() {
    let plans = plans(&spec(), CgroupVersion::V1);
    let found = serde_json::to_string_pretty(&plans).expect("json") + "\n";
    let words: String = plans.iter().map(plan::describe).collect();
    for (file, found) in [("three-gpu-nodes.json", found), ("three-gpu-nodes.txt", words)] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/plan")
            .join(file);
        if std::env::var_os("BEDPLATE_BLESS").is_some() {
            std::fs::write(&path, &found).expect("the golden file can be written");
        }
        assert_eq!(
            std::fs::read_to_string(&path).unwrap_or_default(),
            found,
            "{file} differs"
        );
    }
}

#[test]
fn the_same_input_gives_the_same_plan_and_no_step_twice() {
    let spec = spec();
    let (first, second) = (plans(&spec, CgroupVersion::V2), plans(&spec, CgroupVersion::V2));
    assert_eq!(first, second);
    for plan in &first {
        let ids: BTreeSet<&str> = plan.steps.iter().map(|step| step.id.as_str()).collect();
        assert_eq!(ids.len(), plan.steps.len(), "{}", plan.node);
    }
}

#[test]
fn only_an_accepted_cgroup_v1_lets_kubelet_start_on_it() {
    let text = |plans: &[NodePlan]| serde_json::to_string(plans).expect("json");
    let mut spec = spec();
    let accepted = text(&plans(&spec, CgroupVersion::V1));
    assert!(accepted.contains("failCgroupV1") && accepted.contains("SystemVerification"));
    assert!(accepted.contains("SystemdCgroup = false"));
    let v2 = text(&plans(&spec, CgroupVersion::V2));
    assert!(!v2.contains("failCgroupV1") && !v2.contains("SystemVerification"));
    assert!(v2.contains("SystemdCgroup = true"));
    spec.accept.clear();
    let refused = text(&plans(&spec, CgroupVersion::V1));
    assert!(!refused.contains("failCgroupV1") && !refused.contains("SystemVerification"));
}

#[test]
fn a_join_holds_the_names_of_its_secrets_and_not_the_secrets() {
    let plans = plans(&spec(), CgroupVersion::V2);
    assert_eq!(plans[0].values(), Vec::<&str>::new());
    assert_eq!(plans[1].values(), [plan::CA_HASH, plan::JOIN_TOKEN]);
    let text = serde_json::to_string(&plans).expect("json");
    assert!(!text.contains("<<") && !text.contains("PRIVATE KEY") && !text.contains("\\\"token\\\": \\\"\\\""));
}

#[test]
fn the_agent_is_in_everybodys_path_once_it_runs() {
    let spec = spec();
    let (facts, index) = (facts(&spec, CgroupVersion::V2), index());
    let site = Site {
        spec: &spec,
        facts: &facts,
        index: &index,
    };
    let run = RunHeader {
        run: RunId::new("run-1").expect("an id"),
        epoch: Epoch(1),
        mode: Mode::Change,
    };
    let identity = AgentIdentity {
        program: "/usr/local/lib/bedplate/0123/bedplate-agent".to_owned(),
        programs: "/usr/local/lib/bedplate".to_owned(),
        ca: "a certificate".to_owned(),
        claims: TokenClaims {
            namespace: "bedplate-system".to_owned(),
            service_account: "bedplate-agent-gpu-1".to_owned(),
            service_account_uid: "1".to_owned(),
            node: "gpu-1".to_owned(),
            node_uid: "2".to_owned(),
            least_seconds: 600,
        },
    };
    let plan = plan::agent(&site, &spec.nodes[0], &run, &identity).expect("a plan");
    let words = plan::describe(&plan);
    let mut last = words.lines().rev();
    assert!(
        last.next()
            .expect("a step")
            .ends_with("link /usr/local/bin/bedplate-agent to /usr/local/lib/bedplate/0123/bedplate-agent"),
        "{words}"
    );
    assert!(
        last.next().expect("a step").contains("unit bedplate-agent.service"),
        "{words}"
    );
}

#[test]
fn an_artifact_directory_without_kubelet_makes_no_plan() {
    let spec = spec();
    let (facts, mut index) = (facts(&spec, CgroupVersion::V2), index());
    index.programs.retain(|program| program.name != "kubelet");
    let site = Site {
        spec: &spec,
        facts: &facts,
        index: &index,
    };
    let error = plan::host_steps(&site, &spec.nodes[0]).expect_err("no kubelet");
    assert_eq!(
        error,
        PlanError::MissingProgram {
            name: "kubelet",
            node: "gpu-1".to_owned()
        }
    );
}
