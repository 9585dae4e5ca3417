//! The process that owns NVML: loads the library, reads every GPU once, writes lines, ends. Called by the verb
//! `nvml-worker`, which only [`super::parent`] starts.
//!
//! Devices are read one by one, so a lost GPU hides no other. `NOT_SUPPORTED` makes a value absent; every other failure is
//! written down with its call and code.

use super::wire::Line;
use bedplate_protocol::facts::{GpuFacts, NvmlCallError, RowRemapping};
use nvml_wrapper::enum_wrappers::device::{EccCounter, MemoryError, TemperatureSensor};
use nvml_wrapper::enums::device::{DeviceArchitecture, SampleValue};
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::structs::device::FieldId;
use nvml_wrapper::sys_exports::field_id::{
    NVML_FI_DEV_REMAPPED_COR, NVML_FI_DEV_REMAPPED_FAILURE, NVML_FI_DEV_REMAPPED_PENDING, NVML_FI_DEV_REMAPPED_UNC,
};
use nvml_wrapper::{Device, Nvml};
use std::io::{self, Write};
use std::mem::ManuallyDrop;
use std::path::Path;

/// `NVML_FI_DEV_GET_GPU_RECOVERY_ACTION`, which nvml-wrapper-sys 0.10 lacks (nvml.h of go-nvml v0.13.4-0, read 2026-11-21).
const RECOVERY_ACTION: u32 = 230;
/// `NVML_DEVICE_MIG_ENABLE` (the same file).
const MIG_ENABLE: u32 = 1;

/// Reads everything once and writes it to `out`. An error is one of writing: the parent has gone.
pub(crate) fn serve(library: &Path, out: &mut dyn Write) -> io::Result<()> {
    // A hung worker must not outlive a parent that was killed. Refusal only means that nobody tidies up.
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM));
    write(
        out,
        &Line::Calling {
            call: "nvmlInit_v2".into(),
        },
    )?;
    let nvml = match Nvml::builder().lib_path(library.as_os_str()).init() {
        // Never dropped: nvmlShutdown may hang or be missing, and the process ends anyway.
        Ok(nvml) => ManuallyDrop::new(nvml),
        Err(NvmlError::LibloadingError(error)) => {
            return write(
                out,
                &Line::LibraryMissing {
                    detail: error.to_string(),
                },
            );
        }
        Err(error) => {
            return write(
                out,
                &Line::InitFailed {
                    code: code(&error),
                    detail: error.to_string(),
                },
            );
        }
    };
    let mut system = |call: &str, read: &dyn Fn(&Nvml) -> Result<String, NvmlError>| -> io::Result<Option<String>> {
        write(out, &Line::Calling { call: call.into() })?;
        Ok(read(&nvml).ok())
    };
    let driver = system("nvmlSystemGetDriverVersion", &Nvml::sys_driver_version)?;
    let version = system("nvmlSystemGetNVMLVersion", &Nvml::sys_nvml_version)?;
    let cuda = system("nvmlSystemGetCudaDriverVersion_v2", &|nvml| {
        nvml.sys_cuda_driver_version().map(cuda_version)
    })?;
    write(
        out,
        &Line::Calling {
            call: "nvmlDeviceGetCount_v2".into(),
        },
    )?;
    let gpus = match nvml.device_count() {
        Ok(gpus) => gpus,
        Err(error) => {
            let detail = format!("nvmlDeviceGetCount_v2: {error}");
            return write(
                out,
                &Line::InitFailed {
                    code: code(&error),
                    detail,
                },
            );
        }
    };
    write(
        out,
        &Line::System {
            driver,
            nvml: version,
            cuda,
            gpus,
        },
    )?;
    for index in 0..gpus {
        let gpu = Box::new(read_gpu(&nvml, index, out)?);
        write(out, &Line::Gpu { gpu })?;
    }
    write(out, &Line::Done)
}

fn write(out: &mut dyn Write, line: &Line) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// One GPU under way.
struct Reading<'a> {
    device: Device<'a>,
    gpu: GpuFacts,
    out: &'a mut dyn Write,
}

