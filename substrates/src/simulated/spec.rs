//! The config's `simulated` section. Pure: text in, [`Spec`] or findings out.

use bedplate_protocol::{Finding, Severity};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// What the simulated machines have that the `nodes` list cannot say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Spec {
    /// How a machine is made.
    pub kind: Kind,
    /// GPUs by node name. A node that is not named here has none.
    pub gpus: BTreeMap<String, Gpus>,
    /// Where the machines' Debian packages come from; Debian's own address when absent.
    pub mirror: Option<String>,
}

/// How a machine is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// systemd in namespaces, on this machine's kernel.
    #[default]
    Container,
}

/// The GPUs of one machine; all of one model.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Gpus {
    /// A profile of the simulated NVML library: `h100-80gb-hbm3`.
    pub profile: String,
    /// How many.
    pub count: u32,
}

/// A limit of ours, so that a slip of the finger is a finding and not a thousand device nodes.
pub const MAX_GPUS: u32 = 16;

impl Spec {
    /// Reads the section. An absent section is a spec without GPUs.
    #[allow(
        clippy::result_large_err,
        reason = "read once a run; a finding is what the caller prints"
    )]
    #[allow(
        clippy::result_large_err,
        reason = "read once a run; a finding is what the caller prints"
    )]
    pub fn read(section: Option<&serde_json::Value>) -> Result<Self, Finding> {
        let Some(section) = section else {
            return Ok(Self::default());
        };
        serde_json::from_value(section.clone()).map_err(|error| {
            Finding::new(
                Severity::Error,
                "simulated-section-invalid",
                "simulated",
                format!("the section `simulated` cannot be read: {error}"),
                "write it as: simulated: {gpus: {<node>: {profile: h100-80gb-hbm3, count: 2}}}",
            )
        })
    }

    /// Every mistake in this section and in the nodes' addresses that would stop the machines from being made.
    pub fn validate(&self, nodes: &[(String, Ipv4Addr)]) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut error = |code: &str, subject: String, message: String, remedy: String| {
            findings.push(Finding::new(Severity::Error, code, subject, message, remedy));
        };
        for (name, gpus) in &self.gpus {
            let subject = format!("simulated.gpus.{name}");
            if !nodes.iter().any(|(node, _)| node == name) {
                error(
                    "simulated-node-unknown",
                    subject.clone(),
                    format!("`{name}` is not in `nodes`"),
                    format!(
                        "name one of: {}",
                        nodes
                            .iter()
                            .map(|(node, _)| node.as_str())
                            .collect::<Vec<_>>()
                            .join(", ")
                    ),
                );
            }
            if gpus.count == 0 || gpus.count > MAX_GPUS {
                error(
                    "simulated-gpu-count",
                    format!("{subject}.count"),
                    format!("{} GPUs cannot be simulated on one machine", gpus.count),
                    format!("write a count from 1 to {MAX_GPUS}, or leave `{name}` out for a machine without GPUs"),
                );
            }
        }
        if nodes.is_empty() {
            error(
                "simulated-no-nodes",
                "nodes".into(),
                "there is no node to simulate".into(),
                "add an entry to `nodes`, e.g. {name: gpu-1, address: 10.79.0.11, role: control-plane}".into(),
            );
        }
        let subnet = nodes.first().map(|(_, address)| subnet(*address));
        for (index, (name, address)) in nodes.iter().enumerate() {
            let subject = format!("nodes[{index}].address");
            let [a, b, c, last] = address.octets();
            if subnet.is_some_and(|subnet| subnet != [a, b, c]) || matches!(last, 0 | 1 | 255) {
                let [a, b, c] = subnet.unwrap_or([a, b, c]);
                error(
                    "simulated-address",
                    subject.clone(),
                    format!(
                        "`{name}` has {address}, which is no host address of the simulated network {a}.{b}.{c}.0/24 (its .1 is the gateway)"
                    ),
                    format!("use an address from {a}.{b}.{c}.2 to {a}.{b}.{c}.254"),
                );
            }
            if let Some((other, _)) = nodes[..index].iter().find(|(_, earlier)| earlier == address) {
                error(
                    "simulated-address-twice",
                    subject,
                    format!("`{name}` and `{other}` have the same address {address}"),
                    "give each node its own address".into(),
                );
            }
        }
        findings
    }
}

/// The /24 that an address lies in.
pub fn subnet(address: Ipv4Addr) -> [u8; 3] {
    let [a, b, c, _] = address.octets();
    [a, b, c]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(addresses: &[&str]) -> Vec<(String, Ipv4Addr)> {
        addresses
            .iter()
            .enumerate()
            .map(|(i, a)| (format!("gpu-{}", i + 1), a.parse().unwrap()))
            .collect()
    }

    #[test]
    fn an_unknown_key_is_named() {
        let finding = Spec::read(Some(&serde_json::json!({"gpu": {}}))).unwrap_err();
        assert!(finding.message.contains("`gpu`"), "{finding}");
    }

    #[test]
    fn every_mistake_is_found_at_once() {
        let section = serde_json::json!({"gpus": {"gpu-9": {"profile": "h100-80gb-hbm3", "count": 0}}});
        let spec = Spec::read(Some(&section)).unwrap();
        let findings = spec.validate(&nodes(&["10.79.0.11", "10.79.1.12", "10.79.0.11", "10.79.0.1"]));
        let codes: Vec<&str> = findings.iter().map(|finding| finding.code.as_str()).collect();
        assert_eq!(
            codes,
            [
                "simulated-node-unknown",
                "simulated-gpu-count",
                "simulated-address",
                "simulated-address-twice",
                "simulated-address"
            ]
        );
    }

    #[test]
    fn a_good_section_has_no_findings() {
        let section = serde_json::json!({"gpus": {"gpu-1": {"profile": "h100-80gb-hbm3", "count": 2}}});
        let spec = Spec::read(Some(&section)).unwrap();
        assert_eq!(spec.validate(&nodes(&["10.79.0.11", "10.79.0.12"])), []);
    }
}
