//! Every code that a finding about a cluster file can have. Data; `docs/findings.md` is tested against it.

use bedplate_protocol::Severity;

/// The codes of this room's findings, with a line of explanation each.
pub const CODES: &[(&str, Severity, &str)] = &[
    (
        "config-syntax",
        Severity::Error,
        "The cluster file is not YAML, or holds no table of keys.",
    ),
    (
        "config-unknown-key",
        Severity::Error,
        "A key that bedplate does not know; the nearest known one is suggested.",
    ),
    (
        "config-missing-key",
        Severity::Error,
        "A key without which nothing can be done.",
    ),
    (
        "config-wrong-type",
        Severity::Error,
        "A value of another type than the key wants.",
    ),
    (
        "config-bad-value",
        Severity::Error,
        "A value of the right type that cannot be used.",
    ),
    (
        "config-duplicate",
        Severity::Error,
        "Two nodes with one name or one address, or one code accepted twice.",
    ),
    (
        "config-overlap",
        Severity::Error,
        "Pod subnet, service subnet and node addresses overlap.",
    ),
    (
        "config-unsupported",
        Severity::Error,
        "Legal, but more than this version can do.",
    ),
    (
        "config-unreadable-file",
        Severity::Error,
        "A file or folder that the cluster file names cannot be read.",
    ),
    (
        "config-key-permissions",
        Severity::Warning,
        "A private key that other users of this machine can read.",
    ),
    (
        "config-unknown-code",
        Severity::Warning,
        "`accept` names a finding that no check of this version makes.",
    ),
];
