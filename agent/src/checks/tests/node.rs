//! Checks of the host: disks, memory, packages, device nodes.

use super::*;
use crate::checks::tests::expect;
use bedplate_protocol::facts::{DiskFacts, NextKernel};

fn disk(mount_point: &str, percent: u64, inodes_percent: u64) -> DiskFacts {
    DiskFacts {
        mount_point: mount_point.into(),
        filesystem: "ext4".into(),
        total_bytes: 1000,
        available_bytes: percent * 10,
        total_inodes: Some(100),
        available_inodes: Some(inodes_percent),
    }
}

#[test]
fn a_disk_warns_at_kubelets_own_thresholds() {
    expect(Health::Healthy, &[], |facts| facts.disks = vec![disk("/", 15, 5)]);
    expect(Health::Healthy, &["node-disk-pressure"], |facts| {
        facts.disks = vec![disk("/", 14, 5)];
    });
    expect(Health::Healthy, &["node-disk-pressure"], |facts| {
        facts.disks = vec![disk("/", 50, 4)];
    });
    expect(Health::Healthy, &[], |facts| {
        facts.disks = vec![disk("/", 10, 5), disk("/var/lib/containerd", 15, 5), disk("/mnt", 0, 0)];
    });
    expect(
        Health::Healthy,
        &["node-disk-pressure", "node-disk-pressure"],
        |facts| {
            facts.disks = vec![disk("/", 9, 5), disk("/var/lib/containerd", 14, 5)];
        },
    );
}

#[test]
fn what_kubelet_was_told_counts_and_not_its_defaults() {
    let told = |signal: &str, value: &str| Some([(signal.to_owned(), value.to_owned())].into());
    expect(Health::Healthy, &[], |facts| {
        facts.disks = vec![disk("/", 1, 1)];
        facts.kubelet_eviction_hard = told("imagefs.available", "9");
    });
    expect(Health::Healthy, &["node-disk-pressure"], |facts| {
        facts.disks = vec![disk("/", 1, 1)];
        facts.kubelet_eviction_hard = told("imagefs.available", "11");
    });
    expect(Health::Healthy, &["node-memory-low"], |facts| {
        facts.memory.total_bytes = 16 << 30;
        facts.memory.available_bytes = 1 << 30;
        facts.kubelet_eviction_hard = told("memory.available", "2Gi");
    });
}

#[test]
fn memory_warns_at_kubelets_and_oomds_own_thresholds() {
    let memory = |available| {
        move |facts: &mut NodeFacts| {
            facts.memory.total_bytes = 16 << 30;
            facts.memory.available_bytes = available;
        }
    };
    expect(Health::Healthy, &[], memory(100 << 20));
    expect(Health::Healthy, &["node-memory-low"], memory((100 << 20) - 1));
    expect(Health::Healthy, &[], |facts| {
        facts.pressure.memory_full_avg60 = Some(5999);
    });
    expect(Health::Healthy, &["memory-pressure"], |facts| {
        facts.pressure.memory_full_avg60 = Some(6000);
    });
}

#[test]
fn what_an_upgrade_left_behind_is_told_before_the_next_boot() {
    expect(Health::Healthy, &["nvidia-module-changed"], |facts| {
        facts.nvidia.module_on_disk_version = Some("580.105.08".into());
    });
    let kernel = |has_module| {
        Some(NextKernel {
            release: "6.1.0-40-amd64".into(),
            has_module,
        })
    };
    expect(Health::Healthy, &["next-kernel-without-module"], |facts| {
        facts.nvidia.next_kernel = kernel(false);
    });
    expect(Health::Healthy, &[], |facts| facts.nvidia.next_kernel = kernel(true));
    expect(Health::Healthy, &["dpkg-interrupted", "reboot-pending"], |facts| {
        facts.packages.dpkg_interrupted = true;
        facts.packages.reboot_required_by = vec!["dbus".into(), "nvidia-dkms-580".into()];
    });
    let mut without = healthy(0);
    without.nvidia.module_version = None;
    without.nvml.status = NvmlStatus::LibraryMissing {
        detail: "no such file".into(),
    };
    without.nvidia.next_kernel = kernel(false);
    assert_eq!(
        codes(&without, None),
        (Health::Healthy, vec![]),
        "a host without the driver drifts nowhere"
    );
}

#[test]
fn a_container_needs_nvidia_uvm_too() {
    expect(Health::Problem, &["nvidia-uvm-missing"], |facts| {
        facts.nvidia.device_nodes.retain(|node| node != "/dev/nvidia-uvm");
    });
    expect(Health::Healthy, &["nvidia-uvm-tools-missing"], |facts| {
        facts.nvidia.device_nodes.retain(|node| node != "/dev/nvidia-uvm-tools");
    });
}
