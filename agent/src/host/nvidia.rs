//! NVIDIA's driver and container software, by files only: NVML is [`crate::gpu`]'s. Called by [`crate::host`] only.

use super::{Tree, modinfo};
use bedplate_protocol::facts::{NextKernel, NvidiaFacts, NvmlStatus};
use std::path::{Path, PathBuf};

/// The name by which every client loads NVML.
pub(crate) const LIBRARY: &str = "libnvidia-ml.so.1";

/// Where distributions and NVIDIA's installers put it, in the order of the dynamic linker's usual choice: Debian and Ubuntu
/// multiarch, Red Hat and SUSE, Debian's alternatives, the GPU Operator's driver container, Container-Optimized OS.
const LIBRARY_DIRECTORIES: &[&str] = &[
    "usr/lib/x86_64-linux-gnu",
    "usr/lib/aarch64-linux-gnu",
    "usr/lib64",
    "usr/lib",
    "lib/x86_64-linux-gnu",
    "lib/aarch64-linux-gnu",
    "lib64",
    "usr/lib/x86_64-linux-gnu/nvidia/current",
    "usr/lib/aarch64-linux-gnu/nvidia/current",
    "usr/local/nvidia/lib64",
    "run/nvidia/driver/usr/lib/x86_64-linux-gnu",
    "run/nvidia/driver/usr/lib/aarch64-linux-gnu",
    "run/nvidia/driver/usr/lib64",
    "home/kubernetes/bin/nvidia/lib64",
];

/// Packages put it in the first, administrators in the second, the GPU Operator in the third.
const TOOLKIT: &[&str] = &[
    "usr/bin/nvidia-ctk",
    "usr/local/bin/nvidia-ctk",
    "usr/local/nvidia/toolkit/nvidia-ctk",
];

/// Driver, library, device nodes, container toolkit and CDI.
pub(super) fn read(tree: &Tree, release: &str, nvml: &NvmlStatus) -> NvidiaFacts {
    NvidiaFacts {
        module_on_disk_version: modinfo::nvidia_version(tree, release),
        next_kernel: next_kernel(tree, release),
        ..loaded(tree, nvml)
    }
}

/// The same, but for what is on disk for the next loading, which is as it was `before`: an index of a megabyte names it.
pub(super) fn again(tree: &Tree, nvml: &NvmlStatus, before: &NvidiaFacts) -> NvidiaFacts {
    NvidiaFacts {
        module_on_disk_version: before.module_on_disk_version.clone(),
        next_kernel: before.next_kernel.clone(),
        ..loaded(tree, nvml)
    }
}

/// What is loaded and what containers need; nothing of the module on disk.
fn loaded(tree: &Tree, nvml: &NvmlStatus) -> NvidiaFacts {
    let banner = tree.optional_text("proc/driver/nvidia/version").unwrap_or_default();
    let found = library_entry(tree);
    NvidiaFacts {
        module_version: tree
            .word("sys/module/nvidia/version")
            .or_else(|| module_version(&banner)),
        module_flavour: module_flavour(&banner),
        library_version: found.as_ref().and_then(|(_, file)| library_version(file)),
        library_path: found.map(|(entry, _)| format!("/{entry}")),
        device_nodes: tree
            .names("dev")
            .into_iter()
            .filter(|name| name.starts_with("nvidia"))
            .map(|name| format!("/dev/{name}"))
            .collect(),
        container_toolkit: TOOLKIT
            .iter()
            .find(|path| tree.exists(path))
            .map(|path| format!("/{path}")),
        cdi_specs: cdi_specs(tree),
        module_on_disk_version: None,
        next_kernel: None,
        control_node_denied: control_node_denied(tree, nvml),
    }
}

/// Where Debian's and Ubuntu's boot loaders find the kernel that they start first (symlinks(5) of linux-base,
/// `/etc/kernel-img.conf`: in `/` or in `/boot`).
const KERNEL_LINKS: &[&str] = &["vmlinuz", "boot/vmlinuz"];

/// The kernel of the next boot, where a link names it and its modules are there.
fn next_kernel(tree: &Tree, running: &str) -> Option<NextKernel> {
    let file = KERNEL_LINKS.iter().find_map(|link| tree.resolve(link))?;
    let release = file.file_name()?.to_str()?.strip_prefix("vmlinuz-")?.to_owned();
    let there = tree.exists(format!("lib/modules/{release}/modules.dep"));
    (release != running && there).then(|| NextKernel {
        has_module: modinfo::nvidia_module(tree, &release).is_some(),
        release,
    })
}

