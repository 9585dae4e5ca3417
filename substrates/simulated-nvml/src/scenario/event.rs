//! Events that the driver reports. Part of the schema; read by `state`.

use nvml_wrapper_sys::bindings as nvml;
use serde::{Deserialize, Serialize};

/// An event. `{id: 1, gpu: 0, xid: 79}` is an XID; `{id: 2, gpu: 0, kind: gpu-recovery-action, data: 2}` is any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Distinguishes this event from every other of the file, so that it is delivered once.
    pub id: u64,
    /// Position in `gpus`, from 0.
    pub gpu: usize,
    /// The XID, where the event is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xid: Option<u64>,
    /// What the event is, where it is no XID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<EventKind>,
    /// `eventData` of an event that is no XID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<u64>,
    /// The MIG GPU instance that it happened in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_instance: Option<u32>,
    /// The MIG compute instance that it happened in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute_instance: Option<u32>,
}

/// `nvmlEventType…` of nvml.h, without the XID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// `nvmlEventTypeSingleBitEccError`.
    SingleBitEccError,
    /// `nvmlEventTypeDoubleBitEccError`.
    DoubleBitEccError,
    /// `nvmlEventTypePState`.
    PerformanceState,
    /// `nvmlEventTypeClock`.
    Clock,
    /// `nvmlEventTypePowerSourceChange`.
    PowerSourceChange,
    /// `nvmlEventMigConfigChange`.
    MigConfigChange,
    /// `nvmlEventTypeSingleBitEccErrorStorm`.
    SingleBitEccErrorStorm,
    /// `nvmlEventTypeDramRetirementEvent`.
    DramRetirement,
    /// `nvmlEventTypeDramRetirementFailure`.
    DramRetirementFailure,
    /// `nvmlEventTypeNonFatalPoisonError`.
    NonFatalPoison,
    /// `nvmlEventTypeFatalPoisonError`.
    FatalPoison,
    /// `nvmlEventTypeGpuUnavailableError`.
    GpuUnavailable,
    /// `nvmlEventTypeGpuRecoveryAction`.
    GpuRecoveryAction,
}

impl EventKind {
    /// The bit of the event.
    pub fn bit(self) -> u64 {
        u64::from(match self {
            Self::SingleBitEccError => nvml::nvmlEventTypeSingleBitEccError,
            Self::DoubleBitEccError => nvml::nvmlEventTypeDoubleBitEccError,
            Self::PerformanceState => nvml::nvmlEventTypePState,
            Self::Clock => nvml::nvmlEventTypeClock,
            Self::PowerSourceChange => nvml::nvmlEventTypePowerSourceChange,
            Self::MigConfigChange => nvml::nvmlEventMigConfigChange,
            Self::SingleBitEccErrorStorm => nvml::nvmlEventTypeSingleBitEccErrorStorm,
            Self::DramRetirement => nvml::nvmlEventTypeDramRetirementEvent,
            Self::DramRetirementFailure => nvml::nvmlEventTypeDramRetirementFailure,
            Self::NonFatalPoison => nvml::nvmlEventTypeNonFatalPoisonError,
            Self::FatalPoison => nvml::nvmlEventTypeFatalPoisonError,
            Self::GpuUnavailable => nvml::nvmlEventTypeGpuUnavailableError,
            Self::GpuRecoveryAction => nvml::nvmlEventTypeGpuRecoveryAction,
        })
    }
}

impl Event {
    /// An XID.
    pub fn xid(id: u64, gpu: usize, xid: u64) -> Self {
        Self {
            id,
            gpu,
            xid: Some(xid),
            kind: None,
            data: None,
            gpu_instance: None,
            compute_instance: None,
        }
    }

    /// Any other event.
    pub fn other(id: u64, gpu: usize, kind: EventKind, data: u64) -> Self {
        Self {
            xid: None,
            kind: Some(kind),
            data: Some(data),
            ..Self::xid(id, gpu, 0)
        }
    }

    /// The bit of the event.
    pub(crate) fn bit(&self) -> u64 {
        self.kind
            .map_or(u64::from(nvml::nvmlEventTypeXidCriticalError), EventKind::bit)
    }

    /// `eventData`.
    pub(crate) fn word(&self) -> u64 {
        self.xid.or(self.data).unwrap_or(0)
    }
}
