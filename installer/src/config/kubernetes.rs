//! `kubernetes:` and `containerd:`, the settings of other people's programs that a site may need. Called by the room's
//! `mod`. Everything that bedplate can know better from a host's facts has no key here.

use super::keys;
use super::reader::{Reader, Table, kind};
use super::subnet::Subnet;
use saphyr::{MarkedYaml, Scalar, YamlData};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// Kubernetes' own settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubernetesSpec {
    /// Addresses of pods. Default 10.244.0.0/16, flannel's own default (kube-flannel.yml, v0.28.4).
    pub pod_subnet: Subnet,
    /// Addresses of services. Default 10.96.0.0/16, within kubeadm's default 10.96.0.0/12 (kubeadm v1beta4).
    pub service_subnet: Subnet,
    /// kubelet's settings, the same on every node.
    pub kubelet: KubeletSpec,
    /// What kube-proxy does with the kernel's connection tracking limits.
    pub conntrack: Conntrack,
}

/// kubelet's settings; names and meaning as in `KubeletConfiguration` (kubelet.config.k8s.io/v1beta1, v1.36).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KubeletSpec {
    /// Signals and thresholds at which pods are evicted; empty leaves kubelet's defaults. Absolute amounts matter on hosts
    /// with large disks: the default `imagefs.available<15%` evicts with 150 GB free on a 1 TB disk.
    pub eviction_hard: BTreeMap<String, String>,
    /// Percent of the disk in use above which unused images are deleted; 100 never deletes any.
    pub image_gc_high_threshold_percent: Option<u32>,
    /// Percent of the disk in use down to which unused images are deleted.
    pub image_gc_low_threshold_percent: Option<u32>,
}

/// What kube-proxy does with the kernel's connection tracking limits when it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conntrack {
    /// Raises them by the number of processors, kube-proxy's default.
    Manage,
    /// Leaves them, for hosts where they cannot be written (containers) or are set by somebody else.
    Keep,
}

/// containerd's settings; names and meaning as in its `io.containerd.cri.v1.runtime` (containerd 2.4, docs/cri/config.md).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ContainerdSpec {
    /// Never lower a container's OOM score below containerd's own, for hosts where that is not permitted.
    pub restrict_oom_score_adj: bool,
    /// Use no `AppArmor` profiles, for hosts where containerd may not reach `AppArmor`.
    pub disable_apparmor: bool,
}

pub(in crate::config) fn read(node: Option<&MarkedYaml<'_>>, reader: &mut Reader<'_>) -> KubernetesSpec {
    let table = node.and_then(|node| Table::read(node, "kubernetes", reader));
    let mut spec = KubernetesSpec {
        pod_subnet: Subnet::known(Ipv4Addr::new(10, 244, 0, 0), 16),
        service_subnet: Subnet::known(Ipv4Addr::new(10, 96, 0, 0), 16),
        kubelet: KubeletSpec::default(),
        conntrack: Conntrack::Manage,
    };
    let Some(table) = table else { return spec };
    // kube-controller-manager gives each node a /24 of the pod subnet (--node-cidr-mask-size, default 24), and refuses a
    // service subnet of more than 20 host bits (kubeadm's validation, minimumAddressesInServiceSubnet and its /12 maximum).
    let legal = |key: &str| if key == "podSubnet" { 8..=24 } else { 12..=28 };
    for (key, slot) in [
        ("podSubnet", &mut spec.pod_subnet),
        ("serviceSubnet", &mut spec.service_subnet),
    ] {
        let Some((text, at)) = table.text(key, reader) else {
            continue;
        };
        match Subnet::parse(&text) {
            Ok(subnet) if legal(key).contains(&subnet.prefix()) => *slot = subnet,
            Ok(subnet) => {
                let range = legal(key);
                let message = format!("`kubernetes.{key}` has the prefix length {}", subnet.prefix());
                let remedy = format!("Choose one from /{} to /{}.", range.start(), range.end());
                reader.error(at, "config-bad-value", message, remedy);
            }
            Err((message, remedy)) => {
                reader.error(at, "config-bad-value", format!("`kubernetes.{key}`: {message}"), remedy);
            }
        }
    }
    if spec.pod_subnet.overlaps(spec.service_subnet) {
        reader.error(
            table.at(),
            "config-overlap",
            format!(
                "pod subnet {} and service subnet {} overlap",
                spec.pod_subnet, spec.service_subnet
            ),
            "Choose two subnets that share no address, such as 10.244.0.0/16 and 10.96.0.0/16.",
        );
    }
    if let Some(node) = table.get("kubelet") {
        spec.kubelet = kubelet(node, reader);
    }
    if let Some(node) = table.get("kubeProxy") {
        spec.conntrack = conntrack(node, reader);
    }
    spec
}

