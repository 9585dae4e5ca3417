//! What is there on a host: readers over `/proc`, `/sys`, `/etc`, `/run` and `/dev`, all rooted at a path.
//!
//! A reader never changes anything, never fails the whole and never judges: what it cannot read is absent, and why is in
//! [`NodeFacts::unreadable`]. Called by the verbs `facts`, `check` and `session`.

mod blocked;
mod cgroup;
mod disks;
mod efivars;
pub(crate) mod kmsg;
pub(crate) mod kubelet;
mod modinfo;
mod modprobe;
mod mounts;
mod networks;
pub(crate) mod nvidia;
mod os_release;
mod packages;
mod pressure;
mod procfs;
mod refresh;
mod services;
mod swap;
mod sysfs;
mod time;
mod tree;

use crate::gpu;
use bedplate_protocol::NodeFacts;
use bedplate_protocol::facts::{BootFacts, KernelFacts, NvmlFacts, ServiceFacts};
use jiff::Timestamp;
pub(crate) use refresh::Refresh;
use std::path::Path;
pub(crate) use tree::Tree;

/// Everything about the host whose root directory is `root` (`/` for the running one), NVML read in a worker process with
/// the default deadline.
pub(crate) fn read_facts(root: &Path) -> NodeFacts {
    read_facts_with(root, &gpu::Pass::default())
}

/// The same with a chosen library and deadline for NVML.
pub(crate) fn read_facts_with(root: &Path, pass: &gpu::Pass) -> NodeFacts {
    let tree = Tree::new(root);
    let found = pass.library.clone().or_else(|| nvidia::library_on_disk(&tree));
    let asked = Timestamp::now();
    let nvml = gpu::read(found.as_deref(), tree.is_running_host(), pass.deadline);
    let mut facts = read_tree(tree, nvml);
    facts.time.nvml_asked = Some(asked);
    facts
}

/// Everything but NVML, which the caller has read (or, in a test, written down).
pub(crate) fn read_tree(tree: Tree, nvml: NvmlFacts) -> NodeFacts {
    let services = services::read(&tree);
    read_beside(tree, nvml, services)
}

/// Everything but NVML and the units, which the caller has.
fn read_beside(tree: Tree, nvml: NvmlFacts, services: Vec<ServiceFacts>) -> NodeFacts {
    let mounts = mounts::read(&tree);
    let release = procfs::kernel_release(&tree);
    let modules = procfs::modules(&tree);
    let nvidia = nvidia::read(&tree, &release, &nvml.status);
    NodeFacts {
        hostname: procfs::hostname(&tree),
        machine_id: tree.word("etc/machine-id"),
        os: os_release::read(&tree),
        kernel: KernelFacts {
            headers: modprobe::has_headers(&tree, &release),
            blacklisted: modprobe::blacklisted(&tree),
            machine: procfs::machine(&tree),
            cmdline: tree.optional_text("proc/cmdline").unwrap_or_default().trim().to_owned(),
            modular: modules.is_some(),
            modules: modules.unwrap_or_default(),
            release,
        },
        boot: BootFacts {
            boot_id: tree.required_word("proc/sys/kernel/random/boot_id"),
            uefi: tree.exists("sys/firmware/efi"),
            secure_boot: efivars::secure_boot(&tree),
            module_signatures_enforced: sysfs::signatures_enforced(&tree),
        },
        cgroup: cgroup::read(&tree),
        nvidia_pci: sysfs::nvidia_devices(&tree),
        nvidia,
        nvml,
        cpu: procfs::cpu(&tree),
        memory: procfs::memory(&tree),
        swaps: swap::in_use(&tree),
        fstab_swaps: swap::in_fstab(&tree),
        disks: disks::read(&tree, &mounts),
        networks: networks::read(&tree),
        time: time::read(&tree, &services),
        mounts,
        services,
        blocked_processes: blocked::read(&tree),
        pressure: pressure::read(&tree),
        kubelet_eviction_hard: kubelet::eviction_hard(&tree),
        packages: packages::read(&tree),
        unreadable: tree.into_unreadable(),
    }
}
