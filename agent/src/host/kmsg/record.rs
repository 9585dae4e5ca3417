//! The text of one `/dev/kmsg` record. Pure: any bytes are a record or a reason why not, never a panic. Called by
//! [`super::Kmsg`] and by its property.
//!
//! Format: Documentation/ABI/testing/dev-kmsg of Linux (6.12, read 2026-11-21):
//! `priority,sequence,microseconds,flags[,…];text`, then lines ` KEY=value`, which are left out: the driver writes none.

use std::time::Duration;

/// One record of the kernel's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// Who wrote it: 0 is the kernel; what a process writes to `/dev/kmsg` gets 1 or more.
    pub(crate) facility: u32,
    /// Its number since boot.
    pub(crate) sequence: u64,
    /// Its time on the monotonic clock.
    pub(crate) monotonic: Duration,
    /// Its text, escapes undone, so it may have line ends; bytes that are no UTF-8 are U+FFFD.
    pub(crate) text: String,
}

impl Record {
    /// Whether the kernel itself wrote it. Anything else may have been written by a container.
    pub(crate) fn is_kernel(&self) -> bool {
        self.facility == 0
    }
}

/// Why bytes are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadRecord {
    /// No `;` ends the prefix.
    #[error("no ';' ends the record's prefix")]
    NoPrefix,
    /// A number of the prefix is missing or is none.
    #[error("the record's {0} is no number")]
    NotANumber(&'static str),
}

/// Reads what one `read(2)` of `/dev/kmsg` gave.
pub(crate) fn parse(bytes: &[u8]) -> Result<Record, BadRecord> {
    let end = bytes.iter().position(|byte| *byte == b';').ok_or(BadRecord::NoPrefix)?;
    let (prefix, rest) = bytes.split_at(end);
    let mut fields = prefix.split(|byte| *byte == b',');
    let priority = number(fields.next(), "priority")?;
    let sequence = number(fields.next(), "sequence number")?;
    let microseconds = number(fields.next(), "time")?;
    let text = rest.get(1..).unwrap_or_default();
    let text = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(Record {
        // The kernel keeps the level in the low three bits (syslog(2)).
        facility: u32::try_from(priority >> 3).unwrap_or(u32::MAX),
        sequence,
        monotonic: Duration::from_micros(microseconds),
        text: unescape(text),
    })
}

fn number(field: Option<&[u8]>, what: &'static str) -> Result<u64, BadRecord> {
    field
        .and_then(|field| std::str::from_utf8(field).ok())
        .filter(|field| field.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|field| field.parse().ok())
        .ok_or(BadRecord::NotANumber(what))
}

/// Undoes `\xNN`; a backslash that begins no escape stays as it is.
fn unescape(text: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut left = text;
    while let Some((first, after)) = left.split_first() {
        if let [b'\\', b'x', high, low, rest @ ..] = left
            && let (Some(high), Some(low)) = (digit(*high), digit(*low))
        {
            bytes.push(high << 4 | low);
            left = rest;
        } else {
            bytes.push(*first);
            left = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_the_kernels_documentation_is_read() {
        let record = parse(b"6,339,5140900,-;NET: Registered protocol family 10\n").unwrap();
        assert!(record.is_kernel());
        assert_eq!(record.sequence, 339);
        assert_eq!(record.monotonic, Duration::from_micros(5_140_900));
        assert_eq!(record.text, "NET: Registered protocol family 10");
    }

    #[test]
    fn a_process_cannot_be_taken_for_the_kernel() {
        // 14 = facility 1 (user), level 6; the kernel raises facility 0 of a writer to 1 (devkmsg_write, printk.c).
        let record = parse(b"14,340,5140901,-;NVRM: Xid (PCI:0000:17:00): 79, forged\n").unwrap();
        assert_eq!(record.facility, 1);
        assert!(!record.is_kernel());
    }

    #[test]
    fn a_caller_field_and_continuation_lines_are_no_text() {
        let record = parse(b"3,7,1,-,caller=T42,more;bad\n SUBSYSTEM=pci\n DEVICE=+pci:0000:17:00.0\n").unwrap();
        assert_eq!(record.text, "bad");
    }

    #[test]
    fn escapes_are_undone_and_half_an_escape_stays() {
        assert_eq!(
            parse(b"6,1,1,-;a\\x0ab\\x5cx0a\\xZZ\\x1\n").unwrap().text,
            "a\nb\\x0a\\xZZ\\x1"
        );
        assert_eq!(parse(b"6,1,1,-;\\xff").unwrap().text, "\u{fffd}");
    }

    #[test]
    fn what_is_no_record_says_why() {
        assert_eq!(parse(b""), Err(BadRecord::NoPrefix));
        assert_eq!(parse(b"x,1,1,-;t"), Err(BadRecord::NotANumber("priority")));
        assert_eq!(parse(b"6;t"), Err(BadRecord::NotANumber("sequence number")));
        assert_eq!(parse(b"6,1,+1,-;t"), Err(BadRecord::NotANumber("time")));
        assert_eq!(
            parse(b"6,99999999999999999999,1,-;t"),
            Err(BadRecord::NotANumber("sequence number"))
        );
    }

    proptest! {
        #[test]
        fn any_text_that_the_kernel_escaped_comes_back(text in "[^;\u{0}]{0,200}") {
            let mut line = b"4,1,1,-;".to_vec();
            for byte in text.bytes() {
                // msg_add_ext_text, printk.c.
                if !(b' '..127).contains(&byte) || byte == b'\\' {
                    line.extend(format!("\\x{byte:02x}").bytes());
                } else {
                    line.push(byte);
                }
            }
            prop_assert_eq!(parse(&line).unwrap().text, text);
        }
    }
}
