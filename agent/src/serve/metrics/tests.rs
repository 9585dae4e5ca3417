//! What a whole state and an empty one are written as.

use super::*;
use crate::health::{Condition, Status};
use crate::pods::Holder;
use bedplate_protocol::facts::{
    FabricFacts, GpuFacts, MigDeviceFacts, NvLinkFacts, NvmlCallError, NvmlFacts, NvmlStatus, RetiredPages,
    RowRemapping,
};
use bedplate_protocol::{Finding, GpuVerdict, Health, NodeFacts, RecommendedAction, Severity, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

const FIRST: &str = "GPU-1";
const SECOND: &str = "GPU-2";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

/// A GPU of which every value is known.
fn whole_gpu() -> GpuFacts {
    GpuFacts {
        index: 0,
        uuid: Some(FIRST.to_owned()),
        name: Some("NVIDIA H100 80GB HBM3".to_owned()),
        serial: Some("1650123".to_owned()),
        pci_address: Some("0000:c1:00.0".to_owned()),
        minor: Some(3),
        memory_total_bytes: Some(80 << 30),
        memory_used_bytes: Some(1 << 30),
        architecture: Some("hopper".to_owned()),
        compute_capability: Some("9.0".to_owned()),
        temperature_celsius: Some(41),
        memory_temperature_celsius: Some(50),
        temperature_slowdown_celsius: Some(87),
        temperature_shutdown_celsius: Some(92),
        temperature_margin_celsius: Some(-3),
        power_usage_milliwatts: Some(71_500),
        power_limit_milliwatts: Some(700_000),
        energy_millijoules: Some(12_500),
        utilization_gpu_percent: Some(37),
        utilization_memory_percent: Some(5),
        sm_clock_mhz: Some(1980),
        memory_clock_mhz: Some(2619),
        performance_state: Some(0),
        ecc_enabled: Some(true),
        ecc_corrected_volatile: Some(1),
        ecc_uncorrected_volatile: Some(2),
        ecc_uncorrected_aggregate: Some(3),
        ecc_sram_threshold_exceeded: Some(false),
        row_remapping: Some(RowRemapping {
            correctable: 1,
            uncorrectable: 2,
            pending: true,
            failed: false,
        }),
        retired_pages: Some(RetiredPages {
            single_bit: 4,
            double_bit: 5,
            pending: false,
        }),
        pcie_generation: Some(5),
        pcie_width: Some(16),
        pcie_max_generation: Some(5),
        pcie_max_width: Some(16),
        pcie_replays: Some(7),
        recovery_action: Some(1),
        mig_enabled: Some(true),
        mig_devices: vec![MigDeviceFacts {
            index: 0,
            uuid: Some("MIG-1".to_owned()),
            gpu_instance: Some(7),
            compute_instance: Some(0),
            name: None,
            memory_total_bytes: None,
        }],
        persistence_mode: Some(true),
        vbios_version: Some("96.00.89.00.01".to_owned()),
        clock_event_reasons: Some(0x48),
        nvlinks: vec![NvLinkFacts {
            link: 0,
            active: Some(true),
            replays: Some(1),
            recoveries: Some(2),
            crc_errors: Some(3),
        }],
        fabric: Some(FabricFacts {
            state: 3,
            status: Some(0),
            health_mask: Some(0),
            health_summary: Some(1),
        }),
        inforom_valid: Some(true),
        ..GpuFacts::default()
    }
}

/// A GPU that has fallen off the bus: index and failures.
fn lost_gpu() -> GpuFacts {
    GpuFacts {
        index: 1,
        errors: vec![NvmlCallError {
            call: "nvmlDeviceGetHandleByIndex_v2".to_owned(),
            code: Some(15),
            detail: "GPU is lost".to_owned(),
        }],
        ..GpuFacts::default()
    }
}

fn judged(index: u32, uuid: Option<&str>, pci: Option<&str>, health: Health) -> GpuVerdict {
    GpuVerdict {
        index,
        uuid: uuid.map(str::to_owned),
        name: None,
        serial: None,
        pci_address: pci.map(str::to_owned),
        health,
        action: (health == Health::Problem).then_some(RecommendedAction::Reboot),
    }
}

fn facts(gpus: Vec<GpuFacts>) -> NodeFacts {
    let mut facts = crate::host::read_facts(Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/two-h100/root"
    )));
    facts.nvml = NvmlFacts {
        status: NvmlStatus::Ready,
        driver_version: Some("580.95.05".to_owned()),
        nvml_version: None,
        cuda_driver_version: Some("13.0".to_owned()),
        gpus,
    };
    facts
}

