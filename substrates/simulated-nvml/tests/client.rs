//! The shared library as its clients meet it: installed as NVIDIA's driver installs its own, loaded through nvml-wrapper.
//!
//! One process holds one copy of a library, so each test installs its own file and the loader treats each as another library.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "the helpers of tests")]
#![allow(clippy::too_many_lines, reason = "one client reads every fact")]
#![allow(
    unsafe_code,
    reason = "raw field values and struct versions, which the wrapper does not offer"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nvidia_ml::profiles::ProfileName;
use nvidia_ml::scenario::{
    Ecc, Forever, Hang, HangTime, InitFailure, PcieLink, Power, Process, RowRemapping, XidEvent,
};
use nvidia_ml::{Scenario, abi::SYMBOLS};
use nvml_wrapper::Nvml;
use nvml_wrapper::bitmasks::event::EventTypes;
use nvml_wrapper::enum_wrappers::device::{EccCounter, MemoryError, TemperatureSensor};
use nvml_wrapper::enums::device::SampleValue;
use nvml_wrapper::enums::event::XidError;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::structs::device::FieldId;
use nvml_wrapper::sys_exports::field_id::NVML_FI_DEV_GET_GPU_RECOVERY_ACTION;

const VERSION: &str = "580.95.05";

/// A driver's library directory with a scenario.
struct Installed {
    directory: tempfile::TempDir,
}

impl Installed {
    fn with(scenario: &Scenario) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(format!("libnvidia-ml.so.{VERSION}"));
        std::fs::copy(built(), &file).unwrap();
        std::os::unix::fs::symlink(&file, directory.path().join("libnvidia-ml.so.1")).unwrap();
        let installed = Self { directory };
        installed.set(scenario);
        installed
    }

    fn set(&self, scenario: &Scenario) {
        scenario
            .write(
                &self
                    .directory
                    .path()
                    .join(format!("libnvidia-ml-scenario.so.{VERSION}")),
            )
            .unwrap();
    }

    fn library(&self) -> PathBuf {
        self.directory.path().join("libnvidia-ml.so.1")
    }

    fn init(&self) -> Result<Nvml, NvmlError> {
        Nvml::builder().lib_path(self.library().as_os_str()).init()
    }
}

/// The shared library that cargo built for this package, beside the test binary.
fn built() -> PathBuf {
    let directory = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    [directory.join("libnvidia_ml.so"), directory.join("../libnvidia_ml.so")]
        .into_iter()
        .find(|path| path.exists())
        .expect("cargo builds the cdylib with its tests")
}

fn two_h100() -> Scenario {
    Scenario::for_host("gpu-1", VERSION, "13.0", &[(ProfileName::H100, 2)])
}

