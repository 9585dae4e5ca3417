//! Check 21: the clock agrees with the other machines'. TLS certificates and bootstrap tokens are refused by a clock that is
//! wrong.

use bedplate_protocol::{Finding, NodeFacts, Severity};
use jiff::SignedDuration;

/// How far a clock may be off: the project's own limit. Join tokens live for minutes, and a time service keeps a clock within
/// milliseconds, so what is beyond 5 s is a fault.
const LIMIT: SignedDuration = SignedDuration::from_secs(5);

pub(super) fn check(node: &str, facts: &NodeFacts, offset: Option<SignedDuration>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(offset) = offset.filter(|offset| offset.abs() > LIMIT) {
        let direction = if offset.is_negative() { "behind" } else { "ahead" };
        findings.push(
            Finding::new(
                Severity::Error,
                "clock-offset",
                node,
                format!(
                    "the clock is {:.1} s {direction}; more than 5 s break tokens and certificates",
                    offset.abs().as_secs_f64()
                ),
                "timedatectl set-ntp true, and wait until `timedatectl` says: System clock synchronized: yes",
            )
            .with_evidence(format!("the host's clock said {}", facts.time.now)),
        );
    }
    if facts.time.synchronized == Some(false) {
        findings.push(Finding::new(
            Severity::Warning,
            "clock-not-synchronized",
            node,
            "no time service keeps this host's clock",
            "apt-get install --yes systemd-timesyncd && timedatectl set-ntp true",
        ));
    }
    findings
}