fn state(facts: Option<NodeFacts>, gpus: Vec<GpuVerdict>) -> State {
    State {
        at: at(10),
        started: at(0),
        version: "1.2.3",
        node_name: "gpu-1".to_owned(),
        interval_seconds: 10,
        last_pass: facts.is_some().then(|| at(9)),
        last_pass_micros: facts.is_some().then_some(12_345),
        nvml_stale_since: None,
        facts,
        verdict: Verdict {
            health: Health::Problem,
            gpus,
            action: Some(RecommendedAction::Reboot),
            findings: vec![Finding::new(
                Severity::Error,
                "gpu-lost",
                "gpu-1",
                "it is lost",
                "reboot",
            )],
        },
        conditions: vec![Condition {
            kind: "GPUHardwareProblem",
            status: Status::True,
            reason: "GpuLost".to_owned(),
            message: "it is lost".to_owned(),
            last_transition: at(3),
            last_heartbeat: at(10),
        }],
        transitions: Vec::new(),
        notices: Vec::new(),
        kernel_log_lost: 3,
        xids: vec![
            xid(Some(FIRST), 79, 2, 5),
            // The same GPU's XID in another slot's entry is the same series.
            xid(Some(FIRST), 79, 1, 4),
            xid(None, 31, 7, 1),
        ],
    }
}

fn xid(uuid: Option<&str>, xid: u32, total: u64, second: i64) -> crate::xid::Count {
    crate::xid::Count {
        uuid: uuid.map(str::to_owned),
        pci_address: Some("0000:c1:00.0".to_owned()),
        xid,
        total,
        this_boot: total,
        first_seen: at(0),
        last_seen: at(second),
        last_line: String::new(),
    }
}

#[test]
fn an_xid_is_counted_by_its_gpu_and_has_the_time_when_it_was_last_seen() {
    let text = written(&full(), None);
    let found = values(&text, "bedplate_gpu_xid_total");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[1].contains("UUID=\"GPU-1\"") && found[1].contains("xid=\"79\"") && found[1].ends_with(" 3"),
        "{found:?}"
    );
    let last = values(&text, "bedplate_gpu_xid_last_seen_timestamp_seconds");
    assert!(last[1].ends_with(" 1790000005"), "{last:?}");
}

/// What a daemon knows before its first pass.
pub(in crate::serve) fn before_the_first_pass() -> State {
    state(None, Vec::new())
}

/// One GPU of which everything is known, one that is lost, and a node that was told all.
pub(super) fn full() -> State {
    state(
        Some(facts(vec![whole_gpu(), lost_gpu()])),
        vec![
            judged(0, Some(FIRST), Some("0000:c1:00.0"), Health::Healthy),
            judged(1, None, None, Health::Problem),
        ],
    )
}

fn held(uuid: &str, replica: Option<&str>, pod: &str) -> Holder {
    Holder {
        uuid: uuid.to_owned(),
        replica: replica.map(str::to_owned),
        namespace: "team-a".to_owned(),
        pod: pod.to_owned(),
        container: "main".to_owned(),
    }
}

pub(super) fn pods() -> Attribution {
    Attribution {
        holders: vec![
            held("MIG-1", None, "mig"),
            held("MIG-gone", None, "nowhere"),
            held(SECOND, Some("0"), "one"),
            held(SECOND, Some("1"), "two"),
        ],
        unattributed: 1,
    }
}

pub(super) fn written(state: &State, pods: Option<&Attribution>) -> String {
    let published = Published::nothing(Duration::from_mins(5), at(0));
    text(state, pods, Some(&published), at(12), Format::Text)
}

/// The values of a metric, with their labels.
fn values<'a>(text: &'a str, metric: &str) -> Vec<&'a str> {
    let of = |line: &&str| {
        line.strip_prefix(metric)
            .is_some_and(|rest| rest.starts_with(['{', ' ']))
    };
    text.lines().filter(of).collect()
}

/// Every metric's name, as scraped.
pub(super) fn names(text: &str) -> BTreeSet<&str> {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples.filter_map(|line| line.split(['{', ' ']).next()).collect()
}

