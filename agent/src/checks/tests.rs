//! The checks on facts written down by hand. Run by `cargo test` only.

mod expected;
mod gpus;
mod node;
mod nvml_events;
mod table;
mod window;
mod xids;

use super::*;
use crate::host::{Tree, read_tree};
use bedplate_protocol::facts::{NvmlCallError, NvmlFacts, NvmlStatus, PciDevice, RowRemapping};

/// A host with this many healthy H100s.
fn healthy(count: u32) -> NodeFacts {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(root.path().join("sys/bus")).unwrap();
    let gpus = (0..count)
        .map(|index| GpuFacts {
            index,
            uuid: Some(format!("GPU-{index}")),
            name: Some("NVIDIA H100 80GB HBM3".into()),
            pci_address: Some(format!("0000:1{index}:00.0")),
            minor: Some(index),
            ecc_uncorrected_volatile: Some(0),
            recovery_action: Some(0),
            pcie_width: Some(16),
            pcie_max_width: Some(16),
            ..GpuFacts::default()
        })
        .collect();
    let nvml = NvmlFacts {
        status: NvmlStatus::Ready,
        driver_version: Some("580.95.05".into()),
        nvml_version: None,
        cuda_driver_version: None,
        gpus,
    };
    let mut facts = read_tree(Tree::new(root.path()), nvml);
    facts.hostname = "gpu-1".into();
    facts.nvidia.module_version = Some("580.95.05".into());
    facts.nvidia.library_version = Some("580.95.05".into());
    facts.nvidia.device_nodes = (0..count)
        .map(|n| format!("/dev/nvidia{n}"))
        .chain(["/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools"].map(str::to_owned))
        .collect();
    facts.nvidia_pci = (0..count)
        .map(|n| PciDevice {
            address: format!("0000:1{n}:00.0"),
            vendor: "0x10de".into(),
            device: "0x2330".into(),
            class: "0x030200".into(),
            driver: Some("nvidia".into()),
            link_speed: None,
            link_width: None,
        })
        .collect();
    facts
}

/// What a one-shot check says.
fn judge_once(facts: &NodeFacts, expect: Option<&Expectation>) -> Verdict {
    judge(&Observation {
        facts,
        expect,
        history: &History::default(),
    })
}

fn codes(facts: &NodeFacts, expect: Option<&Expectation>) -> (Health, Vec<String>) {
    let verdict = judge_once(facts, expect);
    (
        verdict.health,
        verdict.findings.into_iter().map(|finding| finding.code).collect(),
    )
}

/// A healthy host with one change must give this health and exactly these findings.
fn expect(health: Health, found: &[&str], change: impl FnOnce(&mut NodeFacts)) {
    let mut facts = healthy(2);
    change(&mut facts);
    assert_eq!(
        codes(&facts, None),
        (health, found.iter().map(ToString::to_string).collect())
    );
}

#[test]
fn two_good_gpus_are_healthy() {
    expect(Health::Healthy, &[], |_| {});
}

#[test]
fn a_host_without_nvidia_device_and_without_expectation_is_healthy() {
    let mut facts = healthy(0);
    facts.nvidia = bedplate_protocol::facts::NvidiaFacts::default();
    facts.nvml.status = NvmlStatus::LibraryMissing {
        detail: "no such file".into(),
    };
    assert_eq!(codes(&facts, None), (Health::Healthy, vec![]));
    let one = Expectation {
        gpus: Some(1),
        ..Expectation::default()
    };
    assert_eq!(codes(&facts, Some(&one)), (Health::Problem, vec!["gpu-count".into()]));
}

#[test]
fn pci_that_cannot_be_read_is_unknown() {
    let mut facts = healthy(0);
    facts.nvml.status = NvmlStatus::LibraryMissing {
        detail: "no such file".into(),
    };
    facts.unreadable = vec!["/sys/bus/pci/devices: sysfs is not mounted there".into()];
    assert_eq!(codes(&facts, None), (Health::Unknown, vec!["pci-unreadable".into()]));
}

#[test]
fn a_driver_that_does_not_work_is_never_healthy_even_where_pci_shows_no_gpu() {
    let mut facts = healthy(0);
    let failed = |code| NvmlStatus::InitFailed {
        code: Some(code),
        detail: "words".into(),
    };
    for (status, health) in [
        (failed(9), Health::Healthy),
        (failed(28), Health::Healthy),
        (failed(18), Health::Problem),
        (failed(999), Health::Problem),
        (failed(4), Health::Unknown),
        (
            NvmlStatus::Unresponsive {
                call: "nvmlInit_v2".into(),
                after_seconds: 10,
                since: None,
                pass_seconds: None,
            },
            Health::Problem,
        ),
        (
            NvmlStatus::WorkerDied {
                detail: "signal: 11".into(),
            },
            Health::Unknown,
        ),
    ] {
        facts.nvml.status = status.clone();
        assert_eq!(codes(&facts, None).0, health, "{status:?}");
    }
}

