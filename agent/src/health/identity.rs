//! Which GPU it is that has lost its name. Pure; called by [`super::Fold`] only.
//!
//! A GPU that fell off the bus has no UUID any more, and the kernel's log names GPUs by their PCI address. Pods, labels and
//! people know a GPU by its UUID, so what was known of it before is given back to it, where only one can be meant.

use super::Sight;
use bedplate_protocol::{GpuVerdict, Verdict};
use std::collections::BTreeMap;

/// The same verdict and sight with the names that GPUs had before.
pub(super) fn identify(verdict: &Verdict, sight: &Sight, known: &[GpuVerdict]) -> (Verdict, Sight) {
    let mut verdict = verdict.clone();
    let mut sight = sight.clone();
    let aliases = aliases(&verdict.gpus, known);
    for gpu in verdict.gpus.iter_mut().filter(|gpu| gpu.uuid.is_none()) {
        let names = [gpu.pci_address.clone(), Some(format!("gpu-{}", gpu.index))];
        let found = names.iter().flatten().find_map(|name| aliases.get(name));
        if let Some(before) = found.and_then(|uuid| known.iter().find(|gpu| gpu.uuid.as_ref() == Some(uuid))) {
            gpu.uuid.clone_from(&before.uuid);
            gpu.serial = gpu.serial.take().or_else(|| before.serial.clone());
            gpu.name = gpu.name.take().or_else(|| before.name.clone());
            gpu.pci_address = gpu.pci_address.take().or_else(|| before.pci_address.clone());
        }
    }
    for finding in &mut verdict.findings {
        let Some((host, name)) = finding.subject.split_once('/') else {
            continue;
        };
        if let Some(uuid) = aliases.get(name) {
            let line = format!("{name} is {uuid}, by what was read of it before");
            finding.subject = format!("{host}/{uuid}");
            finding.evidence.push(line);
        }
    }
    for names in [&mut sight.there, &mut sight.reset, &mut sight.withdrawn] {
        let more: Vec<String> = names.iter().filter_map(|name| aliases.get(name).cloned()).collect();
        names.extend(more);
    }
    (verdict, sight)
}

/// UUIDs by the other names that something may be told of a GPU under.
fn aliases(now: &[GpuVerdict], known: &[GpuVerdict]) -> BTreeMap<String, String> {
    let named = |gpus: &[GpuVerdict]| -> Vec<(u32, Option<String>, String)> {
        gpus.iter()
            .filter_map(|gpu| Some((gpu.index, gpu.pci_address.clone(), gpu.uuid.clone()?)))
            .collect()
    };
    let (now_named, known_named) = (named(now), named(known));
    let mut aliases = BTreeMap::new();
    // What was read now is truer than what was read before.
    for (_, address, uuid) in known_named.iter().chain(&now_named) {
        if let Some(address) = address {
            aliases.insert(address.clone(), uuid.clone());
        }
    }
    // Indices mean the same GPUs as before when all that can be compared are where they were.
    let stayed = now_named.iter().all(|(index, _, uuid)| {
        known_named
            .iter()
            .any(|(before, _, known)| before == index && known == uuid)
    });
    for gpu in now.iter().filter(|gpu| gpu.uuid.is_none() && gpu.pci_address.is_none()) {
        let before = known_named.iter().find(|(index, _, _)| *index == gpu.index);
        if let Some((_, _, uuid)) = before.filter(|_| stayed) {
            aliases.insert(format!("gpu-{}", gpu.index), uuid.clone());
        }
    }
    aliases
}

#[cfg(test)]
mod tests {
    use super::*;
    use bedplate_protocol::{Finding, Health, Severity};

    fn gpu(index: u32, uuid: Option<&str>, address: Option<&str>) -> GpuVerdict {
        let text = |text: Option<&str>| text.map(str::to_owned);
        GpuVerdict {
            index,
            uuid: text(uuid),
            name: None,
            serial: None,
            pci_address: text(address),
            health: Health::Healthy,
            action: None,
        }
    }

    fn known() -> Vec<GpuVerdict> {
        vec![
            gpu(0, Some("GPU-a"), Some("0000:18:00.0")),
            gpu(1, Some("GPU-b"), Some("0000:38:00.0")),
        ]
    }

    fn subjects(gpus: Vec<GpuVerdict>, subject: &str) -> String {
        let finding = Finding::new(Severity::Error, "gpu-lost", subject, "m", "c");
        let verdict = Verdict {
            health: Health::Problem,
            gpus,
            action: None,
            findings: vec![finding],
        };
        identify(&verdict, &Sight::default(), &known()).0.findings[0]
            .subject
            .clone()
    }

    #[test]
    fn a_lost_gpu_is_known_by_its_place_among_the_others() {
        let gpus = || vec![gpu(0, Some("GPU-a"), None), gpu(1, None, None)];
        assert_eq!(subjects(gpus(), "n/gpu-1"), "n/GPU-b");
        assert_eq!(subjects(gpus(), "n"), "n");
        let verdict = Verdict {
            health: Health::Problem,
            gpus: gpus(),
            action: None,
            findings: vec![],
        };
        let (named, _) = identify(&verdict, &Sight::default(), &known());
        assert_eq!(named.gpus[1].pci_address.as_deref(), Some("0000:38:00.0"));
    }

    #[test]
    fn nothing_is_guessed_when_the_others_have_moved() {
        assert_eq!(
            subjects(vec![gpu(0, Some("GPU-b"), None), gpu(1, None, None)], "n/gpu-1"),
            "n/gpu-1"
        );
        assert_eq!(
            subjects(vec![gpu(0, None, None), gpu(2, None, None)], "n/gpu-2"),
            "n/gpu-2"
        );
    }

    #[test]
    fn the_kernels_address_is_a_gpu_that_was_read() {
        assert_eq!(subjects(vec![], "n/0000:38:00.0"), "n/GPU-b");
        assert_eq!(subjects(vec![], "n/0000:99:00.0"), "n/0000:99:00.0");
        let swapped = vec![gpu(0, Some("GPU-b"), Some("0000:18:00.0"))];
        assert_eq!(subjects(swapped, "n/0000:18:00.0"), "n/GPU-b");
    }
}
