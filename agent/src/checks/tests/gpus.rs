//! Checks of one moment on one GPU.

use super::*;
use crate::checks::tests::expect;
use bedplate_protocol::facts::{FabricFacts, MigDeviceFacts, NvLinkFacts, RetiredPages};

/// Changes the first of two healthy GPUs and wants these findings.
fn of_first(health: Health, found: &[&str], change: impl FnOnce(&mut GpuFacts)) {
    expect(health, found, |facts| change(&mut facts.nvml.gpus[0]));
}

#[test]
fn values_that_a_product_does_not_have_are_no_fault() {
    of_first(Health::Healthy, &[], |gpu| {
        *gpu = GpuFacts {
            index: 0,
            uuid: gpu.uuid.clone(),
            pci_address: gpu.pci_address.clone(),
            minor: Some(0),
            ..GpuFacts::default()
        };
    });
}

#[test]
fn a_gpu_that_sleeps_is_judged_by_nothing_that_would_wake_it() {
    of_first(Health::Healthy, &[], |gpu| {
        gpu.suspended = true;
        gpu.persistence_mode = Some(false);
        gpu.pcie_width = Some(1);
        gpu.mig_enabled = Some(true);
    });
}

#[test]
fn a_link_counts_only_under_load() {
    let narrow = |state, used| {
        move |gpu: &mut GpuFacts| {
            gpu.pcie_width = Some(8);
            gpu.pcie_generation = Some(3);
            gpu.pcie_max_generation = Some(5);
            gpu.performance_state = state;
            gpu.utilization_gpu_percent = used;
        }
    };
    let loaded = ["pcie-link-width", "pcie-link-generation"];
    of_first(Health::Healthy, &loaded, narrow(Some(0), Some(97)));
    of_first(Health::Healthy, &loaded, narrow(Some(2), Some(1)));
    let idle = ["pcie-link-width-idle"];
    of_first(Health::Healthy, &idle, narrow(Some(0), Some(0)));
    of_first(Health::Healthy, &idle, narrow(Some(8), Some(1)));
    of_first(Health::Healthy, &idle, narrow(None, None));
}

#[test]
fn sram_errors_past_nvidias_number_want_the_card_examined() {
    of_first(Health::Problem, &["ecc-sram-threshold", "ecc-uncorrected"], |gpu| {
        gpu.ecc_sram_threshold_exceeded = Some(true);
        gpu.ecc_uncorrected_volatile = Some(3);
    });
    of_first(Health::Healthy, &[], |gpu| {
        gpu.ecc_sram_threshold_exceeded = Some(false);
    });
}

#[test]
fn retired_pages_count_when_one_waits_or_hardly_another_fits() {
    let pages = |single_bit, double_bit, pending| {
        Some(RetiredPages {
            single_bit,
            double_bit,
            pending,
        })
    };
    of_first(Health::Healthy, &[], |gpu| gpu.retired_pages = pages(58, 1, false));
    of_first(Health::Problem, &["page-retirement-limit"], |gpu| {
        gpu.retired_pages = pages(59, 1, false);
    });
    of_first(Health::Problem, &["page-retirement-pending"], |gpu| {
        gpu.retired_pages = pages(0, 1, true);
    });
}

#[test]
fn a_corrupted_inforom_is_told_once() {
    of_first(Health::Problem, &["gpu-inforom"], |gpu| gpu.inforom_valid = Some(false));
    of_first(Health::Problem, &["gpu-inforom"], |gpu| {
        gpu.inforom_valid = Some(false);
        gpu.errors.push(NvmlCallError {
            call: "nvmlDeviceGetSerial".into(),
            code: Some(14),
            detail: "corrupted".into(),
        });
    });
    of_first(Health::Healthy, &[], |gpu| gpu.inforom_valid = Some(true));
}

