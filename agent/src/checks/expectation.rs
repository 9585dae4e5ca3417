//! What somebody has said of the GPUs, beyond their number and model. Called by [`super::judge`] only.

use super::codes::Code;
use super::{Observation, codes, id, reset, subject};
use bedplate_protocol::facts::GpuFacts;
use bedplate_protocol::message::Expectation;
use bedplate_protocol::{Finding, NodeFacts};

/// An expected value that the product does not have is not there, so it is a difference too. GPUs that sleep or whose calls
/// failed are not compared: what they lack may just not have been read, and that has its own finding.
pub(super) fn check(seen: &Observation<'_>) -> Vec<Finding> {
    let Some(expect) = seen.expect else { return Vec::new() };
    let facts = seen.facts;
    let mut findings: Vec<Finding> = driver(facts, expect).into_iter().collect();
    for gpu in facts
        .nvml
        .gpus
        .iter()
        .filter(|gpu| !gpu.suspended && gpu.errors.is_empty())
    {
        findings.extend(memory(facts, gpu, expect));
        findings.extend(link_width(facts, gpu, expect));
        findings.extend(switches(facts, gpu, expect));
    }
    findings
}

/// `580` stands for every 580.x.
fn driver(facts: &NodeFacts, expect: &Expectation) -> Option<Finding> {
    let wanted = expect.driver.as_deref()?;
    let (there, source) = match (&facts.nvml.driver_version, &facts.nvidia.module_version) {
        (Some(version), _) => (version, "nvmlSystemGetDriverVersion"),
        (None, Some(version)) => (version, "/sys/module/nvidia/version"),
        // No driver at all is the driver check's to say.
        (None, None) => return None,
    };
    let same = there
        .strip_prefix(wanted)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    (!same).then(|| {
        codes::EXPECTED_DRIVER
            .about(
                facts.hostname.clone(),
                format!("driver {wanted} is expected and this is {there}"),
                format!("install driver {wanted}, or correct the expectation to {there}"),
            )
            .with_evidence(format!("{source}: {there}"))
    })
}

fn memory(facts: &NodeFacts, gpu: &GpuFacts, expect: &Expectation) -> Option<Finding> {
    let wanted = expect.memory_gib?;
    let bytes = gpu.memory_total_bytes.unwrap_or_default();
    (bytes >> 30 < u64::from(wanted)).then(|| {
        let message = format!(
            "at least {wanted} GiB of memory are expected and this GPU has {}",
            bytes >> 30
        );
        let cure = format!("put the right card in, or correct the expectation to {}", bytes >> 30);
        let evidence = format!("nvmlDeviceGetMemoryInfo_v2: {bytes} bytes");
        codes::EXPECTED_MEMORY
            .about(subject(facts, gpu), message, cure)
            .with_evidence(evidence)
    })
}

/// What device and slot support, for the link of an idle GPU may be narrower.
fn link_width(facts: &NodeFacts, gpu: &GpuFacts, expect: &Expectation) -> Option<Finding> {
    let wanted = expect.link_width?;
    let there = gpu.pcie_max_width.unwrap_or_default();
    (there < wanted).then(|| {
        let message = format!("{wanted} PCIe lanes are expected and this GPU has {there} with its slot");
        let cure = format!("move the card to a slot with {wanted} lanes, or correct the expectation to {there}");
        let evidence = format!("nvmlDeviceGetMaxPcieLinkWidth = {there}");
        codes::EXPECTED_LINK_WIDTH
            .about(subject(facts, gpu), message, cure)
            .with_evidence(evidence)
    })
}

/// Code, name, what is wanted, what is there, cure.
type Switch<'a> = (Code, &'a str, Option<bool>, Option<bool>, String);

/// What is on or off.
fn switches(facts: &NodeFacts, gpu: &GpuFacts, expect: &Expectation) -> Vec<Finding> {
    let id = id(gpu);
    let mode = |on: Option<bool>| u8::from(on == Some(true));
    let rows: [Switch<'_>; 3] = [
        (
            codes::EXPECTED_MIG,
            "MIG",
            expect.mig,
            // A product without MIG has it off.
            gpu.mig_enabled.or(Some(false)),
            format!(
                "drain the node, nvidia-smi -i {id} -mig {}, then {}",
                mode(expect.mig),
                reset(gpu)
            ),
        ),
        (
            codes::EXPECTED_PERSISTENCE,
            "persistence mode",
            expect.persistence,
            gpu.persistence_mode,
            format!("nvidia-smi -i {id} --persistence-mode={}", mode(expect.persistence)),
        ),
        (
            codes::EXPECTED_ECC,
            "ECC",
            expect.ecc,
            gpu.ecc_enabled,
            format!(
                "drain the node, nvidia-smi -i {id} --ecc-config={}, then {}",
                mode(expect.ecc),
                reset(gpu)
            ),
        ),
    ];
    let word = |on: bool| if on { "on" } else { "off" };
    let mut findings = Vec::new();
    for (code, name, wanted, there, cure) in rows {
        let Some(wanted) = wanted.filter(|wanted| there != Some(*wanted)) else {
            continue;
        };
        let there = there.map_or("unknown to this product or driver", word);
        let message = format!("{name} is expected to be {} and is {there}", word(wanted));
        findings.push(code.about(subject(facts, gpu), message, cure));
    }
    findings
}
