//! The agent reads and judges GPUs through the simulated NVML library, a real shared object loaded by its path: whole GPUs,
//! lost ones, a call that hangs, a driver that does not initialise.

#![allow(clippy::expect_used, reason = "test helpers stand outside #[test]")]

use bedplate_protocol::facts::NvmlStatus;
use bedplate_protocol::{NodeFacts, Verdict};
use bedplate_tests::built::{Ran, program, run};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

const FIRST: &str = "GPU-5b0d91a7-4e1c-4c6a-9f00-000000000001";
const SECOND: &str = "GPU-5b0d91a7-4e1c-4c6a-9f00-000000000002";
const DRIVER: &str = "580.95.05";

/// A folder with the library and the scenario that it answers from.
struct Nvml {
    folder: tempfile::TempDir,
}

impl Nvml {
    /// Two H100; `faults` is added to the scenario, `of_second` to the second GPU.
    fn new(faults: &str, of_second: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let scenario = format!(
            "driver_version: {DRIVER}\nnvml_version: 13.{DRIVER}\ncuda_version: '13.0'\n{faults}gpus:\n\
             - {{profile: h100-80gb-hbm3, pci_address: '0000:18:00.0', minor: 0, uuid: {FIRST}}}\n\
             - {{profile: h100-80gb-hbm3, pci_address: '0000:38:00.0', minor: 1, uuid: {SECOND}{of_second}}}\n"
        );
        let path = folder.path().join(format!("libnvidia-ml-scenario.so.{DRIVER}"));
        std::fs::write(path, scenario).expect("the scenario can be written");
        let nvml = Self { folder };
        std::fs::copy(program("libnvidia_ml.so"), nvml.library()).expect("the library can be copied");
        nvml
    }

    fn library(&self) -> PathBuf {
        self.folder.path().join(format!("libnvidia-ml.so.{DRIVER}"))
    }

    fn agent(&self, arguments: &[&str]) -> Ran {
        run(Command::new(program("bedplate-agent"))
            .args(arguments)
            .arg("--nvml-library")
            .arg(self.library()))
    }

    fn facts(&self, arguments: &[&str]) -> NodeFacts {
        let ran = self.agent(&[&["facts"], arguments].concat());
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        serde_json::from_str(&ran.stdout).expect("facts are one JSON document")
    }

    /// The verdict, which is a problem or unknown: this machine's PCI bus has no such GPUs.
    fn check(&self, code: i32, arguments: &[&str]) -> Verdict {
        let ran = self.agent(&[&["check", "--output", "json"], arguments].concat());
        assert_eq!(ran.code, Some(code), "{}{}", ran.stdout, ran.stderr);
        serde_json::from_str(&ran.stdout).expect("the verdict is one JSON document")
    }
}

/// Code and subject of each finding that is about NVML's answers.
fn told<'a>(verdict: &'a Verdict, code: &str) -> Vec<&'a str> {
    let about = verdict.findings.iter().filter(|finding| finding.code == code);
    about.map(|finding| finding.subject.as_str()).collect()
}

#[test]
fn every_gpu_of_the_library_is_read() {
    let facts = Nvml::new("", "").facts(&[]);
    assert_eq!(facts.nvml.status, NvmlStatus::Ready);
    let read: Vec<_> = facts
        .nvml
        .gpus
        .iter()
        .map(|gpu| {
            (
                gpu.uuid.as_deref(),
                gpu.name.as_deref(),
                gpu.pci_address.as_deref(),
                gpu.minor,
            )
        })
        .collect();
    let name = Some("NVIDIA H100 80GB HBM3");
    assert_eq!(
        read,
        [
            (Some(FIRST), name, Some("0000:18:00.0"), Some(0)),
            (Some(SECOND), name, Some("0000:38:00.0"), Some(1))
        ]
    );
    for gpu in &facts.nvml.gpus {
        assert!(gpu.memory_total_bytes > Some(79 << 30), "{gpu:?}");
        assert_eq!(gpu.errors, [], "a value without a source is absent and no error");
    }
}