impl<'a> Reading<'a> {
    /// Announces a call, makes it, and sorts its failure.
    fn call<T>(&mut self, name: &str, call: impl FnOnce(&Device<'a>) -> Result<T, NvmlError>) -> io::Result<Option<T>> {
        let call_name = format!("{name}({})", self.gpu.index);
        write(self.out, &Line::Calling { call: call_name })?;
        Ok(match call(&self.device) {
            Ok(value) => Some(value),
            Err(error) if is_unsupported(&error) => None,
            Err(error) => {
                self.gpu.errors.push(failure(name, &error));
                None
            }
        })
    }

    /// A field value as a whole number. A value that did not come is absent or an error, as with a call.
    fn field(&mut self, name: &str, id: u32) -> io::Result<Option<u32>> {
        self.call(name, |device| {
            let sample = device
                .field_values_for(&[FieldId(id)])?
                .pop()
                .ok_or(NvmlError::NoData)??;
            Ok(whole(&sample.value?))
        })
        .map(|value| value.map(|number| u32::try_from(number).unwrap_or(u32::MAX)))
    }
}

fn read_gpu(nvml: &Nvml, index: u32, out: &mut dyn Write) -> io::Result<GpuFacts> {
    let mut gpu = GpuFacts {
        index,
        ..GpuFacts::default()
    };
    write(
        out,
        &Line::Calling {
            call: format!("nvmlDeviceGetHandleByIndex_v2({index})"),
        },
    )?;
    let device = match nvml.device_by_index(index) {
        Ok(device) => device,
        Err(error) => {
            gpu.errors.push(failure("nvmlDeviceGetHandleByIndex_v2", &error));
            return Ok(gpu);
        }
    };
    let mut reading = Reading { device, gpu, out };
    identity(&mut reading)?;
    health(&mut reading)?;
    Ok(reading.gpu)
}

fn identity(r: &mut Reading<'_>) -> io::Result<()> {
    r.gpu.uuid = r.call("nvmlDeviceGetUUID", Device::uuid)?;
    r.gpu.name = r.call("nvmlDeviceGetName", Device::name)?;
    r.gpu.serial = r.call("nvmlDeviceGetSerial", Device::serial)?;
    // A GPU is function 0 of its device; NVML's own text has an eight-digit domain, sysfs four.
    r.gpu.pci_address = r.call("nvmlDeviceGetPciInfo_v3", |device| {
        device
            .pci_info()
            .map(|pci| format!("{:04x}:{:02x}:{:02x}.0", pci.domain, pci.bus, pci.device))
    })?;
    r.gpu.minor = r.call("nvmlDeviceGetMinorNumber", Device::minor_number)?;
    r.gpu.memory_total_bytes = r.call("nvmlDeviceGetMemoryInfo_v2", |device| {
        device.memory_info().map(|m| m.total)
    })?;
    r.gpu.architecture = r
        .call("nvmlDeviceGetArchitecture", Device::architecture)?
        .and_then(|a| match a {
            DeviceArchitecture::Unknown => None,
            known => Some(format!("{known:?}").to_lowercase()),
        });
    r.gpu.compute_capability = r.call("nvmlDeviceGetCudaComputeCapability", |device| {
        device
            .cuda_compute_capability()
            .map(|version| format!("{}.{}", version.major, version.minor))
    })?;
    Ok(())
}

fn health(r: &mut Reading<'_>) -> io::Result<()> {
    r.gpu.temperature_celsius = r.call("nvmlDeviceGetTemperature", |device| {
        device.temperature(TemperatureSensor::Gpu)
    })?;
    r.gpu.power_usage_milliwatts = r.call("nvmlDeviceGetPowerUsage", Device::power_usage)?;
    r.gpu.power_limit_milliwatts = r.call("nvmlDeviceGetEnforcedPowerLimit", Device::enforced_power_limit)?;
    r.gpu.ecc_enabled = r.call("nvmlDeviceGetEccMode", |device| {
        device.is_ecc_enabled().map(|ecc| ecc.currently_enabled)
    })?;
    if r.gpu.ecc_enabled == Some(true) {
        r.gpu.ecc_uncorrected_volatile = r.call("nvmlDeviceGetTotalEccErrors", |device| {
            device.total_ecc_errors(MemoryError::Uncorrected, EccCounter::Volatile)
        })?;
    }
    let correctable = r.field("NVML_FI_DEV_REMAPPED_COR", NVML_FI_DEV_REMAPPED_COR)?;
    let uncorrectable = r.field("NVML_FI_DEV_REMAPPED_UNC", NVML_FI_DEV_REMAPPED_UNC)?;
    let pending = r.field("NVML_FI_DEV_REMAPPED_PENDING", NVML_FI_DEV_REMAPPED_PENDING)?;
    let failed = r.field("NVML_FI_DEV_REMAPPED_FAILURE", NVML_FI_DEV_REMAPPED_FAILURE)?;
    if let (Some(correctable), Some(uncorrectable), Some(pending), Some(failed)) =
        (correctable, uncorrectable, pending, failed)
    {
        let (pending, failed) = (pending != 0, failed != 0);
        r.gpu.row_remapping = Some(RowRemapping {
            correctable,
            uncorrectable,
            pending,
            failed,
        });
    }
    r.gpu.recovery_action = r.field("NVML_FI_DEV_GET_GPU_RECOVERY_ACTION", RECOVERY_ACTION)?;
    r.gpu.pcie_generation = r.call("nvmlDeviceGetCurrPcieLinkGeneration", Device::current_pcie_link_gen)?;
    r.gpu.pcie_width = r.call("nvmlDeviceGetCurrPcieLinkWidth", Device::current_pcie_link_width)?;
    r.gpu.pcie_max_generation = r.call("nvmlDeviceGetMaxPcieLinkGeneration", Device::max_pcie_link_gen)?;
    r.gpu.pcie_max_width = r.call("nvmlDeviceGetMaxPcieLinkWidth", Device::max_pcie_link_width)?;
    r.gpu.mig_enabled = r.call("nvmlDeviceGetMigMode", |device| {
        device.mig_mode().map(|mode| mode.current == MIG_ENABLE)
    })?;
    r.gpu.compute_processes = r
        .call(
            "nvmlDeviceGetComputeRunningProcesses_v3",
            Device::running_compute_processes,
        )?
        .unwrap_or_default()
        .iter()
        .map(|process| process.pid)
        .collect();
    Ok(())
}

/// Whether the value cannot be had from this product or this driver at all: that is no failure.
fn is_unsupported(error: &NvmlError) -> bool {
    matches!(
        error,
        NvmlError::NotSupported | NvmlError::FunctionNotFound | NvmlError::FailedToLoadSymbol(_)
    )
}

fn failure(call: &str, error: &NvmlError) -> NvmlCallError {
    NvmlCallError {
        call: call.to_owned(),
        code: code(error),
        detail: error.to_string(),
    }
}

/// NVML's return code (nvml.h, `nvmlReturn_t`); absent for what never reached the library.
fn code(error: &NvmlError) -> Option<i32> {
    Some(match error {
        NvmlError::Uninitialized => 1,
        NvmlError::InvalidArg => 2,
        NvmlError::NotSupported => 3,
        NvmlError::NoPermission => 4,
        NvmlError::NotFound => 6,
        NvmlError::InsufficientSize(_) => 7,
        NvmlError::InsufficientPower => 8,
        NvmlError::DriverNotLoaded => 9,
        NvmlError::Timeout => 10,
        NvmlError::IrqIssue => 11,
        NvmlError::LibraryNotFound => 12,
        NvmlError::FunctionNotFound => 13,
        NvmlError::CorruptedInfoROM => 14,
        NvmlError::GpuLost => 15,
        NvmlError::ResetRequired => 16,
        NvmlError::OperatingSystem => 17,
        NvmlError::LibRmVersionMismatch => 18,
        NvmlError::InUse => 19,
        NvmlError::InsufficientMemory => 20,
        NvmlError::NoData => 21,
        NvmlError::VgpuEccNotSupported => 22,
        NvmlError::Unknown => 999,
        NvmlError::UnexpectedVariant(number) => return i32::try_from(*number).ok(),
        _ => return None,
    })
}

/// A sample as a whole number; a negative or broken one counts as the largest, which no check takes for healthy.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the float's range is checked first"
)]
fn whole(value: &SampleValue) -> u64 {
    match value {
        SampleValue::U32(number) => u64::from(*number),
        SampleValue::U64(number) => *number,
        SampleValue::I64(number) => u64::try_from(*number).unwrap_or(u64::MAX),
        SampleValue::F64(number) if (0.0..=f64::from(u32::MAX)).contains(number) => *number as u64,
        SampleValue::F64(_) => u64::MAX,
    }
}

/// `13.0` of 13000 (nvml.h, `NVML_CUDA_DRIVER_VERSION_MAJOR` and `_MINOR`).
fn cuda_version(number: i32) -> String {
    format!("{}.{}", number / 1000, number % 1000 / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_is_not_there_is_told_apart_from_one_that_fails() {
        let mut out = Vec::new();
        serve(Path::new("/nowhere/libnvidia-ml.so.1"), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let last: Line = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert!(matches!(last, Line::LibraryMissing { .. }), "{text}");
    }

    #[test]
    fn a_cuda_version_reads_as_nvidia_writes_it() {
        assert_eq!(cuda_version(13000), "13.0");
        assert_eq!(cuda_version(12080), "12.8");
    }

    #[test]
    fn a_negative_or_broken_sample_is_never_zero() {
        assert_eq!(whole(&SampleValue::I64(-1)), u64::MAX);
        assert_eq!(whole(&SampleValue::F64(f64::NAN)), u64::MAX);
        assert_eq!(whole(&SampleValue::F64(3.0)), 3);
    }
}
