//! The codes of findings about simulated machines and this one beneath them, each with its weight and what it says. Data;
//! `docs/findings.md` is made from it, and a test of the installer looks that no code in the sources is left out.

use bedplate_protocol::Severity::{self, Error};

/// A code, its weight, what it says.
pub const CODES: &[(&str, Severity, &str)] = &[
    ("tool-missing", Error, "A program is missing that makes the machines."),
    ("overlay-missing", Error, "The kernel has no overlay file system."),
    (
        "fuse-missing",
        Error,
        "There is no /dev/fuse, through which each machine gets its kernel log.",
    ),
    (
        "cache-on-overlay",
        Error,
        "The cache lies on an overlay file system, and overlays cannot be stacked.",
    ),
    (
        "disk-too-small",
        Error,
        "There is less free disk than the machines need.",
    ),
    (
        "inotify-instances-few",
        Error,
        "The kernel grants fewer inotify instances than the machines need.",
    ),
    (
        "rehearsal-locked",
        Error,
        "Another process works on machines of this name.",
    ),
    (
        "rehearsal-differs",
        Error,
        "Machines of another cluster file are kept under this name.",
    ),
    ("simulated-name", Error, "The cluster's name cannot name a namespace."),
    (
        "simulated-section-invalid",
        Error,
        "The section `simulated` cannot be read.",
    ),
    ("simulated-no-nodes", Error, "There is no node to simulate."),
    (
        "simulated-node-unknown",
        Error,
        "The section names a node that the cluster file does not have.",
    ),
    (
        "simulated-gpu-count",
        Error,
        "More GPUs than can be simulated on one machine, or none.",
    ),
    ("simulated-gpu-profile", Error, "A profile that cannot be used."),
    (
        "simulated-address",
        Error,
        "An address that a simulated machine cannot have.",
    ),
    (
        "simulated-address-twice",
        Error,
        "Two simulated machines with one address.",
    ),
    (
        "simulated-nvml-missing",
        Error,
        "The simulated NVML library is not built.",
    ),
    (
        "simulated-kmsg-missing",
        Error,
        "The program that serves kernel logs is not built.",
    ),
];
