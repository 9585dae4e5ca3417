//! The agent's file as it will be put on hosts: its bytes, hash, processor and the oldest glibc it runs with. Reads one local
//! file, talks to no host. Called by the installer once per architecture.

use crate::error::SshError;
use bedplate_protocol::Sha256Hex;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A processor bedplate has agents for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// `x86_64`.
    X86_64,
    /// `aarch64`.
    Aarch64,
}

impl Architecture {
    /// As `uname -m` prints it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// From the ELF header's `e_machine`: `EM_X86_64` 62, `EM_AARCH64` 183 (elf.h of glibc 2.36).
    fn from_elf(machine: u16) -> Option<Self> {
        match machine {
            62 => Some(Self::X86_64),
            183 => Some(Self::Aarch64),
            _ => None,
        }
    }
}

/// A version of the GNU C library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GlibcVersion {
    /// The 2 of 2.36.
    pub major: u32,
    /// The 36 of 2.36.
    pub minor: u32,
}

impl GlibcVersion {
    /// Reads `2.36` and what follows no further than the second number (`2.2.5` is 2.2).
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        Some(Self {
            major: parts.next()?.parse().ok()?,
            minor: parts.next()?.parse().ok()?,
        })
    }
}

impl fmt::Display for GlibcVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The agent's file, in memory: what was hashed is what is sent, whatever happens to the file meanwhile.
#[derive(Debug, Clone)]
pub struct AgentBinary {
    path: PathBuf,
    bytes: Arc<[u8]>,
    sha256: Sha256Hex,
    architecture: Architecture,
    glibc_floor: GlibcVersion,
}

impl AgentBinary {
    /// Reads and hashes the file.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, SshError> {
        let path = path.as_ref();
        let cure = "build it with `agent/linker/install && cargo build --release -p bedplate-agent`, or name another file with --agent";
        let bad = |detail: String| SshError::LocalFile {
            path: path.into(),
            detail,
            cure: cure.into(),
        };
        let bytes = std::fs::read(path).map_err(|e| bad(format!("cannot read the agent: {e}")))?;
        // 64-bit, little-endian; e_machine lies at offset 18 (System V ABI, ELF header).
        let machine = match bytes.get(..20) {
            Some([0x7f, b'E', b'L', b'F', 2, 1, .., low, high]) => u16::from_le_bytes([*low, *high]),
            _ => return Err(bad("not a 64-bit little-endian ELF program".into())),
        };
        let architecture = Architecture::from_elf(machine).ok_or_else(|| {
            bad(format!(
                "ELF machine {machine} is neither x86_64 (62) nor aarch64 (183)"
            ))
        })?;
        let glibc_floor = newest_glibc_symbol(&bytes).ok_or_else(|| {
            bad("needs no version of glibc: a static or musl agent cannot load NVIDIA's libnvidia-ml.so.1".into())
        })?;
        Ok(Self {
            path: path.into(),
            sha256: Sha256Hex::of(&bytes),
            bytes: bytes.into(),
            architecture,
            glibc_floor,
        })
    }

    /// Where it was read.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its hash, which is its address on hosts.
    pub fn sha256(&self) -> &Sha256Hex {
        &self.sha256
    }

    /// The processor it is for.
    pub fn architecture(&self) -> Architecture {
        self.architecture
    }

    /// The oldest glibc it starts with: the newest symbol version it asks for.
    pub fn glibc_floor(&self) -> GlibcVersion {
        self.glibc_floor
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The newest `GLIBC_x.y` string in the file. The version names a program needs are strings of its `.dynstr` section, so none
/// can be missed; a string elsewhere could only make the floor too high, which refuses too much and never too little.
fn newest_glibc_symbol(bytes: &[u8]) -> Option<GlibcVersion> {
    const PREFIX: &[u8] = b"GLIBC_";
    let versions = memchr::memmem::find_iter(bytes, PREFIX).filter_map(|at| {
        let version = &bytes[at + PREFIX.len()..];
        let end = version
            .iter()
            .take(12)
            .position(|b| !b.is_ascii_digit() && *b != b'.')
            .unwrap_or(0);
        GlibcVersion::parse(std::str::from_utf8(&version[..end]).ok()?)
    });
    versions.max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_is_the_newest_version_by_number_and_private_symbols_do_not_count() {
        let bytes = b"\0GLIBC_2.9\0GLIBC_2.28\0GGLIBC_2.2.5\0GLIBC_PRIVATE\0GLIBC_";
        assert_eq!(newest_glibc_symbol(bytes), GlibcVersion::parse("2.28"));
    }

    #[test]
    fn a_text_file_is_no_agent() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "#!/bin/sh\nexit 0\n").unwrap();
        let error = AgentBinary::load(file.path()).unwrap_err().to_string();
        assert!(error.contains("ELF") && error.contains("cure:"), "{error}");
    }

    #[test]
    fn a_program_of_this_machine_has_its_architecture_and_a_floor() {
        let agent = AgentBinary::load("/proc/self/exe").unwrap();
        assert_eq!(agent.architecture().as_str(), std::env::consts::ARCH);
        assert!(agent.glibc_floor() >= GlibcVersion { major: 2, minor: 2 });
    }
}
