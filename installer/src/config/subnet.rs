//! An IPv4 subnet in CIDR notation. Called by `kubernetes` and `nodes`.

use std::fmt;
use std::net::Ipv4Addr;

/// An IPv4 subnet, `10.244.0.0/16`: no bit of the address is set behind the prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnet {
    address: Ipv4Addr,
    prefix: u8,
}

impl Subnet {
    /// A subnet known when this was written.
    pub(in crate::config) const fn known(address: Ipv4Addr, prefix: u8) -> Self {
        Self { address, prefix }
    }

    /// Reads `10.244.0.0/16`; the error says what is wrong with the text and what to write.
    pub(in crate::config) fn parse(text: &str) -> Result<Self, (String, String)> {
        let example = "Write an IPv4 subnet such as 10.244.0.0/16.".to_owned();
        let (address, prefix) = text
            .split_once('/')
            .ok_or_else(|| (format!("{text:?} has no '/' and prefix length"), example.clone()))?;
        let address: Ipv4Addr = address
            .parse()
            .map_err(|_| (format!("{address:?} is no IPv4 address"), example.clone()))?;
        let prefix: u8 = prefix
            .parse()
            .ok()
            .filter(|prefix| *prefix <= 32)
            .ok_or_else(|| (format!("{prefix:?} is no prefix length from 0 to 32"), example))?;
        let subnet = Self { address, prefix };
        let base = Ipv4Addr::from(u32::from(address) & subnet.mask());
        if base == address {
            Ok(subnet)
        } else {
            Err((
                format!("{text} has bits set behind its prefix"),
                format!("Write {base}/{prefix}."),
            ))
        }
    }

    fn mask(self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0)
    }

    /// Bits of the network part.
    pub fn prefix(self) -> u8 {
        self.prefix
    }

    /// Whether the address lies in it.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        u32::from(address) & self.mask() == u32::from(self.address)
    }

    /// Whether the two share an address.
    pub fn overlaps(self, other: Self) -> bool {
        self.contains(other.address) || other.contains(self.address)
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}
