//! Taking a symbol out of an ELF file's dynamic symbol table by changing its name there. Called by `library` only.
//!
//! The linker's hash table still leads to the symbol for those who ask for the old name, but the names are compared then, so the answer is
//! that there is none; nobody asks for the new one. Layout: System V ABI, "ELF-64 Object File Format" 1.5, read 2026-11-21.

use std::ops::Range;

/// The symbol is not there to be taken out.
#[derive(Debug, thiserror::Error)]
pub enum NotThere {
    /// The file is no 64-bit little-endian ELF file with a dynamic symbol table.
    #[error(
        "it is no shared library for x86_64 with a dynamic symbol table; build it with cargo build -p bedplate-simulated-nvml"
    )]
    NoTable,
    /// There is no symbol of this name.
    #[error("it exports no {0:?}; `nm -D --defined-only` on it lists the names")]
    NoSymbol(String),
}

/// `SHT_DYNSYM`.
const DYNAMIC_SYMBOLS: u32 = 11;
const SECTION_HEADER: usize = 64;
const SYMBOL: usize = 24;

/// Changes the symbol's name to one that nobody asks for.
pub(super) fn hide(file: &mut [u8], symbol: &str) -> Result<(), NotThere> {
    let names = names(file).ok_or(NotThere::NoTable)?;
    let wanted = [symbol.as_bytes(), b"\0"].concat();
    let name = names
        .into_iter()
        .find(|at| file.get(*at..).is_some_and(|name| name.starts_with(&wanted)))
        .ok_or_else(|| NotThere::NoSymbol(symbol.to_owned()))?;
    // NVML's names begin with `n`, so none ends another: this name's bytes are no other's.
    if let Some(first) = file.get_mut(name) {
        *first = b'-';
    }
    Ok(())
}

/// Where the names of the dynamic symbols are in the file; `None` for a file that is not understood.
fn names(file: &[u8]) -> Option<Vec<usize>> {
    if file.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let sections = usize::try_from(long(file, 0x28)?).ok()?;
    let count = usize::from(short(file, 0x3c)?);
    let header = |index: usize| sections.checked_add(index.checked_mul(SECTION_HEADER)?);
    let table = (0..count)
        .filter_map(header)
        .find(|at| word(file, at + 4) == Some(DYNAMIC_SYMBOLS))?;
    let texts = contents(file, header(word(file, table + 40)?.try_into().ok()?)?)?;
    contents(file, table)?
        .step_by(SYMBOL)
        .map(|entry| {
            let at = texts.start.checked_add(word(file, entry)?.try_into().ok()?)?;
            (at < texts.end).then_some(at)
        })
        .collect()
}

/// The bytes of a section, by where its header is.
fn contents(file: &[u8], header: usize) -> Option<Range<usize>> {
    let start = usize::try_from(long(file, header + 24)?).ok()?;
    let end = start.checked_add(long(file, header + 32)?.try_into().ok()?)?;
    (end <= file.len()).then_some(start..end)
}

fn short(file: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(file.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn word(file: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(file.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn long(file: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(file.get(at..at.checked_add(8)?)?.try_into().ok()?))
}