/// `NVML_ERROR_NO_PERMISSION`, `NVML_ERROR_OPERATING_SYSTEM`, `NVML_ERROR_UNKNOWN` (nvml.h of go-nvml v0.13.4-0): how NVML answers
/// where a device cgroup took the nodes away (NVIDIA/nvidia-container-toolkit#48, #251).
const REFUSED: &[i32] = &[4, 17, 999];

/// Opens the control node only when NVML has just been refused: its own open of the same file came back, so this one will. No
/// GPU's node is ever opened, for that would wake it.
fn control_node_denied(tree: &Tree, nvml: &NvmlStatus) -> Option<String> {
    let NvmlStatus::InitFailed { code: Some(code), .. } = nvml else {
        return None;
    };
    let node = tree.resolve("dev/nvidiactl").filter(|_| REFUSED.contains(code))?;
    let refused = std::fs::OpenOptions::new().read(true).write(true).open(node).err()?;
    (refused.kind() == std::io::ErrorKind::PermissionDenied).then(|| refused.to_string())
}

/// Where NVML would be loaded from, if it lies in a usual directory.
pub(crate) fn library_on_disk(tree: &Tree) -> Option<PathBuf> {
    library_entry(tree).map(|(_, file)| file)
}

/// The entry beneath the root, and the file it leads to.
fn library_entry(tree: &Tree) -> Option<(String, PathBuf)> {
    LIBRARY_DIRECTORIES.iter().find_map(|directory| {
        let entry = format!("{directory}/{LIBRARY}");
        tree.resolve(&entry).map(|file| (entry, file))
    })
}

fn cdi_specs(tree: &Tree) -> Vec<String> {
    let mut specs = Vec::new();
    for directory in ["etc/cdi", "var/run/cdi"] {
        for name in tree.names(directory) {
            let known = Path::new(&name)
                .extension()
                .is_some_and(|end| end == "yaml" || end == "yml" || end == "json");
            if known {
                specs.push(format!("/{directory}/{name}"));
            }
        }
    }
    specs
}

/// `580.95.05` of `libnvidia-ml.so.580.95.05`; absent for `libnvidia-ml.so.1` itself.
fn library_version(file: &Path) -> Option<String> {
    let version = file.file_name()?.to_str()?.strip_prefix("libnvidia-ml.so.")?;
    is_version(version).then(|| version.to_owned())
}

/// The first word of the first line that is a driver version.
fn module_version(banner: &str) -> Option<String> {
    banner
        .lines()
        .next()?
        .split_whitespace()
        .find(|word| is_version(word))
        .map(str::to_owned)
}

/// `NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05 …` against `NVRM version: NVIDIA UNIX x86_64 Kernel
/// Module  535.54.03 …` as owners of both drivers quote the file in public. Other words give no flavour.
fn module_flavour(banner: &str) -> Option<String> {
    let first = banner.lines().next()?;
    if first.contains("Open Kernel Module") {
        Some("open".to_owned())
    } else if first.contains("Kernel Module") {
        Some("proprietary".to_owned())
    } else {
        None
    }
}

/// Two or three numbers with dots between them, as driver versions are.
fn is_version(word: &str) -> bool {
    let numbers: Vec<&str> = word.split('.').collect();
    (2..=3).contains(&numbers.len())
        && numbers
            .iter()
            .all(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_banners_give_version_and_flavour() {
        let open = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build  (dvs-builder)\nGCC version: 12.2.0\n";
        let closed = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.54.03  Tue Jun  6 22:20:39 UTC 2023\n";
        assert_eq!(module_version(open).as_deref(), Some("580.95.05"));
        assert_eq!(module_flavour(open).as_deref(), Some("open"));
        assert_eq!(module_version(closed).as_deref(), Some("535.54.03"));
        assert_eq!(module_flavour(closed).as_deref(), Some("proprietary"));
    }

    #[test]
    fn the_soname_is_no_version() {
        assert_eq!(library_version(Path::new("/l/libnvidia-ml.so.1")), None);
        assert_eq!(
            library_version(Path::new("/l/libnvidia-ml.so.550.54")).as_deref(),
            Some("550.54")
        );
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "\\PC*", name in "libnvidia-ml\\.so\\.[0-9.]{0,9}") {
            module_version(&text);
            module_flavour(&text);
            library_version(Path::new(&name));
        }
    }
}
