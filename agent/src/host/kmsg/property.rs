//! What holds of any bytes that a read of `/dev/kmsg` gives. Called by the fuzz target `kmsg_record` and by a property test.

use super::record;

/// They are a record or a reason why not, and never more text than three times the bytes.
pub(crate) fn holds(bytes: &[u8]) {
    if let Ok(record) = record::parse(bytes) {
        // A byte that is no UTF-8 becomes U+FFFD, of three bytes.
        assert!(record.text.len() <= 3 * bytes.len());
        assert!(record.is_kernel() == (record.facility == 0));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_a_record_or_a_reason_and_never_grow(bytes in proptest::collection::vec(any::<u8>(), 0..9000)) {
            super::holds(&bytes);
        }

        #[test]
        fn so_are_bytes_that_begin_as_a_record(prefix in "[0-9]{1,20},[0-9]{1,20},[0-9]{1,20},-(,[a-z=]{0,9})?;", rest in proptest::collection::vec(any::<u8>(), 0..2000)) {
            super::holds(&[prefix.as_bytes(), &rest].concat());
        }
    }
}
