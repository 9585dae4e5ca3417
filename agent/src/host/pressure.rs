//! Pressure stall information: `/proc/pressure/{memory,io}`. Absent where the kernel was built or booted without it.
//!
//! Reads only. Called by [`super::read_tree`].

use super::Tree;
use bedplate_protocol::facts::PressureFacts;

/// Both files (Documentation/accounting/psi.rst).
pub(super) fn read(tree: &Tree) -> PressureFacts {
    let full = |resource: &str| {
        // Opening works and reading fails with EOPNOTSUPP where it is turned off: absent, not a failed reader.
        let path = tree.place(format!("proc/pressure/{resource}"))?;
        full_avg60(&std::fs::read_to_string(path).ok()?)
    };
    PressureFacts {
        memory_full_avg60: full("memory"),
        io_full_avg60: full("io"),
    }
}

/// Hundredths of a percent of `full avg10=0.00 avg60=12.34 avg300=0.00 total=0`.
fn full_avg60(text: &str) -> Option<u32> {
    let line = text.lines().find(|line| line.starts_with("full "))?;
    let value = line.split(' ').find_map(|field| field.strip_prefix("avg60="))?;
    let (whole, hundredths) = value.split_once('.')?;
    let [tens, ones] = hundredths.as_bytes() else {
        return None;
    };
    let digits = char::from(*tens).to_digit(10)? * 10 + char::from(*ones).to_digit(10)?;
    whole.parse::<u32>().ok()?.checked_mul(100)?.checked_add(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_the_last_minute_is_read_in_hundredths_of_a_percent() {
        let text = "some avg10=1.00 avg60=2.00 avg300=0.00 total=1\nfull avg10=0.00 avg60=12.34 avg300=0.00 total=0\n";
        assert_eq!(full_avg60(text), Some(1234));
        assert_eq!(full_avg60("some avg10=1.00 avg60=2.00 avg300=0.00 total=1\n"), None);
        assert_eq!(full_avg60("full avg60=x.yz"), None);
    }
}