#[test]
fn the_facts_of_a_scenario_are_read_back() {
    let mut scenario = two_h100();
    let sick = &mut scenario.gpus[1];
    sick.temperature_celsius = Some(91);
    sick.power = Some(Power {
        usage_milliwatts: 612_000,
        limit_milliwatts: 650_000,
    });
    sick.ecc = Some(Ecc {
        enabled: true,
        corrected_volatile: 3,
        uncorrected_volatile: 2,
    });
    sick.row_remapping = Some(RowRemapping {
        correctable: 1,
        uncorrectable: 4,
        pending: true,
        failed: false,
    });
    sick.pcie = Some(PcieLink {
        generation: 3,
        width: 8,
    });
    sick.recovery_action = Some(1);
    sick.processes = vec![Process {
        pid: 4711,
        memory_mib: 1024,
    }];
    let installed = Installed::with(&scenario);
    let nvml = installed.init().unwrap();

    assert_eq!(nvml.sys_driver_version().unwrap(), VERSION);
    assert_eq!(nvml.sys_nvml_version().unwrap(), "13.580.95.05");
    assert_eq!(nvml.sys_cuda_driver_version().unwrap(), 13_000);
    assert_eq!(nvml.device_count().unwrap(), 2);

    let gpu = nvml.device_by_index(1).unwrap();
    assert_eq!(gpu.name().unwrap(), "NVIDIA H100 80GB HBM3");
    assert_eq!(Some(gpu.uuid().unwrap()), scenario.gpus[1].uuid);
    assert_eq!(Some(gpu.serial().unwrap()), scenario.gpus[1].serial);
    assert_eq!(gpu.minor_number().unwrap(), 1);
    assert_eq!(gpu.index().unwrap(), 1);
    assert_eq!(format!("{:?}", gpu.architecture().unwrap()), "Hopper");
    let capability = gpu.cuda_compute_capability().unwrap();
    assert_eq!((capability.major, capability.minor), (9, 0));
    let pci = gpu.pci_info().unwrap();
    assert_eq!(
        (pci.bus_id.as_str(), pci.pci_device_id, pci.pci_sub_system_id),
        ("00000000:20:00.0", 0x2330_10de, Some(0x16c1_10de))
    );
    let memory = gpu.memory_info().unwrap();
    assert_eq!((memory.total, memory.used), (81_559 << 20, 1024 << 20));
    assert_eq!(gpu.temperature(TemperatureSensor::Gpu).unwrap(), 91);
    assert_eq!(
        (gpu.power_usage().unwrap(), gpu.enforced_power_limit().unwrap()),
        (612_000, 650_000)
    );
    assert!(gpu.is_ecc_enabled().unwrap().currently_enabled);
    assert_eq!(
        gpu.total_ecc_errors(MemoryError::Uncorrected, EccCounter::Volatile)
            .unwrap(),
        2
    );
    assert_eq!(
        (
            gpu.current_pcie_link_gen().unwrap(),
            gpu.current_pcie_link_width().unwrap()
        ),
        (3, 8)
    );
    assert_eq!(
        (gpu.max_pcie_link_gen().unwrap(), gpu.max_pcie_link_width().unwrap()),
        (5, 16)
    );
    assert_eq!(gpu.mig_mode().unwrap().current, 0);
    assert_eq!(
        gpu.running_compute_processes()
            .unwrap()
            .iter()
            .map(|process| process.pid)
            .collect::<Vec<_>>(),
        [4711]
    );
    let fields = gpu
        .field_values_for(&[FieldId(NVML_FI_DEV_GET_GPU_RECOVERY_ACTION), FieldId(143), FieldId(82)])
        .unwrap();
    let values: Vec<_> = fields
        .into_iter()
        .map(|field| field.and_then(|field| field.value))
        .collect();
    assert!(
        matches!(values[0], Ok(SampleValue::U32(1))),
        "recovery action: {:?}",
        values[0]
    );
    assert!(
        matches!(values[1], Ok(SampleValue::U32(4))),
        "rows remapped because of uncorrectable errors: {:?}",
        values[1]
    );
    assert!(
        matches!(values[2], Err(NvmlError::NotSupported)),
        "a field without a source: {:?}",
        values[2]
    );
    assert_eq!(
        nvml.device_by_uuid(scenario.gpus[0].uuid.clone().unwrap())
            .unwrap()
            .index()
            .unwrap(),
        0
    );
    assert_eq!(nvml.device_by_pci_bus_id("0000:20:00.0").unwrap().index().unwrap(), 1);
}

#[test]
fn what_a_profile_has_no_source_for_is_not_supported() {
    let installed = Installed::with(&Scenario::for_host(
        "gpu-3",
        VERSION,
        "13.0",
        &[(ProfileName::Rtx4000SffAda, 1)],
    ));
    let nvml = installed.init().unwrap();
    let gpu = nvml.device_by_index(0).unwrap();
    assert_eq!(gpu.name().unwrap(), "NVIDIA RTX 4000 SFF Ada Generation");
    assert!(!gpu.is_ecc_enabled().unwrap().currently_enabled);
    assert!(matches!(
        gpu.total_ecc_errors(MemoryError::Corrected, EccCounter::Volatile),
        Err(NvmlError::NotSupported)
    ));
    assert!(matches!(gpu.serial(), Err(NvmlError::NotSupported)));
    assert!(matches!(gpu.mig_mode(), Err(NvmlError::NotSupported)));
    assert!(matches!(gpu.brand(), Err(NvmlError::NotSupported)));
}

