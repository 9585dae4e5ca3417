//! One record of a kernel's log, as `/dev/kmsg` shows it and takes it. Pure.
//!
//! Source: Documentation/ABI/testing/dev-kmsg and kernel/printk/printk.c (`devkmsg_write`, `msg_print_ext_header`,
//! `msg_print_ext_body`) of Linux, read 2026-11-21.

use std::fmt::Write as _;

/// The facility that only a kernel's own records have (syslog(3), `LOG_KERN`).
pub(super) const KERN: u32 = 0;
/// What the kernel makes of everything that a process writes without naming another one.
const USER: u32 = 1;
/// `default_message_loglevel` of a kernel that was not configured otherwise: warning.
const LEVEL: u32 = 4;
/// `PRINTKRB_RECORD_MAX`: a longer write is refused with EINVAL.
pub(super) const LONGEST: usize = 1024;

/// Who writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writer {
    /// A process of the machine: never facility kern, so that nobody can forge a kernel's record.
    Process,
    /// The kernel itself, as which the substrate stands in.
    Kernel,
}

/// What a write says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message<'a> {
    /// Facility times eight plus level.
    pub(super) priority: u32,
    /// Without the prefix and without one newline at its end.
    pub(super) text: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads a write: `<N>` before the text is its priority.
    pub(super) fn read(written: &'a [u8], writer: Writer) -> Self {
        let (number, text) = prefix(written).map_or((None, written), |(number, text)| (Some(number), text));
        let level = number.map_or(LEVEL, |number| number & 7);
        let facility = match (writer, number.map_or(0, |number| number >> 3 & 0xff)) {
            (Writer::Kernel, _) => KERN,
            (Writer::Process, 0) => USER,
            (Writer::Process, facility) => facility,
        };
        let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
        let text = text[..end].strip_suffix(b"\n").unwrap_or(&text[..end]);
        Self {
            priority: facility << 3 | level,
            text,
        }
    }

    /// The bytes that one read of `/dev/kmsg` gets. `microseconds` are those of `CLOCK_MONOTONIC`.
    pub(super) fn shown(&self, sequence: u64, microseconds: u64) -> Vec<u8> {
        let mut line = format!("{},{sequence},{microseconds},-;", self.priority);
        for byte in self.text {
            match byte {
                b'\\' | 0..0x20 | 0x7f.. => {
                    let _ = write!(line, "\\x{byte:02x}");
                }
                _ => line.push(char::from(*byte)),
            }
        }
        line.push('\n');
        line.into_bytes()
    }
}

fn prefix(written: &[u8]) -> Option<(u32, &[u8])> {
    let rest = written.strip_prefix(b"<")?;
    let end = rest.iter().position(|byte| *byte == b'>')?;
    let number = std::str::from_utf8(&rest[..end]).ok()?;
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // `<>` reads as 0, as the kernel's number reader takes it.
    let number = if number.is_empty() { 0 } else { number.parse().ok()? };
    Some((number, &rest[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(written: &str, writer: Writer) -> (u32, String) {
        let message = Message::read(written.as_bytes(), writer);
        (message.priority, String::from_utf8(message.text.to_vec()).unwrap())
    }

    #[test]
    fn a_process_can_name_any_facility_but_the_kernels() {
        assert_eq!(read("plain\n", Writer::Process), (12, "plain".into()));
        assert_eq!(read("<3>error", Writer::Process), (11, "error".into()));
        assert_eq!(read("<30>daemon", Writer::Process), (30, "daemon".into()));
        assert_eq!(read("<0>NVRM: Xid", Writer::Process).0 >> 3, 1);
        assert_eq!(read("<x>no prefix", Writer::Process), (12, "<x>no prefix".into()));
    }

    #[test]
    fn what_the_kernel_says_is_of_its_facility_whatever_the_prefix() {
        assert_eq!(read("<6>info", Writer::Kernel), (6, "info".into()));
        assert_eq!(read("<30>info", Writer::Kernel), (6, "info".into()));
        assert_eq!(read("warning", Writer::Kernel), (4, "warning".into()));
    }

    #[test]
    fn everything_that_is_no_printable_ascii_is_shown_escaped() {
        let shown = Message::read("a\\b\tc\nd\u{e9}\n".as_bytes(), Writer::Process).shown(7, 42);
        assert_eq!(
            String::from_utf8(shown).unwrap(),
            "12,7,42,-;a\\x5cb\\x09c\\x0ad\\xc3\\xa9\n"
        );
    }
}
