//! The text of a scenario: written, read, and damaged.

use std::path::Path;

use nvidia_ml::Scenario;
use nvidia_ml::profiles::ProfileName;
use nvidia_ml::scenario::{Forever, Hang, HangTime};

use crate::installed::{VERSION, two_h100};
use crate::scenario_text;

#[test]
fn errors_of_a_scenario_name_file_line_and_cure() {
    let parse = |text: &str| Scenario::parse(text, Path::new("s.yaml")).unwrap_err().to_string();
    let head = "driver_version: 580.95.05\nnvml_version: 13.580.95.05\ncuda_version: '13.0'\n";
    let twice = parse(&format!(
        "{head}gpus:\n- {{profile: h100-80gb-hbm3, pci_address: '0000:18:00.0', minor: 0}}\n- {{profile: h100-80gb-hbm3, pci_address: '0000:20:00.0', minor: 0}}\n"
    ));
    assert!(
        twice.contains("s.yaml:6") && twice.contains("minor 0 is used twice"),
        "{twice}"
    );
    let event = parse(&format!("{head}gpus: []\nevents:\n- {{id: 1, gpu: 0, xid: 79}}\n"));
    assert!(
        event.contains("s.yaml:6") && event.contains("there are 0 gpus"),
        "{event}"
    );
    let key = parse(&format!("{head}gpus: []\ntemprature: 3\n"));
    assert!(key.contains("temprature") && key.contains('5'), "{key}");
    let call = parse(&format!(
        "{head}gpus: []\nhang: {{call: nvmlDeviceGetTemprature, seconds: 3}}\n"
    ));
    assert!(call.contains("exports no call") && call.contains('5'), "{call}");
}

#[test]
fn what_is_not_of_the_schema_is_told_where_it_stands_and_what_belongs_there() {
    let head = "driver_version: 580.95.05\nnvml_version: 13.580.95.05\ncuda_version: '13.0'\n";
    let gpu = "- profile: l4\n  pci_address: '0000:18:00.0'\n  minor: 0\n";
    for (text, place, words) in [
        (
            format!("{head}gpus:\n{gpu}  temperature_celsius: {{ramp: [1, 2]}}\n"),
            "8:24",
            "missing field `seconds`",
        ),
        (
            format!("{head}gpus:\n{gpu}  temperature_celsius: {{ramp: [1, 2, 3], seconds: 4}}\n"),
            "8:38",
            "one too many",
        ),
        (
            format!("{head}gpus:\n{gpu}  temperature_celsius: warm\n"),
            "8:24",
            "steps `[[second, value], …]`",
        ),
        (
            format!("{head}gpus:\n{gpu}  temperature_celsius: -1\n"),
            "8:24",
            "expected u32",
        ),
        (format!("{head}gpus:\n{gpu}  lost: yes\n"), "8:9", "expected a boolean"),
        (format!("{head}gpus:\n- profile: l5\n"), "5:12", "unknown variant `l5`"),
        (
            format!("{head}gpus:\n- {{profile: l4}}\n"),
            "5:3",
            "missing field `pci_address`",
        ),
        (
            format!("{head}gpus:\n"),
            "4:5",
            "invalid type: nothing, expected a sequence",
        ),
        (
            format!("{head}gpus: []\nhang: {{call: nvmlInit, seconds: soon}}\n"),
            "5:33",
            "forever",
        ),
        (
            format!("{head}gpus: []\nreturns: {{nvmlInit: 1, nvmlInit: 2}}\n"),
            "5:24",
            "nvmlInit is here twice",
        ),
        (
            format!("{head}gpus: []\nlatency: &slow {{microseconds: 200}}\n"),
            "5:10",
            "anchors, aliases and tags are not read",
        ),
        (format!("{head}gpus: []\n---\n{{}}\n"), "5:1", "a second document"),
        (
            format!("{head}gpus: {}\n", "[".repeat(40)),
            "4:39",
            "nested more than 32 deep",
        ),
        (format!("{head}gpus: [\n"), "5:1", ""),
        (String::new(), "1:1", "there is nothing in it"),
    ] {
        let said = Scenario::parse(&text, Path::new("s.yaml")).unwrap_err().to_string();
        assert!(
            said.starts_with(&format!("s.yaml:{place}: ")) && said.contains(words),
            "{text}\n{said}"
        );
    }
}

#[test]
fn what_a_text_means_is_asked_by_its_type() {
    let text = "driver_version: 580\nnvml_version: '13'\ncuda_version: 13.0\ngpus:\n- profile: l4\n  pci_address: 18:00.0\n  minor: 0x1F\n  \
                name: true\n  serial: ~\n  field_returns: {82: 15}\n  lost: True\n";
    let scenario = Scenario::parse(text, Path::new("s.yaml")).unwrap();
    let gpu = &scenario.gpus[0];
    assert_eq!(
        (scenario.driver_version.as_str(), scenario.cuda_version.as_str()),
        ("580", "13.0")
    );
    assert_eq!(
        (gpu.minor, gpu.name.as_deref(), gpu.serial.as_deref()),
        (31, Some("true"), None)
    );
    assert!(gpu.lost && gpu.field_returns[&82] == 15, "{gpu:?}");
}