#[test]
fn a_running_client_sees_the_scenario_change_and_loses_its_gpu() {
    let mut scenario = two_h100();
    let installed = Installed::with(&scenario);
    let nvml = installed.init().unwrap();
    let gpu = nvml.device_by_index(0).unwrap();
    assert_eq!(gpu.temperature(TemperatureSensor::Gpu).unwrap(), 34);
    scenario.gpus[0].temperature_celsius = Some(88);
    installed.set(&scenario);
    assert_eq!(gpu.temperature(TemperatureSensor::Gpu).unwrap(), 88);

    scenario.gpus[0].lost = true;
    installed.set(&scenario);
    assert!(
        matches!(gpu.temperature(TemperatureSensor::Gpu), Err(NvmlError::GpuLost)),
        "its handle"
    );
    assert!(
        matches!(nvml.device_by_index(0), Err(NvmlError::GpuLost)),
        "finding it again"
    );
    assert_eq!(nvml.device_count().unwrap(), 2, "it still counts");
    assert_eq!(
        nvml.device_by_index(1).unwrap().minor_number().unwrap(),
        1,
        "the other one is well"
    );
}

#[test]
fn half_an_edit_leaves_the_last_good_scenario_in_force() {
    let installed = Installed::with(&two_h100());
    let nvml = installed.init().unwrap();
    std::fs::write(
        installed
            .directory
            .path()
            .join(format!("libnvidia-ml-scenario.so.{VERSION}")),
        "driver_version: 580\ngpus: [",
    )
    .unwrap();
    assert_eq!(nvml.device_count().unwrap(), 2);
}

#[test]
fn init_fails_with_the_code_of_the_scenario_and_without_a_scenario_as_without_a_driver() {
    let mut scenario = two_h100();
    scenario.init = Some(InitFailure { code: 18 });
    let installed = Installed::with(&scenario);
    assert!(matches!(installed.init(), Err(NvmlError::LibRmVersionMismatch)));
    scenario.init = None;
    installed.set(&scenario);
    installed.init().unwrap();

    let bare = Installed::with(&scenario);
    std::fs::remove_file(
        bare.directory
            .path()
            .join(format!("libnvidia-ml-scenario.so.{VERSION}")),
    )
    .unwrap();
    assert!(matches!(bare.init(), Err(NvmlError::DriverNotLoaded)));
}

#[test]
fn a_call_hangs_for_its_seconds_and_only_that_call() {
    let mut scenario = two_h100();
    scenario.gpus[0].hang = Some(Hang {
        call: "nvmlDeviceGetTemperature".to_owned().try_into().unwrap(),
        seconds: HangTime::For(1),
    });
    let installed = Installed::with(&scenario);
    let nvml = installed.init().unwrap();
    let gpu = nvml.device_by_index(0).unwrap();
    let since = Instant::now();
    gpu.name().unwrap();
    assert!(since.elapsed() < Duration::from_secs(1));
    assert_eq!(gpu.temperature(TemperatureSensor::Gpu).unwrap(), 34);
    assert!(
        since.elapsed() >= Duration::from_secs(1),
        "came back after {:?}",
        since.elapsed()
    );
}

#[test]
fn a_call_that_hangs_for_ever_comes_back_when_the_scenario_says_so() {
    let mut scenario = two_h100();
    scenario.gpus[1].hang = Some(Hang {
        call: "nvmlDeviceGetPowerUsage".to_owned().try_into().unwrap(),
        seconds: HangTime::Always(Forever::Forever),
    });
    let installed = Installed::with(&scenario);
    let nvml = installed.init().unwrap();
    std::thread::scope(|scope| {
        let (done, finished) = std::sync::mpsc::channel();
        let nvml = &nvml;
        scope.spawn(move || done.send(nvml.device_by_index(1).unwrap().power_usage()));
        assert!(finished.recv_timeout(Duration::from_millis(500)).is_err(), "it hangs");
        scenario.gpus[1].hang = None;
        installed.set(&scenario);
        assert_eq!(finished.recv_timeout(Duration::from_secs(10)).unwrap().unwrap(), 95_000);
    });
}

