//! The NVIDIA module on disk, without loading it: `modules.dep` names it, its ELF section `.modinfo` has its version.
//!
//! Reads a few hundred bytes of a file that may be large; a compressed module has no version here. Called by
//! [`super::nvidia`] only.

use super::Tree;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// More sections, or a larger section, than any module has; a broken header must not make us read for ever.
const MOST_SECTIONS: u16 = 4096;
const LARGEST: u64 = 1 << 20;
/// Sizes of the ELF64 header and of a section header (elf(5)).
const HEADER: usize = 64;
const SECTION: usize = 64;

/// Where `modules.dep` of a kernel says that `nvidia.ko` lies, relative to that kernel's directory.
pub(super) fn nvidia_module(tree: &Tree, release: &str) -> Option<String> {
    let index = tree.optional_text(&format!("lib/modules/{release}/modules.dep"))?;
    let is_nvidia = |path: &&str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        // Debian's packages call it nvidia-current.ko and rename it as it is loaded.
        ["nvidia.ko", "nvidia-current.ko"]
            .iter()
            .any(|known| name.starts_with(known))
    };
    index
        .lines()
        .filter_map(|line| line.split(':').next())
        .find(is_nvidia)
        .map(str::to_owned)
}

/// The version of the module that this kernel would load.
pub(super) fn nvidia_version(tree: &Tree, release: &str) -> Option<String> {
    let module = nvidia_module(tree, release)?;
    let path = if module.starts_with('/') {
        module
    } else {
        format!("lib/modules/{release}/{module}")
    };
    version(&tree.resolve(path)?)
}

/// `version=` of `.modinfo`; nothing of a file that is no little-endian ELF64.
fn version(file: &Path) -> Option<String> {
    let mut file = File::open(file).ok()?;
    let mut header = [0; HEADER];
    file.read_exact(&mut header).ok()?;
    if header.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let sections_at = number(&header, 40, 8)?;
    let size = number(&header, 58, 2)?;
    let count = u16::try_from(number(&header, 60, 2)?).ok()?;
    let names = number(&header, 62, 2)?;
    if size != SECTION as u64 || count > MOST_SECTIONS {
        return None;
    }
    let mut table = vec![0; SECTION * usize::from(count)];
    file.seek(SeekFrom::Start(sections_at)).ok()?;
    file.read_exact(&mut table).ok()?;
    let (sections, _) = table.as_chunks::<SECTION>();
    let names = content(&mut file, sections.get(usize::try_from(names).ok()?)?)?;
    let is_modinfo = |section: &&[u8; SECTION]| {
        let start = number(*section, 0, 4).and_then(|start| usize::try_from(start).ok());
        start
            .and_then(|start| names.get(start..))
            .is_some_and(|name| name.starts_with(b".modinfo\0"))
    };
    let text = content(&mut file, sections.iter().find(is_modinfo)?)?;
    let entry = text
        .split(|byte| *byte == 0)
        .find_map(|entry| entry.strip_prefix(b"version="))?;
    String::from_utf8(entry.to_vec()).ok()
}

fn content(file: &mut File, section: &[u8; SECTION]) -> Option<Vec<u8>> {
    let (at, size) = (number(section, 24, 8)?, number(section, 32, 8)?);
    if size > LARGEST {
        return None;
    }
    let mut bytes = vec![0; usize::try_from(size).ok()?];
    file.seek(SeekFrom::Start(at)).ok()?;
    file.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

/// A little-endian number of up to eight bytes.
fn number(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let part = bytes.get(at..at.checked_add(size)?)?;
    Some(part.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An ELF64 object with a section `.modinfo` of these entries.
    fn module(entries: &[u8]) -> Vec<u8> {
        let names = b"\0.shstrtab\0.modinfo\0";
        let mut file = vec![0; HEADER];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        let names_at = file.len() as u64;
        file.extend(names);
        let entries_at = file.len() as u64;
        file.extend(entries);
        let table = file.len() as u64;
        let section = |name: u32, at: u64, size: usize| {
            let mut header = vec![0; SECTION];
            header[..4].copy_from_slice(&name.to_le_bytes());
            header[24..32].copy_from_slice(&at.to_le_bytes());
            header[32..40].copy_from_slice(&(size as u64).to_le_bytes());
            header
        };
        file.extend(vec![0; SECTION]);
        file.extend(section(1, names_at, names.len()));
        file.extend(section(11, entries_at, entries.len()));
        file[40..48].copy_from_slice(&table.to_le_bytes());
        file[58..60].copy_from_slice(&64u16.to_le_bytes());
        file[60..62].copy_from_slice(&3u16.to_le_bytes());
        file[62..64].copy_from_slice(&1u16.to_le_bytes());
        file
    }

    #[test]
    fn the_module_of_a_kernel_is_found_and_tells_its_version() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("lib/modules/6.1.0-39-amd64");
        std::fs::create_dir_all(folder.join("updates/dkms")).unwrap();
        let tree = Tree::new(root.path());
        assert_eq!(nvidia_version(&tree, "6.1.0-39-amd64"), None);
        let index = "kernel/drivers/video/nvidiafb.ko: kernel/x.ko\nupdates/dkms/nvidia-current.ko: kernel/y.ko\n";
        std::fs::write(folder.join("modules.dep"), index).unwrap();
        let entries = b"license=Dual MIT/GPL\0srcversion=1234\0version=580.105.08\0vermagic=6.1.0-39-amd64 SMP\0";
        std::fs::write(folder.join("updates/dkms/nvidia-current.ko"), module(entries)).unwrap();
        assert_eq!(nvidia_version(&tree, "6.1.0-39-amd64").as_deref(), Some("580.105.08"));
    }

    proptest! {
        #[test]
        fn a_broken_module_is_survived(mut file in Just(module(b"version=1.2\0")), at in 0usize..300, byte in any::<u8>(), cut in 0usize..400) {
            if let Some(place) = file.get_mut(at) { *place = byte; }
            file.truncate(cut);
            let mut written = tempfile::NamedTempFile::new().unwrap();
            std::io::Write::write_all(&mut written, &file).unwrap();
            version(written.path());
        }
    }
}
