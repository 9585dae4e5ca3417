//! What a client reads of a GPU that is not well: every value that a check judges.

use nvidia_ml::Scenario;
use nvidia_ml::profiles::ProfileName;
use nvidia_ml::scenario::{
    Ecc, EccCounts, MarginTemperatures, MemoryPlace, RetiredPage, RetiredPages, SramEcc, TemperatureThresholds,
};
use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::enum_wrappers::device::{
    Clock, EccCounter, MemoryError, MemoryLocation, PerformanceState, RetirementCause, TemperatureThreshold,
};
use nvml_wrapper::error::NvmlError;
use nvml_wrapper_sys::bindings as sys;

use crate::installed::{Installed, VERSION, two_h100};
use crate::raw::{Raw, field, version_word};

#[test]
fn temperatures_with_their_thresholds_and_margins() {
    let mut scenario = two_h100();
    let gpu = &mut scenario.gpus[0];
    gpu.temperature_celsius = Some(90.into());
    gpu.memory_temperature_celsius = Some(97.into());
    gpu.temperature_thresholds = Some(TemperatureThresholds {
        shutdown: Some(95),
        slowdown: Some(87),
        ..TemperatureThresholds::default()
    });
    gpu.margin_temperatures = Some(MarginTemperatures {
        slowdown: Some(-2),
        ..MarginTemperatures::default()
    });
    scenario.gpus[1].temperature_margin_celsius = Some((-7).into());
    let installed = Installed::with(&scenario);
    let nvml = installed.init().unwrap();
    let gpu = nvml.device_by_index(0).unwrap();
    let at = |kind| gpu.temperature_threshold(kind);
    assert_eq!(
        (
            at(TemperatureThreshold::Shutdown).unwrap(),
            at(TemperatureThreshold::Slowdown).unwrap()
        ),
        (95, 87)
    );
    assert!(matches!(
        at(TemperatureThreshold::MemoryMax),
        Err(NvmlError::NotSupported)
    ));
    let raw = Raw::open(&installed);
    assert_eq!(
        raw.margin(0),
        Ok(-3),
        "what is left to the slowdown threshold, which is past"
    );
    assert_eq!(raw.margin(1), Ok(-7), "the scenario's own");
    assert_eq!(raw.field(0, field::MEMORY_TEMP, 0), Ok(97));
    assert_eq!(
        raw.field(0, field::TEMPERATURE_SLOWDOWN_TLIMIT, 0),
        Ok((-2_i32).cast_unsigned().into())
    );
}

#[test]
fn clocks_and_why_they_are_low_power_and_energy() {
    let mut scenario = Scenario::parse(
        &format!(
            "driver_version: {VERSION}\nnvml_version: 13.{VERSION}\ncuda_version: '13.0'\ngpus:\n- profile: h100-80gb-hbm3\n  \
             pci_address: '0000:18:00.0'\n  minor: 0\n  clocks: {{sm: 345, memory: 2619}}\n  clocks_event_reasons: 0x48\n  \
             clocks_event_nanoseconds: {{hardware_thermal_slowdown: 5000000}}\n  performance_state: 8\n  energy_millijoules: 12345678901\n  \
             utilization: {{gpu_percent: 97, memory_percent: 40}}\n  vbios_version: 96.00.89.00.01\n  persistence_mode: false\n"
        ),
        std::path::Path::new("s"),
    )
    .unwrap();
    let installed = Installed::with(&scenario);
    let nvml = installed.init().unwrap();
    let gpu = nvml.device_by_index(0).unwrap();
    assert_eq!(
        (
            gpu.clock_info(Clock::SM).unwrap(),
            gpu.clock_info(Clock::Memory).unwrap()
        ),
        (345, 2619)
    );
    assert_eq!(
        gpu.current_throttle_reasons().unwrap(),
        ThrottleReasons::HW_SLOWDOWN | ThrottleReasons::HW_THERMAL_SLOWDOWN
    );
    assert_eq!(gpu.performance_state().unwrap(), PerformanceState::Eight);
    assert_eq!(gpu.total_energy_consumption().unwrap(), 12_345_678_901);
    let rates = gpu.utilization_rates().unwrap();
    assert_eq!((rates.gpu, rates.memory), (97, 40));
    assert_eq!(gpu.vbios_version().unwrap(), "96.00.89.00.01");
    let raw = Raw::open(&installed);
    assert_eq!(raw.clocks_event_reasons(0), Ok(0x48), "the call's newer name");
    assert_eq!(raw.persistence_mode(0), Ok(0));
    assert_eq!(raw.field(0, field::HW_THERMAL_SLOWDOWN, 0), Ok(5_000_000));
    assert_eq!(raw.field(0, field::TOTAL_ENERGY, 0), Ok(12_345_678_901));
    scenario.gpus[0].persistence_mode = Some(true);
    scenario.gpus[0].clocks_event_reasons = Some(1.into());
    installed.set(&scenario);
    assert_eq!(
        (raw.persistence_mode(0), raw.clocks_event_reasons(0)),
        (Ok(1), Ok(1)),
        "while the client runs"
    );
}

