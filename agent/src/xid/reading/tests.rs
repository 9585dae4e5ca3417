use super::*;
use jiff::Timestamp;
use proptest::prelude::*;

const H100: Gpu<'_> = Gpu {
    architecture: Some("hopper"),
    name: Some("NVIDIA H100 80GB HBM3"),
    driver: Some("580.95.05"),
};

fn event(number: u32) -> XidEvent {
    XidEvent::of_nvml(Timestamp::UNIX_EPOCH, Some("0000:17:00.0"), number)
}

fn on(architecture: &'static str, name: &'static str) -> Gpu<'static> {
    Gpu {
        architecture: Some(architecture),
        name: Some(name),
        driver: Some("580.95.05"),
    }
}

#[test]
fn the_catalogue_says_what_to_do() {
    for (number, severity, action) in [
        (13, Severity::App, Some(RecommendedAction::RestartApp)),
        (43, Severity::App, None),
        (48, Severity::Fatal, Some(RecommendedAction::ResetGpu)),
        (63, Severity::Warn, None),
        (79, Severity::Fatal, Some(RecommendedAction::Reboot)),
        (119, Severity::Fatal, Some(RecommendedAction::ResetGpu)),
    ] {
        let reading = reading(&event(number), H100, None);
        assert_eq!((reading.severity, reading.action), (severity, action), "XID {number}");
    }
}

#[test]
fn a_gpu_that_fell_off_the_bus_reads_as_xid_79_though_nobody_knows_its_architecture() {
    let mut event = event(0);
    event.xid = Xid::FallenOffTheBus;
    let reading = reading(&event, Gpu::default(), None);
    assert_eq!(
        (reading.severity, reading.action),
        (Severity::Fatal, Some(RecommendedAction::Reboot))
    );
}

#[test]
fn an_xid_without_a_row_is_a_warning_and_never_an_all_clear() {
    for (number, gpu, basis) in [
        (999, H100, Basis::NotCovered),
        (61, H100, Basis::Unused),
        (79, on("turing", "Tesla T4"), Basis::NotCovered),
    ] {
        let reading = reading(&event(number), gpu, None);
        assert_eq!(
            (reading.severity, reading.action, reading.basis),
            (Severity::Warn, None, basis),
            "XID {number}"
        );
    }
}

#[test]
fn a_row_counts_only_on_the_products_it_applies_to() {
    let covered = |number, gpu| matches!(reading(&event(number), gpu, None).basis, Basis::Row(_));
    assert!(covered(74, on("ampere", "NVIDIA A100")) && covered(74, H100));
    assert!(!covered(74, on("blackwell", "NVIDIA B200")));
    assert!(covered(121, on("blackwell", "NVIDIA GB200")) && !covered(121, on("blackwell", "NVIDIA B200")));
    assert!(!covered(121, H100));
    assert!(covered(149, on("blackwell", "NVIDIA GB300")) && !covered(149, H100));
    // Ada has no column: what is of Ampere and of Hopper is of Ada, what is of one of them is not.
    assert!(covered(79, on("ada", "NVIDIA L4")) && !covered(136, on("ada", "NVIDIA L4")));
    assert!(!covered(93, on("ada", "NVIDIA L4")) && covered(93, on("ampere", "NVIDIA A100")));
}

#[test]
fn the_drivers_own_demand_goes_before_the_catalogue() {
    let reading = |number, said| reading(&event(number), H100, said);
    assert_eq!(
        reading(79, Some(Recovery::GpuReset)).action,
        Some(RecommendedAction::ResetGpu)
    );
    assert_eq!(
        reading(94, Some(Recovery::NodeReboot)).action,
        Some(RecommendedAction::Reboot)
    );
    assert_eq!(
        reading(999, Some(Recovery::Unknown(42))).action,
        Some(RecommendedAction::Service)
    );
    assert_eq!(reading(79, Some(Recovery::GpuReset)).severity, Severity::Fatal);
}

