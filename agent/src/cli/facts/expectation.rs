//! `facts --expectation`: what this host has, written as what such a host must have. Pure; called by the verb `facts`.

use bedplate_protocol::NodeFacts;
use bedplate_protocol::facts::GpuFacts;
use bedplate_protocol::message::Expectation;
use std::fmt::Write as _;

/// What all GPUs have in common. A value in which they differ, or that the product does not have, is left out.
pub(super) fn of(facts: &NodeFacts) -> Expectation {
    let gpus = &facts.nvml.gpus;
    Expectation {
        gpus: u32::try_from(gpus.len()).ok(),
        model: common(gpus, |gpu| gpu.name.clone()),
        driver: facts.nvml.driver_version.clone(),
        memory_gib: common(gpus, |gpu| u32::try_from(gpu.memory_total_bytes? >> 30).ok()),
        mig: common(gpus, |gpu| gpu.mig_enabled),
        persistence: common(gpus, |gpu| gpu.persistence_mode),
        ecc: common(gpus, |gpu| gpu.ecc_enabled),
        link_width: common(gpus, |gpu| gpu.pcie_max_width),
    }
}

fn common<T: PartialEq>(gpus: &[GpuFacts], value: impl Fn(&GpuFacts) -> Option<T>) -> Option<T> {
    let first = value(gpus.first()?)?;
    gpus.iter()
        .all(|gpu| value(gpu).as_ref() == Some(&first))
        .then_some(first)
}

/// The block for a node of the cluster file, and the same for `check --expect` as a comment.
pub(super) fn yaml(facts: &NodeFacts, expect: &Expectation, written: &str) -> String {
    let mut text = format!(
        "# {} at {}, for its node in cluster.yaml. The same by hand: bedplate-agent check --expect '{written}'\nexpect:\n",
        facts.hostname, facts.time.now
    );
    // JSON's scalars are YAML's (YAML 1.2.2, 1.2), and the type's own names are the file's keys.
    if let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(expect) {
        for (key, value) in fields {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {key}: {value}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_in_which_the_gpus_differ_are_left_out() {
        let gpu = |name: &str, memory: u64| GpuFacts {
            name: Some(name.into()),
            memory_total_bytes: Some(memory),
            ecc_enabled: Some(true),
            ..GpuFacts::default()
        };
        let two = [
            gpu("NVIDIA H100 80GB HBM3", 80 << 30),
            gpu("NVIDIA H100 PCIe", 80 << 30),
        ];
        assert_eq!(common(&two, |gpu| gpu.name.clone()), None);
        assert_eq!(common(&two, |gpu| gpu.memory_total_bytes), Some(80 << 30));
        assert_eq!(common(&two, |gpu| gpu.persistence_mode), None);
        assert_eq!(common(&[], |gpu| gpu.ecc_enabled), None);
    }
}