#[test]
fn heat_is_judged_by_the_drivers_own_margin_before_the_thresholds() {
    let hot = |gpu: &mut GpuFacts, now| {
        gpu.temperature_celsius = Some(now);
        gpu.temperature_slowdown_celsius = Some(90);
        gpu.temperature_shutdown_celsius = Some(95);
    };
    of_first(Health::Healthy, &[], |gpu| hot(gpu, 86));
    of_first(Health::Healthy, &["temperature-near-slowdown"], |gpu| hot(gpu, 87));
    of_first(Health::Problem, &["temperature-slowdown"], |gpu| hot(gpu, 90));
    of_first(Health::Healthy, &[], |gpu| {
        hot(gpu, 90);
        gpu.temperature_margin_celsius = Some(12);
    });
    of_first(Health::Problem, &["temperature-slowdown"], |gpu| {
        gpu.temperature_margin_celsius = Some(-1);
    });
    of_first(Health::Healthy, &[], |gpu| gpu.memory_temperature_celsius = Some(104));
    of_first(Health::Problem, &["memory-temperature"], |gpu| {
        gpu.memory_temperature_celsius = Some(105);
        gpu.memory_temperature_max_celsius = Some(105);
    });
}

#[test]
fn persistence_that_is_off_is_a_warning_with_the_command() {
    let mut facts = healthy(1);
    facts.nvml.gpus[0].persistence_mode = Some(false);
    let found = |facts: &NodeFacts| judge_once(facts, None).findings;
    assert_eq!(
        found(&facts)[0].remedy,
        "nvidia-smi --persistence-mode=1 --id=GPU-0, after each boot"
    );
    facts.services.push(bedplate_protocol::facts::ServiceFacts {
        name: "nvidia-persistenced.service".into(),
        active_state: "inactive".into(),
        enabled_state: "disabled".into(),
    });
    assert_eq!(
        found(&facts)[0].remedy,
        "systemctl enable --now nvidia-persistenced.service"
    );
    assert_eq!(judge_once(&facts, None).health, Health::Healthy);
}

#[test]
fn mig_devices_are_compared_with_the_mode() {
    let device = MigDeviceFacts {
        index: 0,
        uuid: None,
        gpu_instance: Some(1),
        compute_instance: Some(0),
        name: None,
        memory_total_bytes: None,
    };
    of_first(Health::Healthy, &["mig-without-devices"], |gpu| {
        gpu.mig_enabled = Some(true);
    });
    of_first(Health::Healthy, &[], |gpu| {
        gpu.mig_enabled = Some(true);
        gpu.mig_devices = vec![device.clone()];
    });
    of_first(Health::Healthy, &["mig-devices-without-mode"], |gpu| {
        gpu.mig_enabled = Some(false);
        gpu.mig_devices = vec![device.clone()];
    });
}

fn links(up: &[bool]) -> Vec<NvLinkFacts> {
    let link = |(number, up): (usize, &bool)| NvLinkFacts {
        link: u32::try_from(number).unwrap(),
        active: Some(*up),
        ..NvLinkFacts::default()
    };
    up.iter().enumerate().map(link).collect()
}