#[test]
fn ecc_by_place_of_a_life_and_of_on_chip_memory() {
    let mut scenario = two_h100();
    scenario.gpus[0].ecc = Some(Ecc {
        corrected_volatile: 9.into(),
        uncorrected_volatile: 2.into(),
        uncorrected_aggregate: 5.into(),
        pending: Some(false),
        places: [(
            MemoryPlace::Sram,
            EccCounts {
                uncorrected_volatile: 2,
                uncorrected_aggregate: 4,
                ..EccCounts::default()
            },
        )]
        .into(),
        ..Ecc::clean(true)
    });
    scenario.gpus[0].sram_ecc = Some(SramEcc {
        threshold_exceeded: true,
        parity_volatile: 2,
        parity_aggregate: 4,
        ..SramEcc::default()
    });
    let installed = Installed::with(&scenario);
    let nvml = installed.init().unwrap();
    let gpu = nvml.device_by_index(0).unwrap();
    let mode = gpu.is_ecc_enabled().unwrap();
    assert!(mode.currently_enabled && !mode.pending_enabled);
    let total = |kind, life| gpu.total_ecc_errors(kind, life).unwrap();
    assert_eq!(
        [
            total(MemoryError::Corrected, EccCounter::Volatile),
            total(MemoryError::Uncorrected, EccCounter::Volatile),
            total(MemoryError::Corrected, EccCounter::Aggregate),
            total(MemoryError::Uncorrected, EccCounter::Aggregate),
        ],
        [9, 2, 0, 5]
    );
    let at = |place| gpu.memory_error_counter(MemoryError::Uncorrected, EccCounter::Aggregate, place);
    assert_eq!(at(MemoryLocation::SRAM).unwrap(), 4);
    assert!(
        matches!(at(MemoryLocation::Cbu), Err(NvmlError::NotSupported)),
        "a place that the scenario does not name"
    );
    let raw = Raw::open(&installed);
    let status = raw
        .sram_ecc(0, version_word::<sys::nvmlEccSramErrorStatus_v1_t>(1))
        .unwrap();
    assert_eq!(
        (
            status.bThresholdExceeded,
            status.volatileUncParity,
            status.aggregateUncParity,
            status.aggregateCor
        ),
        (1, 2, 4, 0)
    );
    assert_eq!(
        raw.sram_ecc(0, version_word::<sys::nvmlEccSramErrorStatus_v1_t>(2))
            .unwrap_err(),
        25,
        "a version that there is none of"
    );
    assert_eq!(
        [3, 4, 5, 6].map(|number| raw.field(0, number, 0)),
        [Ok(9), Ok(2), Ok(0), Ok(5)],
        "the same totals as fields"
    );
}

#[test]
fn a_gpu_that_retires_pages_remaps_no_rows() {
    let mut scenario = two_h100();
    let page = |address| RetiredPage {
        address,
        at: 1_763_000_000,
    };
    scenario.gpus[0].retired_pages = Some(RetiredPages {
        single_bit: vec![page(0x2f000), page(0x30000)],
        double_bit: vec![page(0x51000)],
        pending: true,
    });
    scenario.gpus[0].inforom_valid = Some(false);
    scenario.gpus[0].pcie_replays = Some(4000.into());
    let installed = Installed::with(&scenario);
    let nvml = installed.init().unwrap();
    let gpu = nvml.device_by_index(0).unwrap();
    let pages = gpu.retired_pages(RetirementCause::MultipleSingleBitEccErrors).unwrap();
    assert_eq!(
        pages
            .iter()
            .map(|page| (page.address, page.timestamp))
            .collect::<Vec<_>>(),
        [(0x2f000, 1_763_000_000), (0x30000, 1_763_000_000)]
    );
    assert!(gpu.are_pages_pending_retired().unwrap());
    assert_eq!(gpu.pcie_replay_counter().unwrap(), 4000);
    assert!(matches!(gpu.validate_info_rom(), Err(NvmlError::CorruptedInfoROM)));
    let raw = Raw::open(&installed);
    assert_eq!(
        [29, 30, 31, 94, 95, field::REMAPPED_COR].map(|number| raw.field(0, number, 0)),
        [Ok(2), Ok(1), Ok(1), Ok(4000), Ok(0), Err(3)]
    );
    let well = nvml.device_by_index(1).unwrap();
    assert!(
        matches!(
            well.retired_pages(RetirementCause::DoubleBitEccError),
            Err(NvmlError::NotSupported)
        ),
        "a GPU that remaps rows retires no pages"
    );
    assert_eq!(raw.field(1, field::REMAPPED_COR, 0), Ok(0));
}

#[test]
fn a_field_fails_by_itself_and_the_call_succeeds() {
    let mut scenario = two_h100();
    scenario.gpus[0].field_returns = [(field::REMAPPED_COR, 15), (field::POWER_INSTANT, 999)].into();
    let installed = Installed::with(&scenario);
    let nvml = installed.init().unwrap();
    nvml.device_by_index(0).unwrap().power_usage().unwrap();
    let raw = Raw::open(&installed);
    assert_eq!(
        [field::REMAPPED_COR, field::POWER_INSTANT, field::POWER_AVERAGE].map(|number| raw.field(0, number, 0)),
        [Err(15), Err(999), Ok(95_000)]
    );
}

#[test]
fn what_the_scenario_and_the_profile_say_nothing_of_is_not_supported() {
    let installed = Installed::with(&Scenario::for_host(
        "gpu-3",
        VERSION,
        "13.0",
        &[(ProfileName::Rtx4000SffAda, 1)],
    ));
    let nvml = installed.init().unwrap();
    nvml.device_count().unwrap();
    let raw = Raw::open(&installed);
    assert_eq!(
        (raw.clocks_event_reasons(0), raw.margin(0), raw.fabric(0).map(|_| ())),
        (Err(3), Err(3), Err(3))
    );
    assert_eq!(
        [field::MEMORY_TEMP, field::TOTAL_ENERGY, field::LINK_COUNT, 161].map(|number| raw.field(0, number, 0)),
        [Err(3); 4]
    );
}
