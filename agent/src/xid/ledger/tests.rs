use super::*;
use proptest::prelude::*;

const UUID: &str = "GPU-b850f46d-d5ea-c752-ddf3-c4453e44d3f7";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + seconds).unwrap()
}

fn logged(sequence: u64, seconds: i64, address: &str, xid: Xid) -> XidEvent {
    XidEvent {
        source: Source::KernelLog,
        sequence: Some(sequence),
        xid,
        line: format!("record {sequence}"),
        ..XidEvent::of_nvml(at(seconds), Some(address), 0)
    }
}

fn nvml(seconds: i64, address: &str, number: u32) -> XidEvent {
    XidEvent::of_nvml(at(seconds), Some(address), number)
}

const GPU: &str = "0000:17:00.0";

#[test]
fn one_incident_in_three_reports_counts_once_in_any_order() {
    let reports = [
        logged(1, 0, GPU, Xid::Number(79)),
        logged(2, 0, GPU, Xid::FallenOffTheBus),
        nvml(3, "00000000:17:00.0", 79),
    ];
    for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0], [2, 1, 0]] {
        let mut ledger = Ledger::new("boot");
        // Records keep their order; the event of NVML comes at any time.
        let mut events: Vec<XidEvent> = order.iter().map(|place| reports[*place].clone()).collect();
        for (sequence, event) in (1..).zip(events.iter_mut().filter(|event| event.sequence.is_some())) {
            event.sequence = Some(sequence);
        }
        let new: Vec<bool> = events.into_iter().map(|event| ledger.observe(event)).collect();
        assert_eq!(new, [true, false, false], "{order:?}");
        let counts = ledger.counts();
        assert_eq!((counts.len(), counts[0].total, counts[0].xid), (1, 1, 79));
        let event = &ledger.present()[0];
        assert_eq!(
            (event.source, event.xid),
            (Source::KernelLog, Xid::Number(79)),
            "the line that says most is kept"
        );
    }
}

#[test]
fn two_records_are_two_incidents_and_so_is_a_report_long_after() {
    let mut ledger = Ledger::new("boot");
    assert!(ledger.observe(logged(1, 0, GPU, Xid::Number(31))));
    assert!(ledger.observe(logged(2, 0, GPU, Xid::Number(31))));
    assert!(!ledger.observe(nvml(1, GPU, 31)));
    assert!(!ledger.observe(nvml(1, GPU, 31)));
    assert!(ledger.observe(nvml(1, GPU, 31)));
    assert!(ledger.observe(nvml(3600, GPU, 31)));
    assert!(
        ledger.observe(nvml(1, "0000:65:00.0", 31)),
        "another GPU is another incident"
    );
    let count = &ledger.counts()[0];
    assert_eq!((count.total, count.first_seen, count.last_seen), (4, at(0), at(3600)));
}

#[test]
fn a_log_that_is_read_again_counts_nothing_twice() {
    let mut ledger = Ledger::new("boot");
    let records = [logged(5, 0, GPU, Xid::Number(13)), logged(9, 40, GPU, Xid::Number(13))];
    for event in records.clone() {
        ledger.observe(event);
    }
    let mut again: Ledger = serde_json::from_slice(&serde_json::to_vec(&ledger).unwrap()).unwrap();
    again = again.in_boot("boot");
    for event in records {
        assert!(!again.observe(event));
    }
    assert!(again.observe(logged(10, 80, GPU, Xid::Number(13))));
    assert_eq!(again.counts()[0].total, 3);
}

#[test]
fn an_earlier_boot_stays_counted_and_is_no_present_fault() {
    let mut ledger = Ledger::new("boot");
    ledger.observe(logged(500, 0, GPU, Xid::Number(79)));
    let mut ledger = ledger.in_boot("next boot");
    assert_eq!(ledger.present(), []);
    assert_eq!((ledger.counts()[0].total, ledger.counts()[0].this_boot), (1, 0));
    // Numbers of records begin anew.
    assert!(ledger.observe(logged(3, 100, GPU, Xid::Number(79))));
    assert_eq!(ledger.present().len(), 1);
    assert_eq!((ledger.counts()[0].total, ledger.counts()[0].this_boot), (2, 1));
}

#[test]
fn a_gpu_that_gets_its_name_later_keeps_what_was_counted() {
    let mut ledger = Ledger::new("boot");
    ledger.observe(logged(1, 0, GPU, Xid::Number(13)));
    ledger.learn(GPU, UUID);
    assert_eq!(ledger.present()[0].uuid.as_deref(), Some(UUID));
    ledger.observe(logged(2, 60, GPU, Xid::Number(13)));
    let counts = ledger.counts();
    assert_eq!(
        (counts.len(), counts[0].total, counts[0].uuid.as_deref()),
        (1, 2, Some(UUID))
    );
    // In the next boot it sits in another slot, and the log names the slot before NVML names the GPU.
    let mut ledger = ledger.in_boot("next boot");
    ledger.observe(logged(1, 600, "0000:65:00.0", Xid::Number(13)));
    assert_eq!(ledger.counts().len(), 2);
    ledger.learn("0000:65:00.0", UUID);
    let counts = ledger.counts();
    assert_eq!((counts.len(), counts[0].total, counts[0].this_boot), (1, 3, 1));
    assert_eq!(counts[0].pci_address.as_deref(), Some("0000:65:00.0"));
    assert_eq!(ledger.present().len(), 1);
}