#[test]
fn a_link_that_is_down_counts_where_its_twin_has_it_up() {
    let with = |first: &[bool], second: &[bool]| {
        let mut facts = healthy(2);
        facts.nvml.gpus[0].nvlinks = links(first);
        facts.nvml.gpus[1].nvlinks = links(second);
        facts
    };
    let found = |facts: &NodeFacts| codes(facts, None);
    assert_eq!(
        found(&with(&[false, false], &[false, false])),
        (Health::Healthy, vec![]),
        "no bridge at all"
    );
    assert_eq!(
        found(&with(&[true, false], &[true, false])),
        (Health::Healthy, vec![]),
        "one bridge of two"
    );
    let odd = with(&[true, false], &[true, true]);
    assert_eq!(found(&odd), (Health::Healthy, vec!["nvlink-unbridged".into()]));
    let mut other = odd.clone();
    other.nvml.gpus[1].name = Some("another product".into());
    assert_eq!(found(&other), (Health::Healthy, vec![]));
    let mut switched = odd;
    add_switch(&mut switched, "active");
    assert_eq!(found(&switched), (Health::Problem, vec!["nvlink-inactive".into()]));
    let mut dead_switch = with(&[true, false], &[true, false]);
    add_switch(&mut dead_switch, "active");
    let both = |code: &str| vec![code.to_owned(); 2];
    assert_eq!(
        found(&dead_switch),
        (Health::Healthy, both("nvlink-unbridged")),
        "the same link of every GPU: a dead switch, or one that this machine was not given"
    );
    let mut none_up = with(&[false, false], &[false, false]);
    add_switch(&mut none_up, "active");
    assert_eq!(found(&none_up), (Health::Problem, both("nvlink-inactive")));
    for gpu in &mut none_up.nvml.gpus {
        gpu.mig_enabled = Some(true);
    }
    assert!(
        !found(&none_up).1.contains(&"nvlink-inactive".to_owned()),
        "MIG trains them off"
    );
    let mut unmanaged = with(&[false, false], &[false, false]);
    add_switch(&mut unmanaged, "failed");
    let manager = vec!["fabric-manager-inactive".to_owned()];
    assert_eq!(found(&unmanaged), (Health::Problem, manager), "said once, by its cause");
}

/// A machine with an `NVSwitch` and a fabric manager in this state.
fn add_switch(facts: &mut NodeFacts, manager: &str) {
    facts.nvidia_pci.push(PciDevice {
        class: "0x068000".into(),
        address: "0000:07:00.0".into(),
        ..facts.nvidia_pci[0].clone()
    });
    for (name, state) in [
        ("containerd.service", "active"),
        ("nvidia-fabricmanager.service", manager),
    ] {
        if state != "not installed" {
            facts.services.push(bedplate_protocol::facts::ServiceFacts {
                name: name.into(),
                active_state: state.into(),
                enabled_state: "enabled".into(),
            });
        }
    }
}

#[test]
fn a_machine_with_switches_needs_its_fabric_manager() {
    expect(Health::Healthy, &[], |facts| add_switch(facts, "active"));
    expect(Health::Problem, &["fabric-manager-inactive"], |facts| {
        add_switch(facts, "failed");
    });
    expect(Health::Problem, &["fabric-manager-inactive"], |facts| {
        add_switch(facts, "not installed");
    });
    expect(Health::Problem, &["fabric-manager-inactive"], |facts| {
        add_switch(facts, "activating");
    });
}

#[test]
fn every_state_of_the_fabric_is_told_apart() {
    let fabric = |state, status, health_summary, health_mask| {
        move |gpu: &mut GpuFacts| {
            gpu.fabric = Some(FabricFacts {
                state,
                status,
                health_mask,
                health_summary,
            });
        }
    };
    of_first(Health::Healthy, &[], fabric(0, None, None, None));
    of_first(Health::Problem, &["fabric-not-ready"], fabric(1, None, None, None));
    of_first(Health::Problem, &["fabric-not-ready"], fabric(2, None, None, None));
    of_first(Health::Healthy, &[], fabric(3, Some(0), Some(1), Some(0b01_1010_1010)));
    of_first(Health::Problem, &["fabric-failed"], fabric(3, Some(999), None, None));
    of_first(
        Health::Problem,
        &["fabric-unhealthy"],
        fabric(3, Some(0), Some(2), None),
    );
    of_first(Health::Healthy, &["fabric-limited"], fabric(3, Some(0), Some(3), None));
    // A driver without a summary: route unhealthy (bits 5:4 are 1), then a wrong configuration (bits 11:8 above 1).
    of_first(
        Health::Problem,
        &["fabric-unhealthy"],
        fabric(3, Some(0), None, Some(0b01_0000)),
    );
    of_first(
        Health::Problem,
        &["fabric-unhealthy"],
        fabric(3, Some(0), None, Some(0x200)),
    );
    of_first(Health::Healthy, &[], fabric(3, Some(0), None, Some(0x1aa)));
}
