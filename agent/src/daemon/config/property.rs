//! What holds of any text that is given as the daemon's configuration. Called by the fuzz target `configuration` and by a property
//! test.

use super::{meaning, yaml};

/// It is a configuration, or every mistake is told with its place in the file, at most so many and each on a line.
pub(crate) fn holds(text: &str) {
    match yaml::parse("agent.yaml", text, meaning::of_settings) {
        Ok((config, _)) => {
            assert!((1..=3600).contains(&config.interval.get().as_secs()));
            assert!((1..=3600).contains(&config.nvml.deadline.get().as_secs()));
            for wanted in config.checks {
                assert!(wanted.mode.is_some() || wanted.severity.is_some() || wanted.action.is_some());
                assert!(
                    wanted.xid.is_none() || wanted.code.starts_with("xid-"),
                    "{}",
                    wanted.code
                );
            }
        }
        Err(findings) => {
            assert!(!findings.is_empty(), "refused without a reason");
            assert!(findings.len() <= 51, "{} mistakes", findings.len());
            for finding in findings {
                let mut place = finding.subject.split(':');
                assert_eq!(place.next(), Some("agent.yaml"));
                assert!(
                    place.all(|number| number.parse::<usize>().is_ok()),
                    "{}",
                    finding.subject
                );
                assert!(!finding.message.is_empty());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    const KEYS: &[&str] = &[
        "nodeName",
        "interval",
        "nvml",
        "library",
        "deadline",
        "kernelLog",
        "stateDirectory",
        "expect",
        "gpus",
        "model",
        "checks",
        "code",
        "mode",
        "owner",
        "reason",
        "expires",
        "gpu",
        "xid",
        "severity",
        "action",
        "listen",
        "serve",
        "tls",
        "certificateFile",
        "keyFile",
        "kubernetes",
        "apiServer",
        "caFile",
        "tokenFile",
        "heartbeat",
        "taints",
        "perhaps",
    ];
    const VALUES: &[&str] = &[
        "",
        "10s",
        "2m",
        "0s",
        "x",
        "-1",
        "1e999",
        "true",
        "[]",
        "{}",
        "[[[]]]",
        "{a: {b: [1, {c: d}]}}",
        "0.0.0.0:9479",
        "~",
        "!!str 1",
        "&a [*a]",
        "'",
        "monitor",
        "error",
        "reset-gpu",
        "xid-*",
        "GPU-1",
        "0000:17:00.0",
        "2026-12-24T00:00:00Z",
    ];

    fn key_and_value() -> impl Strategy<Value = String> {
        (prop::sample::select(KEYS), prop::sample::select(VALUES), 0..3_usize)
            .prop_map(|(key, value, depth)| format!("{}{key}: {value}\n", "  ".repeat(depth)))
    }

    proptest! {
        #[test]
        fn any_text_is_a_configuration_or_says_where_it_is_none(text in "\\PC{0,300}") {
            super::holds(&text);
        }

        #[test]
        fn so_are_keys_and_values_in_any_order(lines in prop::collection::vec(key_and_value(), 0..30)) {
            super::holds(&lines.concat());
        }
    }

    #[test]
    fn a_text_that_is_nested_without_end_is_a_mistake_and_no_crash() {
        for text in [
            "[".repeat(500_000),
            "{a: ".repeat(200_000),
            "- ".repeat(400_000),
            "a:\n".to_owned() + &" ".repeat(900_000),
        ] {
            super::holds(&text);
        }
    }
}