fn kubelet(node: &MarkedYaml<'_>, reader: &mut Reader<'_>) -> KubeletSpec {
    let Some(table) = Table::read(node, "kubernetes.kubelet", reader) else {
        return KubeletSpec::default();
    };
    let high = table.number("imageGCHighThresholdPercent", &(1..=100), reader);
    let low = table.number("imageGCLowThresholdPercent", &(0..=99), reader);
    // kubelet's defaults are 85 and 80, and it does not start when low is not below high (v1.36, validation.go).
    if high.unwrap_or(85) <= low.unwrap_or(80) {
        reader.error(
            table.at(),
            "config-bad-value",
            "`imageGCLowThresholdPercent` (default 80) must be below `imageGCHighThresholdPercent` (default 85)",
            "Set both, such as 99 and 100.",
        );
    }
    let mut eviction_hard = BTreeMap::new();
    if let Some(signals) = table
        .get("evictionHard")
        .and_then(|node| Table::read(node, "kubernetes.kubelet.evictionHard", reader))
    {
        // kubelet's hard eviction signals on Linux: kubernetes.io, "Node-pressure eviction", read for v1.36.
        for signal in keys::of("kubernetes.kubelet.evictionHard") {
            let Some(node) = signals.get(signal) else { continue };
            match threshold(node) {
                Some(text) => {
                    eviction_hard.insert(signal.to_owned(), text);
                }
                None => reader.error(
                    node.span.start,
                    "config-bad-value",
                    format!("`{signal}` must be an amount or a percentage, and is {}", kind(node)),
                    "Write an amount such as 1Gi or 500Mi, a number of inodes, or a percentage such as 5%.",
                ),
            }
        }
    }
    KubeletSpec {
        eviction_hard,
        image_gc_high_threshold_percent: high,
        image_gc_low_threshold_percent: low,
    }
}

/// A Kubernetes quantity without sign and fraction, or a percentage.
fn threshold(node: &MarkedYaml<'_>) -> Option<String> {
    let text = match &node.data {
        YamlData::Value(Scalar::String(text)) => text.clone().into_owned(),
        YamlData::Value(Scalar::Integer(number)) => number.to_string(),
        _ => return None,
    };
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = &text[digits.len()..];
    let number = !digits.is_empty() && digits.len() <= 18 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let percent_fits = unit != "%" || digits.parse::<u32>().is_ok_and(|percent| percent <= 100);
    let known = ["", "k", "M", "G", "T", "Ki", "Mi", "Gi", "Ti", "%"].contains(&unit);
    (number && known && percent_fits).then_some(text)
}

fn conntrack(node: &MarkedYaml<'_>, reader: &mut Reader<'_>) -> Conntrack {
    let chosen = Table::read(node, "kubernetes.kubeProxy", reader).and_then(|table| table.text("conntrack", reader));
    match chosen.as_ref().map(|(text, at)| (text.as_str(), *at)) {
        Some(("keep", _)) => Conntrack::Keep,
        None | Some(("manage", _)) => Conntrack::Manage,
        Some((text, at)) => {
            reader.error(
                at,
                "config-bad-value",
                format!("`kubernetes.kubeProxy.conntrack` is {text:?}"),
                "Write `manage` (kube-proxy's default) or `keep` (the kernel's limits stay as they are).",
            );
            Conntrack::Manage
        }
    }
}

pub(in crate::config) fn read_containerd(node: Option<&MarkedYaml<'_>>, reader: &mut Reader<'_>) -> ContainerdSpec {
    let Some(table) = node.and_then(|node| Table::read(node, "containerd", reader)) else {
        return ContainerdSpec::default();
    };
    ContainerdSpec {
        restrict_oom_score_adj: table.flag("restrictOomScoreAdj", reader).unwrap_or(false),
        disable_apparmor: table.flag("disableApparmor", reader).unwrap_or(false),
    }
}