#[test]
fn a_card_that_was_changed_between_boots_does_not_inherit() {
    let mut ledger = Ledger::new("boot");
    ledger.learn(GPU, UUID);
    ledger.observe(logged(1, 0, GPU, Xid::Number(48)));
    let ledger_file = serde_json::to_vec(&ledger).unwrap();
    let mut ledger = serde_json::from_slice::<Ledger>(&ledger_file)
        .unwrap()
        .in_boot("next boot");
    ledger.observe(logged(1, 900, GPU, Xid::Number(48)));
    ledger.learn(GPU, "GPU-00000000-0000-0000-0000-000000000002");
    let totals: Vec<u64> = ledger.counts().iter().map(|count| count.total).collect();
    assert_eq!(totals, [1, 1]);
}

#[test]
fn what_nobody_has_room_for_is_forgotten_oldest_first_and_told() {
    let mut ledger = Ledger::new("boot");
    for number in 0..COUNTS + 5 {
        let (seconds, xid) = (i64::try_from(number).unwrap(), u32::try_from(number).unwrap());
        ledger.observe(nvml(seconds * 60, GPU, 10_000 + xid));
    }
    assert_eq!(ledger.counts().len(), COUNTS);
    assert_eq!(ledger.forgotten(), 5);
    assert_eq!(ledger.counts()[0].xid, 10_005);
}

#[test]
fn ten_thousand_lines_a_second_grow_nothing() {
    let mut ledger = Ledger::new("boot");
    let mut sizes = Vec::new();
    for second in 0..20_u64 {
        for line in 0..10_000_u64 {
            let mut event = logged(
                second * 10_000 + line + 1,
                i64::try_from(second).unwrap(),
                GPU,
                Xid::Number(31),
            );
            event.line = "x".repeat(XidEvent::LINE);
            ledger.observe(event);
        }
        sizes.push(serde_json::to_vec(&ledger).unwrap().len());
    }
    assert_eq!(ledger.counts()[0].total, 200_000);
    // Digits of numbers may become more.
    assert!(sizes[19] <= sizes[0] + 16, "{sizes:?}");
}

proptest! {
    #[test]
    fn counts_never_exceed_reports_and_never_miss_a_kind(reports in proptest::collection::vec((0u8..3, 0i64..120, 0u8..2, 0u8..3), 1..80)) {
        let mut ledger = Ledger::new("boot");
        let mut kinds = std::collections::BTreeMap::new();
        for (sequence, (kind, seconds, slot, number)) in (1..).zip(&reports) {
            let address = if *slot == 0 { GPU } else { "0000:65:00.0" };
            let number = [31, 48, 79][usize::from(*number)];
            let event = match kind {
                0 => logged(sequence, *seconds, address, Xid::Number(number)),
                1 => logged(sequence, *seconds, address, Xid::FallenOffTheBus),
                _ => nvml(*seconds, address, number),
            };
            *kinds.entry((address, event.xid.number())).or_insert_with(std::collections::BTreeMap::new).entry(*kind).or_insert(0_u64) += 1;
            ledger.observe(event);
        }
        let total: u64 = ledger.counts().iter().map(|count| count.total).sum();
        prop_assert!(total <= reports.len() as u64);
        for ((address, xid), kinds) in kinds {
            let count = ledger.counts().into_iter().find(|count| count.xid == xid && count.pci_address.as_deref() == Some(address)).unwrap();
            // Each kind of report says an incident once, so there are at least as many incidents as reports of one kind.
            prop_assert!(count.total >= *kinds.values().max().unwrap());
            prop_assert!(count.first_seen <= count.last_seen);
        }
    }
}

#[test]
fn a_log_that_names_gpus_without_end_is_believed_about_the_first_and_about_those_that_a_pass_has_seen() {
    let mut ledger = Ledger::new("boot");
    for place in 0..100_000_u64 {
        let address = format!("{:04x}:{:02x}:{:02x}.0", place / 8192, place % 256, place / 256 % 32);
        ledger.observe(logged(
            place + 1,
            0,
            &address,
            Xid::Number(u32::try_from(place % 997).unwrap()),
        ));
    }
    let named = |ledger: &Ledger| -> BTreeSet<String> {
        ledger
            .present()
            .iter()
            .filter_map(|event| event.gpu().map(str::to_owned))
            .collect()
    };
    assert!(named(&ledger).len() <= GPUS && !named(&ledger).is_empty());
    assert!(ledger.counts().len() <= COUNTS);
    let total: u64 = ledger.counts().iter().map(|count| count.total).sum();
    assert_eq!(total + ledger.forgotten(), 100_000, "each is counted");

    ledger.learn("0000:fe:00.0", UUID);
    ledger.observe(logged(200_000, 0, "0000:fe:00.0", Xid::Number(79)));
    assert!(named(&ledger).contains(UUID));
    let mut again: Ledger = serde_json::from_slice(&serde_json::to_vec(&ledger).unwrap()).unwrap();
    again = again.in_boot("boot");
    again.observe(logged(200_001, 0, "0001:fd:00.0", Xid::Number(79)));
    assert!(named(&again).len() <= GPUS + 1, "a restart makes no room");
}