#[test]
fn nothing_to_do_is_believed_only_where_this_driver_would_have_said_something() {
    // 95 goes with XID 154 from R565 on; 46 never does.
    assert_eq!(reading(&event(95), H100, Some(Recovery::None)).severity, Severity::Info);
    assert_eq!(
        reading(&event(46), H100, Some(Recovery::None)).severity,
        Severity::Fatal
    );
    let old = Gpu {
        driver: Some("550.90.07"),
        ..H100
    };
    assert_eq!(reading(&event(95), old, Some(Recovery::None)).severity, Severity::Fatal);
    let unknown = Gpu { driver: None, ..H100 };
    assert_eq!(
        reading(&event(95), unknown, Some(Recovery::None)).severity,
        Severity::Fatal
    );
}

#[test]
fn xid_154_is_what_it_says() {
    let mut event = event(154);
    event.recovery = Some(Recovery::NodeReboot);
    let demand = reading(&event, H100, None);
    assert_eq!(
        (demand.severity, demand.action),
        (Severity::Fatal, Some(RecommendedAction::Reboot))
    );
    event.recovery = Some(Recovery::None);
    let over = reading(&event, H100, None);
    assert_eq!((over.severity, over.action), (Severity::Info, None));
}

#[test]
fn the_last_word_of_the_driver_about_this_gpu_counts() {
    let at = |second, address, recovery| {
        let mut event = XidEvent::of_nvml(Timestamp::from_second(second).unwrap(), Some(address), 154);
        event.recovery = Some(recovery);
        event
    };
    let events = [
        at(10, "0000:17:00", Recovery::GpuReset),
        at(30, "0000:17:00", Recovery::None),
        at(40, "0000:65:00", Recovery::NodeReboot),
    ];
    assert_eq!(
        said(&events, "0000:17:00.0").map(|(recovery, _)| recovery),
        Some(Recovery::None)
    );
    assert_eq!(said(&events, "0000:c1:00.0"), None);
}

#[test]
fn nvlink5_is_decoded_where_there_is_a_row_and_read_by_the_drivers_word_where_not() {
    let blackwell = on("blackwell", "NVIDIA B200");
    let of = |text: &str| {
        let mut event = event(145);
        event.nvlink5 = super::super::nvlink5::Words::in_text(text);
        reading(&event, blackwell, None)
    };
    let ignored = of(", RLW_RXPIPE Nonfatal XC0 i0 Link 13 (0x0409a0c2 0x00000008 0x1)");
    assert_eq!((ignored.severity, ignored.action), (Severity::Info, None));
    assert!(matches!(ignored.basis, Basis::Rule(_)));
    let fatal = of(", RLW_SRC_TRACK Fatal XC0 i0 Link 1 (0x000000e2 0x00000010)");
    assert_eq!(
        (fatal.severity, fatal.action),
        (Severity::Fatal, Some(RecommendedAction::ResetGpu))
    );
    let new = of(", RLW_NEW Fatal XC0 i0 Link 1 (0x00000082 0x00000001)");
    assert_eq!((new.basis, new.severity), (Basis::DriversWord, Severity::Fatal));
    let raw = of(", RLW_NEW Nonfatal XC0 i0 Link 1 (0x00000082 0x00000001)");
    assert_eq!(raw.severity, Severity::Warn);
}

proptest! {
    #[test]
    fn no_number_on_any_gpu_reads_as_harmless_without_a_row(number in any::<u32>(), architecture in prop::option::of("[a-z]{1,9}"), driver in prop::option::of("[0-9.]{0,9}")) {
        let gpu = Gpu { architecture: architecture.as_deref(), name: None, driver: driver.as_deref() };
        let reading = reading(&event(number), gpu, None);
        if !matches!(reading.basis, Basis::Row(_)) {
            prop_assert_eq!(reading.severity, Severity::Warn);
        }
        prop_assert!(reading.severity != Severity::Fatal || reading.action.is_some());
        prop_assert!(!reading.meaning().is_empty());
    }
}
