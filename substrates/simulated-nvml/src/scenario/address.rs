//! A place on PCI: how scenarios, sysfs and NVML write it. Called by the schema and by the ABI's PCI calls.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `0000:18:00.0`: domain, bus, device, function, in hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PciAddress {
    /// 0 on most machines.
    pub domain: u32,
    /// 0 to 255.
    pub bus: u8,
    /// 0 to 31.
    pub device: u8,
    /// 0 to 7. NVML names function 0 only.
    pub function: u8,
}

/// Text that is not a PCI address.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a PCI address; write DOMAIN:BUS:DEVICE.FUNCTION in hexadecimal, for example \"0000:18:00.0\"")]
pub struct NotAnAddress(String);

impl FromStr for PciAddress {
    type Err = NotAnAddress;

    /// Reads `0000:18:00.0`, NVML's `00000000:18:00.0`, and `18:00.0` with domain 0.
    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let fields = || {
            let (rest, function) = text.rsplit_once('.')?;
            let (rest, device) = rest.rsplit_once(':')?;
            let (domain, bus) = rest.rsplit_once(':').unwrap_or(("0", rest));
            Some(Self {
                domain: u32::from_str_radix(domain, 16).ok()?,
                bus: u8::from_str_radix(bus, 16).ok()?,
                device: u8::from_str_radix(device, 16).ok().filter(|device| *device < 32)?,
                function: function.parse().ok().filter(|function| *function < 8)?,
            })
        };
        fields().ok_or_else(|| NotAnAddress(text.to_owned()))
    }
}

impl TryFrom<String> for PciAddress {
    type Error = NotAnAddress;

    fn try_from(text: String) -> Result<Self, NotAnAddress> {
        text.parse()
    }
}

impl From<PciAddress> for String {
    fn from(address: PciAddress) -> Self {
        address.to_string()
    }
}

/// As sysfs writes it.
impl fmt::Display for PciAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{:04x}:{:02x}:{:02x}.{}",
            self.domain, self.bus, self.device, self.function
        )
    }
}

impl PciAddress {
    /// As NVML writes it in `busId`: eight digits of domain, upper case, function 0.
    pub(crate) fn bus_id(self) -> String {
        format!("{:08X}:{:02X}:{:02X}.0", self.domain, self.bus, self.device)
    }

    /// As NVML writes it in `busIdLegacy`: four digits of domain.
    pub(crate) fn legacy_bus_id(self) -> String {
        format!("{:04X}:{:02X}:{:02X}.0", self.domain & 0xffff, self.bus, self.device)
    }
}
