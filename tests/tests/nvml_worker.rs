//! The process that owns NVML, asked over its socket as the agent's daemon does: one session through many passes, every value
//! of a sick GPU, events between passes, older libraries. The library is the simulated one. How it ends: `nvml_ends.rs`.

use bedplate_protocol::facts::{FabricFacts, RetiredPages};
use bedplate_tests::built::program;
use bedplate_tests::nvml_worker::{HEALTHY, Nvml, Worker};
use serde_json::json;
use std::process::Command;
use std::time::{Duration, Instant};

const SICK: &str = "\
gpus:
- profile: h100-80gb-hbm3
  pci_address: '0000:18:00.0'
  minor: 0
  vbios_version: 96.00.89.00.01
  memory_used_mib: 1024
  persistence_mode: false
  temperature_celsius: 90
  memory_temperature_celsius: 97
  temperature_thresholds: {shutdown: 95, slowdown: 87}
  clocks: {sm: 345, memory: 2619}
  clocks_event_reasons: 0x48
  performance_state: 8
  energy_millijoules: 12345678901
  utilization: {gpu_percent: 97, memory_percent: 40}
  ecc: {enabled: true, corrected_volatile: 3, uncorrected_volatile: 2, uncorrected_aggregate: 5}
  sram_ecc: {threshold_exceeded: true}
  retired_pages: {single_bit: [{address: 1, at: 1763700000}], double_bit: [], pending: true}
  inforom_valid: false
  pcie_replays: 900
  nvlinks: [{active: true, replays: 3, recoveries: 2, crc_errors: 1}, {active: false}]
  fabric: {state: 3, status: 999, health_mask: 5, health_summary: 2}
- profile: h100-80gb-hbm3
  pci_address: '0000:38:00.0'
  minor: 1
  mig: {enabled: true, devices: [{profile: 1g.10gb, uuid: MIG-5b0d91a7-4e1c-4c6a-9f00-000000000011, gpu_instance: 7, compute_instance: 0, memory_mib: 9856, multiprocessors: 16, gpu_slices: 1, compute_slices: 1}]}
";

#[test]
fn every_value_of_a_sick_gpu_and_the_devices_of_one_in_parts_are_read() {
    let nvml = Nvml::new(SICK);
    let mut worker = Worker::start(&nvml);
    let gpus = worker.pass();
    let gpu = &gpus[0];
    assert_eq!(gpu.errors, [], "what a GPU does not have is no error");
    assert_eq!(gpu.vbios_version.as_deref(), Some("96.00.89.00.01"));
    assert_eq!(gpu.memory_used_bytes, Some(1024 << 20));
    assert_eq!(gpu.persistence_mode, Some(false));
    assert_eq!(
        (gpu.temperature_celsius, gpu.memory_temperature_celsius),
        (Some(90), Some(97))
    );
    assert_eq!(
        (gpu.temperature_slowdown_celsius, gpu.temperature_shutdown_celsius),
        (Some(87), Some(95))
    );
    assert_eq!(gpu.temperature_margin_celsius, Some(-3), "it is past its slowdown");
    assert_eq!((gpu.sm_clock_mhz, gpu.memory_clock_mhz), (Some(345), Some(2619)));
    assert_eq!(gpu.clock_event_reasons, Some(0x48));
    assert_eq!(gpu.performance_state, Some(8));
    assert_eq!(gpu.energy_millijoules, Some(12_345_678_901));
    assert_eq!(
        (gpu.utilization_gpu_percent, gpu.utilization_memory_percent),
        (Some(97), Some(40))
    );
    assert_eq!(
        (gpu.ecc_corrected_volatile, gpu.ecc_uncorrected_volatile),
        (Some(3), Some(2))
    );
    assert_eq!(gpu.ecc_uncorrected_aggregate, Some(5));
    assert_eq!(gpu.ecc_sram_threshold_exceeded, Some(true));
    let pages = RetiredPages {
        single_bit: 1,
        double_bit: 0,
        pending: true,
    };
    assert_eq!(gpu.retired_pages, Some(pages));
    assert_eq!(gpu.row_remapping, None, "a GPU that retires pages remaps no rows");
    assert_eq!(gpu.inforom_valid, Some(false));
    assert_eq!(gpu.pcie_replays, Some(900));
    let links: Vec<_> = gpu
        .nvlinks
        .iter()
        .map(|link| (link.link, link.active, link.replays, link.recoveries))
        .collect();
    assert_eq!(
        links,
        [(0, Some(true), Some(3), Some(2)), (1, Some(false), Some(0), Some(0))]
    );
    let fabric = FabricFacts {
        state: 3,
        status: Some(999),
        health_mask: Some(5),
        health_summary: Some(2),
    };
    assert_eq!(gpu.fabric, Some(fabric));

    let parts = &gpus[1];
    assert_eq!(parts.errors, []);
    assert_eq!(parts.mig_enabled, Some(true));
    let mig = &parts.mig_devices[0];
    assert_eq!(mig.uuid.as_deref(), Some("MIG-5b0d91a7-4e1c-4c6a-9f00-000000000011"));
    assert_eq!((mig.gpu_instance, mig.compute_instance), (Some(7), Some(0)));
    assert_eq!(mig.memory_total_bytes, Some(9856 << 20));
    assert_eq!(parts.mig_devices.len(), 1);
    assert!(worker.ends());
}