#[test]
fn each_state_of_the_driver_has_its_own_finding() {
    let stop = |facts: &mut NodeFacts, status| {
        facts.nvml.status = status;
        facts.nvml.gpus.clear();
    };
    let failed = |code| NvmlStatus::InitFailed {
        code: Some(code),
        detail: "words".into(),
    };
    expect(Health::Problem, &["nvidia-module-missing"], |facts| {
        stop(facts, failed(9));
        facts.nvidia.module_version = None;
    });
    expect(Health::Problem, &["nvidia-library-missing"], |facts| {
        stop(
            facts,
            NvmlStatus::LibraryMissing {
                detail: "no such file".into(),
            },
        );
    });
    expect(Health::Problem, &["nvidia-version-mismatch"], |facts| {
        stop(facts, failed(18));
        facts.nvidia.library_version = Some("580.105.08".into());
    });
    expect(Health::Problem, &["nvidia-version-mismatch"], |facts| {
        stop(facts, failed(18));
    });
    expect(Health::Problem, &["nvidia-device-nodes-missing"], |facts| {
        stop(facts, failed(999));
        facts.nvidia.device_nodes.clear();
    });
    expect(Health::Unknown, &["nvml-no-permission"], |facts| {
        stop(facts, failed(999));
        facts.nvidia.control_node_denied = Some("Operation not permitted".into());
    });
    expect(Health::Problem, &["nvml-init-failed"], |facts| stop(facts, failed(999)));
    expect(Health::Unknown, &["nvml-no-permission"], |facts| stop(facts, failed(4)));
    expect(Health::Problem, &["nvml-unresponsive"], |facts| {
        stop(
            facts,
            NvmlStatus::Unresponsive {
                call: "nvmlInit_v2".into(),
                after_seconds: 10,
                since: None,
                pass_seconds: None,
            },
        );
    });
    expect(Health::Unknown, &["nvml-worker-died"], |facts| {
        stop(
            facts,
            NvmlStatus::WorkerDied {
                detail: "signal: 11".into(),
            },
        );
    });
}

#[test]
fn a_lost_gpu_is_named_and_hides_no_other() {
    let mut facts = healthy(2);
    let error = NvmlCallError {
        call: "nvmlDeviceGetHandleByIndex_v2".into(),
        code: Some(15),
        detail: "lost".into(),
    };
    facts.nvml.gpus[1] = GpuFacts {
        index: 1,
        errors: vec![error],
        ..GpuFacts::default()
    };
    let verdict = judge_once(&facts, None);
    let health: Vec<Health> = verdict.gpus.iter().map(|gpu| gpu.health).collect();
    assert_eq!(health, [Health::Healthy, Health::Problem]);
    assert_eq!(verdict.findings.len(), 1);
    assert_eq!(verdict.findings[0].code, "gpu-lost");
    assert!(
        verdict.findings[0]
            .evidence
            .iter()
            .any(|line| line.contains("0000:11:00.0"))
    );
}

#[test]
fn a_value_that_could_not_be_read_is_unknown_and_never_healthy() {
    expect(Health::Unknown, &["gpu-value-unreadable"], |facts| {
        let error = NvmlCallError {
            call: "nvmlDeviceGetTotalEccErrors".into(),
            code: Some(999),
            detail: "?".into(),
        };
        facts.nvml.gpus[0].errors.push(error);
    });
}

#[test]
fn sick_values_of_one_gpu_are_found() {
    expect(Health::Problem, &["ecc-uncorrected"], |facts| {
        facts.nvml.gpus[0].ecc_uncorrected_volatile = Some(1);
    });
    let rows = RowRemapping {
        correctable: 1,
        uncorrectable: 1,
        pending: false,
        failed: false,
    };
    expect(Health::Healthy, &[], |facts| {
        facts.nvml.gpus[0].row_remapping = Some(rows);
    });
    expect(Health::Problem, &["row-remapping-pending"], |facts| {
        facts.nvml.gpus[0].row_remapping = Some(RowRemapping { pending: true, ..rows });
    });
    expect(Health::Problem, &["row-remapping-failed"], |facts| {
        facts.nvml.gpus[0].row_remapping = Some(RowRemapping {
            pending: true,
            failed: true,
            ..rows
        });
    });
    expect(Health::Problem, &["nvidia-device-nodes-missing"], |facts| {
        facts.nvidia.device_nodes.retain(|node| node != "/dev/nvidia0");
    });
}

#[test]
fn every_recovery_action_but_none_is_a_problem_and_an_absent_one_is_not() {
    for action in 1..9 {
        let mut facts = healthy(1);
        facts.nvml.gpus[0].recovery_action = Some(action);
        assert_eq!(codes(&facts, None).0, Health::Problem, "action {action}");
    }
    expect(Health::Healthy, &[], |facts| facts.nvml.gpus[0].recovery_action = None);
}

#[test]
fn inventory_compares_pci_nvml_and_expectation() {
    expect(Health::Problem, &["gpu-inventory"], |facts| drop(facts.nvml.gpus.pop()));
    expect(Health::Healthy, &[], |facts| {
        facts.nvml.gpus.pop();
        facts.nvidia_pci[1].driver = Some("vfio-pci".into());
    });
    let facts = healthy(2);
    let wanted = |gpus, model: &str| Expectation {
        gpus: Some(gpus),
        model: Some(model.into()),
        ..Expectation::default()
    };
    assert_eq!(codes(&facts, Some(&wanted(2, "h100"))).0, Health::Healthy);
    assert_eq!(codes(&facts, Some(&wanted(8, "H100"))).1, ["gpu-count"]);
    assert_eq!(codes(&facts, Some(&wanted(2, "H200"))).1, ["gpu-model", "gpu-model"]);
}
