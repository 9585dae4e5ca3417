//! The codes that the agent's own checks can give, read from the data of which its program is made. Called by the room's `mod`.

use serde::Deserialize;

/// What becomes of each code in the agent.
const REASONS: &str = include_str!("../../../agent/src/health/reasons.yaml");

#[derive(Deserialize)]
struct Reasons {
    reasons: Vec<Reason>,
}

#[derive(Deserialize)]
struct Reason {
    code: String,
}

/// Each of them; `*` at the end stands for any rest.
#[allow(clippy::expect_used, reason = "a constant of this program, which a test reads")]
pub(super) fn read() -> Vec<String> {
    let reasons: Reasons = serde_saphyr::from_str(REASONS).expect("the agent is built from this file");
    let codes = reasons.reasons.into_iter().map(|reason| reason.code);
    // `*` alone is what the agent does with a code that it does not know.
    codes.filter(|code| code != "*").collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_only_the_agent_says_of_a_gpu_is_known_here() {
        let codes = super::read();
        for code in ["persistence-off", "gpu-lost", "xid-*"] {
            assert!(codes.iter().any(|known| known == code), "{code} in {codes:?}");
        }
    }
}