#[test]
fn a_gpus_values_carry_dcgm_exporters_labels() {
    let text = written(&full(), None);
    assert_eq!(
        values(&text, "bedplate_gpu_power_usage_watts"),
        [
            "bedplate_gpu_power_usage_watts{gpu=\"0\",UUID=\"GPU-1\",pci_bus_id=\"00000000:C1:00.0\",device=\"nvidia3\",\
          modelName=\"NVIDIA H100 80GB HBM3\",Hostname=\"gpu-1\"} 71.5"
        ]
    );
}

#[test]
fn units_are_base_units() {
    let text = written(&full(), None);
    for (metric, value) in [
        ("bedplate_gpu_energy_joules_total", "12.5"),
        ("bedplate_gpu_utilization_ratio", "0.37"),
        ("bedplate_gpu_sm_clock_hertz", "1980000000"),
        ("bedplate_gpu_temperature_margin_celsius", "-3"),
        ("bedplate_agent_pass_duration_seconds", "0.012345"),
        ("bedplate_gpu_memory_size_bytes", "85899345920"),
    ] {
        let found = values(&text, metric);
        assert!(
            found.len() == 1 && found[0].ends_with(&format!(" {value}")),
            "{metric}: {found:?}"
        );
    }
}

#[test]
fn every_series_is_there_once_and_every_metric_in_one_block() {
    for format in [Format::Text, Format::OpenMetrics] {
        let published = Published::nothing(Duration::from_mins(5), at(0));
        let text = text(&full(), Some(&pods()), Some(&published), at(12), format);
        let mut series = BTreeSet::new();
        let mut blocks = BTreeMap::new();
        let mut last = "";
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (labels, _) = line.rsplit_once(' ').unwrap();
            assert!(series.insert(labels), "{labels} is there twice");
            let name = line.split(['{', ' ']).next().unwrap();
            if name != last {
                *blocks.entry(name).or_insert(0) += 1;
                last = name;
            }
        }
        assert!(blocks.len() > 50, "{blocks:?}");
        assert!(blocks.values().all(|count| *count == 1), "{blocks:?}");
    }
}

#[test]
fn names_are_ours_and_say_what_they_count() {
    let text = written(&full(), Some(&pods()));
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        assert!(
            name.starts_with("bedplate_gpu_") || name.starts_with("bedplate_agent_"),
            "{name}"
        );
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
    }
    assert!(!text.contains("DCGM_FI_"));
    let help = text
        .lines()
        .find(|line| line.starts_with("# HELP bedplate_gpu_utilization_ratio"));
    assert!(help.unwrap().contains("No load signal"), "{help:?}");
}

#[test]
fn what_is_not_known_is_no_series() {
    let text = written(&full(), None);
    let lost = text.lines().filter(|line| line.contains("{gpu=\"1\""));
    let lost: BTreeSet<_> = lost.filter_map(|line| line.split('{').next()).collect();
    assert_eq!(
        lost,
        BTreeSet::from([
            "bedplate_gpu_failed_calls",
            "bedplate_gpu_health",
            "bedplate_gpu_info",
            "bedplate_gpu_recommended_action",
            "bedplate_gpu_suspended",
        ])
    );
    let empty = written(&before_the_first_pass(), None);
    let known = names(&empty);
    for absent in [
        "bedplate_gpu_values_age_seconds",
        "bedplate_gpu_devices",
        "bedplate_gpu_nvml_state",
        "bedplate_gpu_info",
    ] {
        assert!(!known.contains(absent), "{absent} before the first pass");
    }
    assert!(known.contains("bedplate_agent_heartbeat_timestamp_seconds"));
}

#[test]
fn a_library_that_never_came_back_has_not_said_how_many_gpus_there_are() {
    let listed = |status: NvmlStatus| {
        let mut hung = facts(Vec::new());
        hung.nvml.status = status;
        let text = written(&state(Some(hung), Vec::new()), None);
        values(&text, "bedplate_gpu_devices").len()
    };
    let died = NvmlStatus::WorkerDied { detail: String::new() };
    assert_eq!(listed(died), 1, "PCI's alone");
    let missing = NvmlStatus::LibraryMissing { detail: String::new() };
    assert_eq!(listed(missing), 2, "the driver has none of those on PCI");
}

