//! Names that DNS and Kubernetes can carry. Called by `nodes` and the room's `mod`.

use super::reader::Reader;
use saphyr::Marker;

/// Checks an RFC 1123 label (§2.1: letters, digits, '-', at most 63), lower case as Kubernetes wants it: a node's name is
/// its host name and part of names that are labels.
pub(in crate::config) fn check_label(text: &str, what: &str, at: Marker, reader: &mut Reader<'_>) -> bool {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let good = !text.is_empty()
        && text.len() <= 63
        && text.bytes().all(legal)
        && !text.starts_with('-')
        && !text.ends_with('-');
    if !good {
        reader.error(
            at,
            "config-bad-value",
            format!("{what} is {text:?}, which is no RFC 1123 label"),
            "Use 1 to 63 lower-case letters, digits and '-', with a letter or digit at both ends.",
        );
    }
    good
}