#[test]
fn what_an_older_library_does_not_export_is_absent_and_the_rest_is_read() {
    let nvml = Nvml::new(SICK);
    nvml.without(&[
        "nvmlDeviceGetMarginTemperature",
        "nvmlDeviceGetSramEccErrorStatus",
        "nvmlDeviceGetGpuFabricInfoV",
        "nvmlDeviceGetFieldValues",
        "nvmlDeviceGetCurrentClocksEventReasons",
        "nvmlEventSetCreate",
    ]);
    let mut worker = Worker::start(&nvml);
    let gpus = worker.pass();
    let gpu = &gpus[0];
    assert_eq!(gpu.errors, []);
    assert_eq!(gpu.temperature_margin_celsius, None);
    assert_eq!(gpu.ecc_sram_threshold_exceeded, None);
    assert_eq!(gpu.fabric, None);
    assert_eq!((gpu.memory_temperature_celsius, gpu.recovery_action), (None, None));
    assert_eq!(gpu.clock_event_reasons, Some(0x48), "by the call's older name");
    assert_eq!(gpu.temperature_celsius, Some(90));
    assert!(worker.ends());
}

#[test]
fn a_library_with_older_structs_is_read_with_those_and_what_it_has_no_struct_for_is_absent() {
    let read = |versions: &str| {
        let nvml = Nvml::new(&format!("newest_struct_versions: {{{versions}}}\n{SICK}"));
        let mut worker = Worker::start(&nvml);
        let gpu = worker.pass().remove(0);
        assert!(worker.ends());
        assert_eq!(gpu.errors, [], "{versions}");
        gpu
    };
    let fabric = FabricFacts {
        state: 3,
        status: Some(999),
        health_mask: Some(5),
        health_summary: None,
    };
    let gpu = read("nvmlDeviceGetGpuFabricInfoV: 2");
    assert_eq!(gpu.fabric, Some(fabric), "version 2 has no summary");
    assert_eq!(
        (gpu.temperature_margin_celsius, gpu.ecc_sram_threshold_exceeded),
        (Some(-3), Some(true))
    );
    let gpu =
        read("nvmlDeviceGetGpuFabricInfoV: 1, nvmlDeviceGetMarginTemperature: 0, nvmlDeviceGetSramEccErrorStatus: 0");
    assert_eq!(gpu.fabric, None);
    assert_eq!(
        (gpu.temperature_margin_celsius, gpu.ecc_sram_threshold_exceeded),
        (None, None)
    );
    assert_eq!(gpu.temperature_celsius, Some(90), "the rest is read");
}

#[test]
fn values_follow_the_gpu_within_one_session_and_a_gpu_that_is_lost_keeps_its_name() {
    let nvml = Nvml::new(HEALTHY);
    let mut worker = Worker::start(&nvml);
    let before = worker.pass().remove(0);
    assert_eq!(before.errors, []);
    nvml.set(&HEALTHY.replace("minor: 0", "minor: 0, temperature_celsius: 91"));
    let hot = worker.pass().remove(0);
    assert_eq!(hot.temperature_celsius, Some(91));
    assert_eq!((&hot.uuid, &hot.name), (&before.uuid, &before.name));
    let beside = "- {profile: h100-80gb-hbm3, pci_address: '0000:38:00.0', minor: 1}\n";
    nvml.set(&(HEALTHY.replace("minor: 0", "minor: 0, lost: true") + beside));
    let gpus = worker.pass();
    assert_eq!(
        (&gpus[0].uuid, &gpus[0].pci_address),
        (&before.uuid, &before.pci_address)
    );
    assert_eq!(gpus[0].temperature_celsius, None, "nobody knows it any more");
    let codes: Vec<_> = gpus[0].errors.iter().map(|error| error.code).collect();
    assert_eq!(codes, [Some(15)], "once lost, it is not asked on");
    assert_eq!(gpus[1].errors, [], "the one beside it is read");
    assert!(gpus[1].temperature_celsius.is_some());
    assert!(worker.ends());
}