#[test]
fn values_of_the_past_keep_their_series_and_their_age_grows() {
    let mut past = full();
    past.nvml_stale_since = Some(at(-50));
    let text = written(&past, None);
    assert_eq!(
        values(&text, "bedplate_gpu_values_age_seconds"),
        ["bedplate_gpu_values_age_seconds{Hostname=\"gpu-1\"} 62"]
    );
    assert_eq!(
        values(&text, "bedplate_gpu_nvml_stale_seconds"),
        ["bedplate_gpu_nvml_stale_seconds{Hostname=\"gpu-1\"} 62"]
    );
    assert_eq!(values(&text, "bedplate_gpu_temperature_celsius").len(), 1);
    let fresh = written(&full(), None);
    assert!(
        values(&fresh, "bedplate_gpu_values_age_seconds")[0].ends_with(" 3"),
        "{fresh}"
    );
    assert!(
        values(&fresh, "bedplate_gpu_nvml_stale_seconds")[0].ends_with(" 0"),
        "{fresh}"
    );
}

#[test]
fn exactly_one_state_of_each_set_is_1() {
    let text = written(&full(), None);
    for (metric, one) in [
        ("bedplate_gpu_node_health", "health=\"problem\""),
        ("bedplate_gpu_node_recommended_action", "action=\"reboot\""),
        ("bedplate_gpu_nvml_state", "state=\"ready\""),
        ("bedplate_gpu_condition", "status=\"true\""),
    ] {
        let holding: Vec<_> = values(&text, metric)
            .into_iter()
            .filter(|line| line.ends_with(" 1"))
            .collect();
        assert!(holding.len() == 1 && holding[0].contains(one), "{metric}: {holding:?}");
    }
    let reasons: Vec<_> = values(&text, "bedplate_gpu_clock_event_reason")
        .into_iter()
        .filter(|line| line.ends_with(" 1"))
        .collect();
    assert_eq!(reasons.len(), 2, "0x48 is two reasons: {reasons:?}");
}

#[test]
fn pods_that_share_a_gpu_are_series_of_their_own_beside_values_that_are_there_once() {
    let text = written(&full(), Some(&pods()));
    assert_eq!(
        values(&text, "bedplate_gpu_pod_info"),
        [
            "bedplate_gpu_pod_info{UUID=\"GPU-1\",namespace=\"team-a\",pod=\"mig\",container=\"main\",mig_uuid=\"MIG-1\",\
             Hostname=\"gpu-1\"} 1",
            "bedplate_gpu_pod_info{UUID=\"GPU-2\",namespace=\"team-a\",pod=\"one\",container=\"main\",replica=\"0\",\
             Hostname=\"gpu-1\"} 1",
            "bedplate_gpu_pod_info{UUID=\"GPU-2\",namespace=\"team-a\",pod=\"two\",container=\"main\",replica=\"1\",\
             Hostname=\"gpu-1\"} 1",
        ]
    );
    assert!(
        values(&text, "bedplate_gpu_pod_unattributed_devices")[0].ends_with(" 2"),
        "one id, and a MIG device that is gone"
    );
    assert!(values(&text, "bedplate_gpu_pod_resources_up")[0].ends_with(" 1"));
}

#[test]
fn a_kubelet_that_does_not_answer_is_said_and_its_pods_are_absent() {
    let text = written(&full(), None);
    assert!(values(&text, "bedplate_gpu_pod_resources_up")[0].ends_with(" 0"));
    assert!(values(&text, "bedplate_gpu_pod_info").is_empty());
    assert!(values(&text, "bedplate_gpu_pod_unattributed_devices").is_empty());
}

#[test]
fn publishing_is_told_of_where_there_is_a_cluster_only() {
    let told = written(&full(), None);
    assert_eq!(
        values(&told, "bedplate_agent_published_timestamp_seconds"),
        ["bedplate_agent_published_timestamp_seconds{Hostname=\"gpu-1\"} 1790000000"]
    );
    assert_eq!(
        values(&told, "bedplate_agent_publish_interval_seconds"),
        ["bedplate_agent_publish_interval_seconds{Hostname=\"gpu-1\"} 300"]
    );
    let failures = values(&told, "bedplate_agent_publish_failures_total");
    assert!(
        failures.contains(&"bedplate_agent_publish_failures_total{reason=\"conflict\",Hostname=\"gpu-1\"} 0"),
        "{failures:?}"
    );
    let alone = text(&full(), None, None, at(12), Format::Text);
    assert!(!alone.contains("_publish"), "{alone}");
}
