//! containerd: its configuration and its unit. Called by the room's `mod`.

use super::software::{directory, pause};
use super::{PlanError, Site};
use crate::config::NodeSpec;
use bedplate_protocol::facts::CgroupVersion;
use bedplate_protocol::plan::Content;
use bedplate_protocol::{NodeFacts, StepKind, StepSpec};
use std::fmt::Write;

const CONFIG: &str = "/etc/containerd/config.toml";

/// containerd's own unit: `containerd.service` of containerd v2.4.2 (Apache-2.0), without its licence header.
const UNIT: &str = include_str!("containerd.service");

pub(super) fn steps(site: &Site<'_>, node: &NodeSpec, facts: &NodeFacts) -> Result<Vec<StepSpec>, PlanError> {
    Ok(vec![
        directory("/etc/containerd"),
        directory("/etc/containerd/conf.d"),
        directory("/etc/cni/net.d"),
        StepSpec::new(StepKind::File {
            path: CONFIG.to_owned(),
            mode: 0o644,
            content: Content::text(config(site, node, facts)?),
        }),
        StepSpec::new(StepKind::Unit {
            name: "containerd.service".to_owned(),
            content: UNIT.to_owned(),
            restart_on: vec![CONFIG.to_owned(), "/usr/local/bin/containerd".to_owned()],
            active: true,
        }),
    ])
}

/// Configuration version 3 (containerd 2). What is left out stays at containerd's defaults; CDI is on by default there.
///
/// `imports` is the door for NVIDIA's container toolkit. `nvidia-ctk runtime configure`, which the GPU Operator's toolkit runs at
/// each start, puts a file of its own there and writes this one anew all the same (`ConfigWithDropIn.Save` of
/// nvidia-container-toolkit v1.20.1, read and seen 2026-11-22): keys in order, indented, without comments. So it is written like
/// that from the beginning, and neither undoes the other's.
fn config(site: &Site<'_>, node: &NodeSpec, facts: &NodeFacts) -> Result<String, PlanError> {
    let settings = site.spec.containerd;
    let mut text = format!(
        r#"imports = ["/etc/containerd/conf.d/*.toml"]
version = 3

[plugins]

  [plugins."io.containerd.cri.v1.images"]

    [plugins."io.containerd.cri.v1.images".pinned_images]
      sandbox = "{}"

  [plugins."io.containerd.cri.v1.runtime"]
"#,
        pause(site, node)?.name
    );
    if settings.disable_apparmor {
        text.push_str("    disable_apparmor = true\n");
    }
    if settings.restrict_oom_score_adj {
        text.push_str("    restrict_oom_score_adj = true\n");
    }
    let _ = write!(
        text,
        r#"
    [plugins."io.containerd.cri.v1.runtime".cni]
      bin_dirs = ["/opt/cni/bin"]
      conf_dir = "/etc/cni/net.d"

    [plugins."io.containerd.cri.v1.runtime".containerd]

      [plugins."io.containerd.cri.v1.runtime".containerd.runtimes]

        [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
          runtime_type = "io.containerd.runc.v2"

          [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
            SystemdCgroup = {}
"#,
        cgroup_driver(facts) == "systemd"
    );
    Ok(text)
}

/// Who makes cgroups: systemd where the host has cgroup v2, as kubernetes.io, "Container Runtimes", recommends; on v1 the
/// hierarchies that kubelet needs need not all be systemd's, so kubelet and runc write them themselves.
pub(super) fn cgroup_driver(facts: &NodeFacts) -> &'static str {
    if facts.cgroup == CgroupVersion::V1 {
        "cgroupfs"
    } else {
        "systemd"
    }
}