#[test]
fn what_one_pass_says_of_a_gpu_the_next_says_again() {
    let nvml = Nvml::new(&SICK.replace("slowdown: 87}", "slowdown: 87, memory_max: 95}"));
    let mut worker = Worker::start(&nvml);
    let first = worker.pass();
    assert_eq!(first[0].memory_temperature_max_celsius, Some(95));
    assert_eq!(
        worker.pass(),
        first,
        "who it is and what it may do is read once, and kept"
    );
    assert!(worker.ends());
}

#[test]
fn an_xid_and_a_changed_recovery_action_are_told_at_once_between_passes() {
    let nvml = Nvml::new(HEALTHY);
    let mut worker = Worker::start(&nvml);
    let gpu = worker.pass().remove(0);
    let since = Instant::now();
    nvml.set(&format!(
        "{HEALTHY}events:\n- {{id: 1, gpu: 0, xid: 79}}\n- {{id: 2, gpu: 0, kind: gpu-recovery-action, data: 1}}\n"
    ));
    let mut told = Vec::new();
    while told.len() < 2 {
        let line = worker.line();
        assert!(line.get("event").is_some(), "{line}");
        assert_eq!(line["event"]["uuid"].as_str(), gpu.uuid.as_deref());
        assert_eq!(line["event"]["pci_address"].as_str(), Some("0000:18:00.0"));
        told.push(line["event"]["kind"].clone());
    }
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    assert!(told.contains(&json!({"xid": 79})), "{told:?}");
    assert!(told.contains(&json!("gpu-recovery-action")), "{told:?}");
    assert_eq!(worker.pass()[0].errors, [], "passes go on");
    assert!(worker.ends());
}

#[test]
fn a_gpu_that_spoils_an_event_set_takes_the_events_of_no_other() {
    let spoils = HEALTHY.replace("minor: 0", "minor: 0, returns: {nvmlDeviceRegisterEvents: 999}");
    let two = format!("{spoils}- {{profile: h100-80gb-hbm3, pci_address: '0000:38:00.0', minor: 1}}\n");
    let nvml = Nvml::new(&two);
    let mut worker = Worker::start(&nvml);
    worker.pass();
    assert_eq!(worker.pass().len(), 2, "the next pass has a set of its own");
    nvml.set(&format!("{two}events:\n- {{id: 1, gpu: 1, xid: 79}}\n"));
    let line = worker.line();
    assert_eq!(line["event"]["kind"], json!({"xid": 79}), "{line}");
    assert_eq!(line["event"]["pci_address"].as_str(), Some("0000:38:00.0"));
    assert!(worker.ends());
}

#[test]
fn a_gpu_that_sleeps_is_not_asked_anything() {
    let nvml = Nvml::new(SICK);
    let mut worker = Worker::start(&nvml);
    worker.ask(&json!({"request": "pass", "asleep": ["0000:18:00.0"], "awake": ["0000:38:00.0"], "watch": false}));
    let gpus = worker.answers();
    assert!(
        gpus[0].suspended && gpus[0].uuid.is_none() && gpus[0].errors.is_empty(),
        "{:?}",
        gpus[0]
    );
    assert_eq!(gpus[0].pci_address.as_deref(), Some("0000:18:00.0"));
    assert_eq!(gpus[1].pci_address.as_deref(), Some("0000:38:00.0"));
    assert!(!gpus[1].suspended && gpus[1].mig_enabled == Some(true));
    assert!(worker.ends());
}

#[test]
fn valgrind_finds_no_wrong_access_in_a_pass_over_sick_gpus() {
    let there = Command::new("valgrind").arg("--version").output();
    assert!(
        there.is_ok(),
        "valgrind is not installed: apt-get install valgrind, as tests/run does"
    );
    let nvml = Nvml::new(SICK);
    let log = nvml.folder().join("valgrind.log");
    let mut command = Command::new("valgrind");
    command
        .args(["--error-exitcode=99", "--trace-children=no"])
        .arg(format!("--log-file={}", log.display()))
        .arg(program("bedplate-agent"));
    let mut worker = Worker::of(command, &nvml);
    assert_eq!(worker.pass().len(), 2);
    assert_eq!(worker.pass().len(), 2);
    let ended = worker.ends();
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(ended, "{text}");
    assert!(text.contains("ERROR SUMMARY: 0 errors"), "{text}");
}
