//! The `SecureBoot` EFI variable. Called by [`crate::host`] only; never writes a variable.

use super::Tree;

/// Name and vendor GUID of the variable (`EFI_GLOBAL_VARIABLE` of the UEFI specification).
const SECURE_BOOT: &str = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";

/// Whether Secure Boot is on; absent without UEFI or when the variable cannot be read.
pub(super) fn secure_boot(tree: &Tree) -> Option<bool> {
    parse(&tree.optional_bytes(SECURE_BOOT)?)
}

/// efivarfs puts four bytes of attributes before the value (Linux, fs/efivarfs/file.c, `efivarfs_file_read`).
fn parse(bytes: &[u8]) -> Option<bool> {
    match bytes {
        [_, _, _, _, 0] => Some(false),
        [_, _, _, _, 1] => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_fifth_byte_is_the_value() {
        assert_eq!(parse(&[6, 0, 0, 0, 1]), Some(true));
        assert_eq!(parse(&[6, 0, 0, 0, 0]), Some(false));
    }

    proptest! {
        #[test]
        fn another_length_or_value_says_nothing(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            if bytes.len() != 5 || bytes[4] > 1 {
                prop_assert_eq!(parse(&bytes), None);
            }
        }
    }
}
