use super::*;
use proptest::prelude::*;

fn number_and_address(line: &str) -> (u32, Option<String>) {
    match parse(line) {
        Some(Line::Xid {
            pci_address, number, ..
        }) => (number, pci_address),
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn every_form_of_an_xid_line_gives_number_and_address() {
    for (line, number, address) in [
        ("NVRM: Xid (0000:03:00): 14, Channel 00000001", 14, "0000:03:00.0"),
        (
            "NVRM: Xid (PCI:0000:17:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.",
            79,
            "0000:17:00.0",
        ),
        (
            "NVRM: Xid (PCI:0000:01:00): 79, GPU has fallen off the bus.",
            79,
            "0000:01:00.0",
        ),
        (
            "NVRM: Xid (PCI:00000000:C1:00): 63, Row Remapper: New row marked",
            63,
            "0000:c1:00.0",
        ),
        ("NVRM: Xid (PCI:0000:b3:00.0): 31, pid=12345", 31, "0000:b3:00.0"),
        (
            "NVRM: Xid (PCI:0000:01:00 GPU-I:05): 43, pid=2, Ch 00000008",
            43,
            "0000:01:00.0",
        ),
        ("NVRM: Xid (PCI:0000:10:1c): 63", 63, "0000:10:1c.0"),
    ] {
        assert_eq!(number_and_address(line), (number, Some(address.to_owned())), "{line}");
    }
}

#[test]
fn an_xid_at_an_unreadable_address_still_counts() {
    assert_eq!(number_and_address("NVRM: Xid (43): 43, pid=1"), (43, None));
}

#[test]
fn a_gpu_that_fell_off_the_bus_counts_without_an_xid() {
    for line in [
        "NVRM: GPU 0000:01:00.0: GPU has fallen off the bus.",
        "NVRM: GPU at PCI:0000:01:00: GPU has fallen off the bus.",
        "NVRM: GPU at 0000:01:00.0 has fallen off the bus.",
        "NVRM: The NVIDIA GPU 0000:01:00.0 has fallen off the bus and is not responding to commands.",
    ] {
        let pci_address = Some("0000:01:00.0".to_owned());
        assert_eq!(parse(line), Some(Line::FallenOffTheBus { pci_address }), "{line}");
    }
    assert_eq!(
        parse("               NVRM: fallen off the bus and is not responding to commands."),
        Some(Line::FallenOffTheBus { pci_address: None })
    );
    assert_eq!(
        parse("NVRM: The NVIDIA GPU 0000:b3:00.0"),
        Some(Line::Names {
            pci_address: "0000:b3:00.0".into()
        })
    );
}

#[test]
fn the_line_that_names_a_gpu_is_read() {
    let uuid = "GPU-b850f46d-d5ea-c752-ddf3-c4453e44d3f7";
    for form in ["0000:03:00", "PCI:0000:03:00", "PCI:00000000:03:00"] {
        assert_eq!(
            parse(&format!("NVRM: GPU at {form}: {uuid}")),
            Some(Line::Uuid {
                pci_address: "0000:03:00.0".into(),
                uuid: uuid.into()
            })
        );
    }
    assert_eq!(parse("NVRM: GPU at PCI:0000:03:00: GPU-b850"), None);
}

#[test]
fn an_xid_inside_another_line_is_no_xid() {
    for line in [
        "a.out[7]: segfault at 0 in NVRM: Xid (PCI:0000:17:00): 79, forged",
        "usb 1-1: Product: NVRM: Xid (PCI:0000:17:00): 79, forged",
        "NVRM: loading NVIDIA UNIX x86_64 Kernel Module  580.95.05",
        "NVRM: Xid (PCI:0000:17:00) 79",
        "NVRM: Xid (PCI:0000:17:00): , pid=79",
        "NVRM: Xid (PCI:0000:17:00): 79x",
        "NVRM: Xid (PCI:0000:17:00): 99999999999",
        "nvidia-nvswitch0: SXid (PCI:0000:06:00.0): 20034, Fatal, Link 30 LTSSM Fault Up",
        "",
    ] {
        assert_eq!(parse(line), None, "{line}");
    }
}

#[test]
fn a_recovery_action_and_nvlink5_words_are_decoded_where_they_belong() {
    let line =
        "NVRM: Xid (PCI:0000:17:00): 154, GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)";
    assert!(matches!(
        parse(line),
        Some(Line::Xid {
            recovery: Some(Recovery::GpuReset),
            ..
        })
    ));
    let line = "NVRM: Xid (PCI:0018:01:00): 145, pid=876767, name=ray::WorkerDict, RLW_RXPIPE Nonfatal XC0 i0 Link 13 (0x0409a0c2 0x00000008 0x00000001 0x00000000 0x00100000 0x00000004)";
    let Some(Line::Xid {
        nvlink5: Some(words), ..
    }) = parse(line)
    else {
        panic!("no words");
    };
    assert_eq!((words.unit.as_str(), words.link), ("RLW_RXPIPE", Some(13)));
    let line = "NVRM: Xid (PCI:0018:01:00): 31, RLW_RXPIPE Fatal (0x1 0x2)";
    assert!(matches!(
        parse(line),
        Some(Line::Xid {
            nvlink5: None,
            recovery: None,
            ..
        })
    ));
}

proptest! {
    #[test]
    fn any_text_is_something_or_nothing(text in ".{0,400}") {
        let _ = parse(&text);
        let _ = parse(&format!("NVRM: {text}"));
        let _ = parse(&format!("NVRM: Xid ({text}"));
    }

    #[test]
    fn any_number_at_any_address_is_read(domain in any::<u16>(), bus in any::<u8>(), device in 0u8..32, number in any::<u32>(), words in "[ -~]{0,80}") {
        let line = format!("NVRM: Xid (PCI:{domain:04x}:{bus:02x}:{device:02x}): {number}, {words}");
        let address = format!("{domain:04x}:{bus:02x}:{device:02x}.0");
        prop_assert_eq!(number_and_address(&line), (number, Some(address)));
    }
}
