//! The process that owns NVML, asked over its socket as the agent's daemon does: one session through many passes, every value
//! of a sick GPU, events between passes, an older library, a call that hangs. The library is the simulated one.

#![allow(clippy::expect_used, clippy::panic, reason = "test helpers stand outside #[test]")]

use bedplate_protocol::facts::{FabricFacts, GpuFacts, RetiredPages};
use bedplate_tests::built::program;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const DRIVER: &str = "580.95.05";
const SOON: Duration = Duration::from_mins(1);

/// A folder with the library and its scenario.
struct Nvml(tempfile::TempDir);

impl Nvml {
    fn new(scenario: &str) -> Self {
        let nvml = Self(tempfile::tempdir().expect("a folder can be made"));
        nvml.set(scenario);
        std::fs::copy(program("libnvidia_ml.so"), nvml.library()).expect("the library can be copied");
        nvml
    }

    fn library(&self) -> PathBuf {
        self.0.path().join(format!("libnvidia-ml.so.{DRIVER}"))
    }

    /// Another scenario, in one step: the library reads it at each call.
    fn set(&self, scenario: &str) {
        let path = self.0.path().join(format!("libnvidia-ml-scenario.so.{DRIVER}"));
        let text = format!("driver_version: {DRIVER}\nnvml_version: 13.{DRIVER}\ncuda_version: '13.0'\n{scenario}");
        let new = path.with_extension("new");
        std::fs::write(&new, text).expect("the scenario can be written");
        std::fs::rename(new, path).expect("the scenario can be replaced");
    }

    /// An older library, that does not export these: their names in the file are changed, so that no lookup finds them.
    fn without(&self, symbols: &[&str]) {
        let mut bytes = std::fs::read(self.library()).expect("the library can be read");
        for symbol in symbols {
            let name = format!("\0{symbol}\0").into_bytes();
            let mut found = 0;
            for place in 0..bytes.len() - name.len() {
                if bytes[place..].starts_with(&name) {
                    bytes[place + 1] = b'x';
                    found += 1;
                }
            }
            assert!(found > 0, "the library has no {symbol}");
        }
        std::fs::write(self.library(), bytes).expect("the library can be written");
    }
}

/// A running worker.
struct Worker {
    child: Child,
    socket: UnixStream,
    lines: BufReader<UnixStream>,
}

impl Worker {
    fn start(nvml: &Nvml) -> Self {
        Self::of(Command::new(program("bedplate-agent")), nvml)
    }

    fn of(mut command: Command, nvml: &Nvml) -> Self {
        let (socket, theirs) = UnixStream::pair().expect("sockets can be made");
        socket.set_read_timeout(Some(SOON)).expect("a socket has a timeout");
        let page = File::create(nvml.0.path().join("page")).expect("a file can be made");
        let child = command
            .args(["nvml-worker", "--library"])
            .arg(nvml.library())
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(page)
            .spawn()
            .expect("the agent starts");
        let lines = BufReader::new(socket.try_clone().expect("a socket can be shared"));
        Self { child, socket, lines }
    }

    fn ask(&mut self, request: &Value) {
        writeln!(self.socket, "{request}").expect("the worker reads");
    }

    fn line(&mut self) -> Value {
        let mut text = String::new();
        self.lines.read_line(&mut text).expect("the worker answers in time");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
    }

    /// A pass that watches events, without those that come in between.
    fn pass(&mut self) -> Vec<GpuFacts> {
        self.ask(&json!({"request": "pass", "asleep": [], "awake": [], "watch": true}));
        self.answers()
    }

    fn answers(&mut self) -> Vec<GpuFacts> {
        let mut gpus = Vec::new();
        loop {
            let mut line = self.line();
            match line["line"].as_str() {
                Some("gpu") => gpus.push(serde_json::from_value(line["gpu"].take()).expect("a GPU's facts")),
                Some("done") => return gpus,
                Some("system" | "event") => {}
                _ => panic!("{line}"),
            }
        }
    }

    /// Closes the socket; whether the worker ends well by itself.
    fn ends(mut self) -> bool {
        self.socket
            .shutdown(std::net::Shutdown::Both)
            .expect("the socket is open");
        let expiry = Instant::now() + SOON;
        while Instant::now() < expiry {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status.success();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // A failed test leaves no worker behind; one that has ended is no error.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const HEALTHY: &str = "gpus:\n- {profile: h100-80gb-hbm3, pci_address: '0000:18:00.0', minor: 0}\n";

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
        assert_eq!(line["line"], "event", "{line}");
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
fn a_call_that_hangs_is_named_in_the_page_and_the_end_of_the_socket_ends_the_worker_after_it() {
    let hang = HEALTHY.replace(
        "minor: 0",
        "minor: 0, hang: {call: nvmlDeviceGetTemperature, seconds: forever}",
    );
    let nvml = Nvml::new(&hang);
    let mut worker = Worker::start(&nvml);
    worker.ask(&json!({"request": "pass", "asleep": [], "awake": [], "watch": false}));
    let named =
        |page: &Path| String::from_utf8_lossy(&std::fs::read(page).unwrap()).contains("nvmlDeviceGetTemperature(0)");
    let expiry = Instant::now() + SOON;
    while !named(&nvml.0.path().join("page")) {
        assert!(Instant::now() < expiry, "the call is not announced");
        std::thread::sleep(Duration::from_millis(10));
    }
    nvml.set(HEALTHY);
    assert_eq!(worker.answers()[0].errors, [], "it comes back and the pass goes on");
    assert!(worker.ends());
}

#[test]
fn valgrind_finds_no_wrong_access_in_a_pass_over_sick_gpus() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("skipped: valgrind is not installed (apt-get install valgrind)");
        return;
    }
    let nvml = Nvml::new(SICK);
    let log = nvml.0.path().join("valgrind.log");
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
