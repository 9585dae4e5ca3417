//! The text of a scenario: written, read, and damaged.

use std::path::Path;

use nvidia_ml::Scenario;
use nvidia_ml::profiles::ProfileName;
use nvidia_ml::scenario::{Forever, Hang, HangTime};

use crate::installed::{VERSION, two_h100};

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

proptest::proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "(\\PC|\n){0,200}") {
        let _ = Scenario::parse(&text, Path::new("s.yaml"));
    }

    #[test]
    fn no_damage_to_a_good_file_makes_the_parser_panic(at in 0_usize..900, put in "[-\\[\\]{}:,&*!|>'\"#% \n0-9a-z]{1,6}") {
        let mut text = two_h100().to_yaml(Path::new("s")).unwrap();
        let at = at.min(text.len());
        text.insert_str(at, &put);
        let _ = Scenario::parse(&text, Path::new("s.yaml"));
    }
}