#[test]
fn another_model_than_expected_is_a_problem_of_each_gpu() {
    let nvml = Nvml::new("", "");
    let verdict = nvml.check(1, &["--expect", "gpus=2,model=B200"]);
    assert_eq!(told(&verdict, "gpu-model").len(), 2, "{verdict:#?}");
    assert_eq!(told(&verdict, "gpu-count"), Vec::<&str>::new());
    let verdict = nvml.check(1, &["--expect", "gpus=3,model=h100"]);
    assert_eq!(told(&verdict, "gpu-model"), Vec::<&str>::new());
    assert_eq!(told(&verdict, "gpu-count").len(), 1, "{verdict:#?}");
}

#[test]
fn a_lost_gpu_is_told_apart_from_the_one_beside_it() {
    let nvml = Nvml::new("", ", lost: true");
    let facts = nvml.facts(&[]);
    assert_eq!(facts.nvml.status, NvmlStatus::Ready, "NVML itself works");
    assert_eq!(facts.nvml.gpus[0].errors, []);
    assert!(facts.nvml.gpus[1].errors.iter().any(|error| error.code == Some(15)));
    let verdict = nvml.check(1, &[]);
    let lost = told(&verdict, "gpu-lost");
    assert_eq!(lost.len(), 1, "{verdict:#?}");
    assert!(!lost[0].contains(FIRST), "{verdict:#?}");
}

#[test]
fn a_call_that_hangs_is_named_within_the_deadline() {
    let nvml = Nvml::new("", ", hang: {call: nvmlDeviceGetTemperature, seconds: forever}");
    let since = Instant::now();
    let facts = nvml.facts(&["--nvml-deadline", "2"]);
    let took = since.elapsed();
    let NvmlStatus::Unresponsive {
        call, after_seconds, ..
    } = &facts.nvml.status
    else {
        panic!("{:?}", facts.nvml.status);
    };
    assert!(call.starts_with("nvmlDeviceGetTemperature"), "{call}");
    assert_eq!(*after_seconds, 2);
    // The deadline, 2 s in which the worker may end, and the rest of the facts.
    assert!(took < Duration::from_secs(7), "{took:?}");
    assert_eq!(
        facts.nvml.gpus[0].uuid.as_deref(),
        Some(FIRST),
        "what was read before is kept"
    );
    let verdict = nvml.check(1, &["--nvml-deadline", "2"]);
    assert_eq!(told(&verdict, "nvml-unresponsive").len(), 1, "{verdict:#?}");
}

#[test]
fn a_call_that_comes_back_before_the_deadline_is_no_hang() {
    let nvml = Nvml::new("", ", hang: {call: nvmlDeviceGetTemperature, seconds: 1}");
    let since = Instant::now();
    let facts = nvml.facts(&[]);
    assert_eq!(facts.nvml.status, NvmlStatus::Ready);
    assert!(since.elapsed() >= Duration::from_secs(1), "the call did hang");
}

#[test]
fn library_and_module_that_differ_are_named_with_nvmls_own_code() {
    let nvml = Nvml::new("init: {code: 18}\n", "");
    let facts = nvml.facts(&[]);
    let NvmlStatus::InitFailed { code, .. } = &facts.nvml.status else {
        panic!("{:?}", facts.nvml.status);
    };
    assert_eq!(*code, Some(18));
    assert!(facts.nvml.gpus.is_empty());
    let verdict = nvml.check(1, &[]);
    assert_eq!(told(&verdict, "nvidia-version-mismatch").len(), 1, "{verdict:#?}");
}

#[test]
fn a_library_that_is_not_there_is_no_gpu_and_no_crash() {
    let nvml = Nvml::new("", "");
    std::fs::remove_file(nvml.library()).unwrap();
    let facts = nvml.facts(&[]);
    assert!(
        matches!(facts.nvml.status, NvmlStatus::LibraryMissing { .. }),
        "{:?}",
        facts.nvml.status
    );
}