#[test]
fn a_written_scenario_reads_back_the_same_and_hosts_differ() {
    let mut scenario = two_h100();
    scenario.gpus[0].hang = Some(Hang {
        call: "nvmlDeviceGetName".to_owned().try_into().unwrap(),
        seconds: HangTime::Always(Forever::Forever),
    });
    scenario.gpus[1]
        .returns
        .insert("nvmlDeviceGetSerial".to_owned().try_into().unwrap(), 999);
    let text = scenario.to_yaml(Path::new("s")).unwrap();
    assert_eq!(Scenario::parse(&text, Path::new("s")).unwrap(), scenario, "{text}");
    let other = Scenario::for_host("gpu-2", VERSION, "13.0", &[(ProfileName::H100, 2)]);
    let uuids: std::collections::BTreeSet<_> = scenario
        .gpus
        .iter()
        .chain(&other.gpus)
        .map(|gpu| gpu.uuid.clone())
        .collect();
    assert_eq!(uuids.len(), 4);
    assert_eq!(two_h100(), two_h100());
}

#[test]
fn each_contradiction_of_a_gpu_names_its_key_its_line_and_a_cure() {
    let refuse = |keys: &str, words: &[&str]| {
        let text = format!(
            "driver_version: 580.95.05\nnvml_version: 13.580.95.05\ncuda_version: '13.0'\ngpus:\n- {{profile: h100-80gb-hbm3, \
             pci_address: '0000:18:00.0', minor: 0, {keys}}}\n"
        );
        let said = Scenario::parse(&text, Path::new("s.yaml")).unwrap_err().to_string();
        assert!(said.starts_with("s.yaml:5: gpus[0]."), "{said}");
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    };
    refuse(
        "temperature_celsius: [[5, 60], [5, 70]]",
        &["temperature_celsius", "later second"],
    );
    refuse(
        "temperature_celsius: {ramp: [1, 2], seconds: 0}",
        &["ramp of 0 seconds"],
    );
    refuse("clocks_event_reasons: {ramp: [0, 64], seconds: 9}", &["write steps"]);
    refuse(
        "temperature_thresholds: {slowdown: 90, shutdown: 80}",
        &["slowdown 90", "shutdown 80"],
    );
    refuse(
        "utilization: {gpu_percent: 101, memory_percent: 0}",
        &["101 percent", "0 to 100"],
    );
    refuse("performance_state: 16", &["performance_state 16", "0 to 15"]);
    refuse("pcie: {generation: 7, width: 16}", &["generation 7", "1 to 6"]);
    refuse("pcie: {generation: 5, width: 3}", &["width 3"]);
    refuse(
        "ecc: {enabled: true, places: {sram: {uncorrected_volatile: 2}}}",
        &["uncorrected_volatile is 0", "2 together"],
    );
    refuse(
        "retired_pages: {double_bit: [{address: 4096, at: 1}, {address: 4096, at: 2}]}",
        &["0x1000 twice"],
    );
    refuse("fabric: {state: 1, status: 999}", &["status is 999", "it is 1"]);
    refuse(
        "fabric: {state: 3, cluster_uuid: nonsense}",
        &["cluster_uuid", "32 hexadecimal digits"],
    );
    refuse(
        "mig: {enabled: false, devices: [{profile: 1g.10gb, uuid: MIG-1, gpu_instance: 1, compute_instance: 0, memory_mib: 9856, \
         multiprocessors: 16, gpu_slices: 1, compute_slices: 1}]}",
        &["mig.enabled is false"],
    );
}

proptest::proptest! {
    #[test]
    fn every_name_is_written_so_that_it_reads_back_the_same(name in "(\\PC|[-~ '\":#\n]){0,120}") {
        let mut scenario = two_h100();
        scenario.gpus[0].name = Some(name);
        let text = scenario.to_yaml(Path::new("s")).unwrap();
        proptest::prop_assert_eq!(Scenario::parse(&text, Path::new("s")).unwrap(), scenario, "{}", text);
    }

    #[test]
    fn every_text_reads_back_the_same_or_names_its_mistake(text in "(\\PC|\n){0,200}") {
        scenario_text::holds(&text);
    }

    #[test]
    fn a_damaged_good_file_reads_back_the_same_or_names_its_mistake(
        at in 0_usize..900, put in "[-\\[\\]{}:,&*!|>'\"#% \n0-9a-z]{1,6}", cut in 0_usize..12
    ) {
        let mut text = two_h100().to_yaml(Path::new("s")).unwrap();
        let at = at.min(text.len());
        text.replace_range(at..(at + cut).min(text.len()), &put);
        scenario_text::holds(&text);
    }
}