#[test]
fn an_xid_event_is_delivered_once_to_each_set_that_was_registered_before_it() {
    let mut scenario = two_h100();
    scenario.events = vec![XidEvent { id: 1, gpu: 0, xid: 31 }];
    let installed = Installed::with(&scenario);
    let nvml = installed.init().unwrap();
    let set = || {
        nvml.device_by_index(0)
            .unwrap()
            .register_events(EventTypes::CRITICAL_XID_ERROR, nvml.create_event_set().unwrap())
            .unwrap()
    };
    let sets = [set(), set()];
    scenario.events.push(XidEvent { id: 2, gpu: 0, xid: 79 });
    scenario.events.push(XidEvent { id: 3, gpu: 1, xid: 48 });
    installed.set(&scenario);
    for set in &sets {
        let event = set.wait(5000).unwrap();
        assert!(matches!(event.event_data, Some(XidError::Value(79))));
        assert_eq!(event.device.minor_number().unwrap(), 0);
        assert!(
            matches!(set.wait(0), Err(NvmlError::Timeout)),
            "neither twice, nor the one before it, nor another GPU's"
        );
    }
}

#[test]
fn a_struct_version_that_nvml_does_not_know_is_refused() {
    let installed = Installed::with(&two_h100());
    let nvml = installed.init().unwrap();
    let gpu = nvml.device_by_index(0).unwrap();
    assert_eq!(
        (
            size_of::<nvml_wrapper_sys::bindings::nvmlPciInfo_t>(),
            size_of::<nvml_wrapper_sys::bindings::nvmlMemory_v2_t>()
        ),
        (68, 40)
    );
    let symbol = nvml.lib().nvmlDeviceGetMemoryInfo_v2.as_ref().unwrap();
    let mut memory = nvml_wrapper_sys::bindings::nvmlMemory_v2_t {
        version: 0x28 | 3 << 24,
        total: 7,
        reserved: 7,
        free: 7,
        used: 7,
    };
    // SAFETY: a valid handle and a struct of the size that version 2 has.
    let code = unsafe { symbol(gpu.handle(), &raw mut memory) };
    assert_eq!((code, memory.total), (25, 7), "refused, and nothing written");
}

#[test]
fn the_library_exports_what_it_says_and_needs_libc_only() {
    let names = |arguments: &[&str]| {
        String::from_utf8(
            Command::new(arguments[0])
                .args(&arguments[1..])
                .arg(built())
                .output()
                .unwrap()
                .stdout,
        )
        .unwrap()
    };
    let table = names(&["nm", "-D", "--defined-only"]);
    let mut exported: Vec<&str> = table
        .lines()
        .filter_map(|line| line.split_whitespace().last())
        .filter(|name| name.starts_with("nvml"))
        .collect();
    exported.sort_unstable();
    assert_eq!(exported, SYMBOLS);
    // go-nvml ends the process when a symbol that it calls is missing: those of NVIDIA's plugin v0.19.1, GFD and nvidia-ctk v1.20.1.
    for needed in include_str!("go-nvml-symbols.txt").lines() {
        assert!(SYMBOLS.contains(&needed), "{needed}");
    }
    let dynamic = names(&["readelf", "-d"]);
    assert!(dynamic.contains("soname: [libnvidia-ml.so.1]"), "{dynamic}");
    for line in dynamic.lines().filter(|line| line.contains("(NEEDED)")) {
        assert!(
            ["libc.so.6", "ld-linux-x86-64.so.2", "libm.so.6"]
                .iter()
                .any(|library| line.contains(library)),
            "{line}"
        );
    }
}

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
