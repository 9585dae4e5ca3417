//! `NVLink` and the fabric behind it.

use nvidia_ml::scenario::{Fabric, NvLink, Remote, RemoteDevice};
use nvml_wrapper::enum_wrappers::nv_link::ErrorCounter;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper_sys::bindings as sys;

use crate::installed::{Installed, two_h100};
use crate::raw::{Raw, field, version_word};

#[test]
fn links_by_call_and_by_field_and_the_fabric_in_each_version() {
    let mut scenario = two_h100();
    let link = |active| NvLink::clean(active);
    scenario.gpus[0].nvlinks = Some(vec![
        NvLink {
            replays: 3.into(),
            crc_errors: 7.into(),
            remote: Some(Remote {
                pci_address: "0000:05:00.0".parse().unwrap(),
                device: RemoteDevice::Switch,
            }),
            ..link(true)
        },
        NvLink {
            recoveries: 2.into(),
            ..link(false)
        },
    ]);
    scenario.gpus[0].fabric = Some(Fabric {
        state: 3,
        status: 999,
        clique: 7,
        cluster_uuid: Some("00112233-4455-6677-8899-aabbccddeeff".to_owned()),
        health_mask: 0x15,
        health_summary: 2,
    });
    scenario.gpus[1].nvlinks = Some(Vec::new());
    let installed = Installed::with(&scenario);
    let nvml = installed.init().unwrap();
    let gpu = nvml.device_by_index(0).unwrap();
    let [first, second] = [0, 1].map(|number| gpu.link_wrapper_for(number));
    assert!(first.is_active().unwrap() && !second.is_active().unwrap());
    assert_eq!(first.error_counter(ErrorCounter::DlReplay).unwrap(), 3);
    assert_eq!(second.error_counter(ErrorCounter::DlRecovery).unwrap(), 2);
    assert_eq!(first.remote_pci_info().unwrap().bus_id, "00000000:05:00.0");
    assert!(matches!(second.remote_pci_info(), Err(NvmlError::NotSupported)));
    assert!(matches!(
        gpu.link_wrapper_for(2).is_active(),
        Err(NvmlError::InvalidArg)
    ));
    assert!(
        matches!(
            nvml.device_by_index(1).unwrap().link_wrapper_for(0).is_active(),
            Err(NvmlError::NotSupported)
        ),
        "a GPU without links"
    );
    let raw = Raw::open(&installed);
    let fields = |scope| [161, 162, 163, 165].map(|number| raw.field(0, number, scope));
    assert_eq!(fields(0), [Ok(3), Ok(0), Ok(7), Ok(1)]);
    assert_eq!(fields(1), [Ok(0), Ok(2), Ok(0), Ok(0)]);
    assert_eq!(fields(2), [Err(2); 4], "there is no third link");
    assert_eq!(
        [field::CRC_FLIT_TOTAL, field::LINK_COUNT].map(|number| raw.field(0, number, 0)),
        [Ok(7), Ok(2)]
    );

    let cluster: [u8; 16] = std::array::from_fn(|byte| u8::try_from(byte * 0x11).unwrap());
    let plain = raw.fabric(0).unwrap();
    assert_eq!(
        (plain.clusterUuid, plain.status, plain.cliqueId, plain.state),
        (cluster, 999, 7, 3)
    );
    let third = raw
        .fabric_versioned(0, version_word::<sys::nvmlGpuFabricInfo_v3_t>(3))
        .unwrap();
    assert_eq!((third.state, third.healthMask, third.healthSummary), (3, 0x15, 2));
    let second = raw
        .fabric_versioned(0, version_word::<sys::nvmlGpuFabricInfo_v2_t>(2))
        .unwrap();
    assert_eq!(
        (second.state, second.healthMask, second.healthSummary),
        (3, 0x15, 0xee),
        "version 2 is shorter: what lies behind it is the caller's"
    );
    assert_eq!(
        raw.fabric_versioned(0, version_word::<sys::nvmlGpuFabricInfo_v3_t>(4))
            .unwrap_err(),
        25
    );
    assert_eq!(raw.fabric(1).unwrap_err(), 3);
}
