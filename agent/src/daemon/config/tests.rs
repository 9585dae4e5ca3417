use super::*;
use crate::health::Mode;
use bedplate_protocol::{Finding, RecommendedAction, Severity};

fn mistakes(text: &str) -> Vec<String> {
    let findings: Vec<Finding> = yaml::parse::<Config>("agent.yaml", text).unwrap_err();
    findings
        .iter()
        .map(|finding| format!("{} {}", finding.subject, finding.message))
        .collect()
}

#[test]
fn an_empty_file_is_a_whole_configuration() {
    for text in ["", "# nothing\n", "---\n"] {
        assert_eq!(yaml::parse::<Config>("agent.yaml", text).unwrap(), Config::default());
    }
    assert_eq!(Config::default().interval.get(), Duration::from_secs(10));
    assert!(Config::default().listen.ip().is_loopback());
}

#[test]
fn every_key_is_read() {
    let text = "\
nodeName: gpu-1
interval: 2m
nvml: {library: /opt/libnvidia-ml.so.1, deadline: 5s}
kernelLog: /dev/kmsg
stateDirectory: /var/lib/bedplate/agent
expect: {gpus: 8, model: H200}
checks:
- {code: pcie-link-width, mode: monitor, owner: ops@example.org, reason: riser is on order, expires: 2026-12-24T00:00:00Z}
- {xid: 63, gpu: '00000000:C1:00.0', severity: error, action: reset-gpu, owner: ops, reason: they fail soon after, expires: 2026-12-24T00:00:00Z}
listen: 0.0.0.0:9479
serve: {tls: {certificateFile: /a, keyFile: /b}, tokenFile: /c, podResourcesSocket: /f}
kubernetes: {apiServer: 'https://10.0.0.1:6443', caFile: /d, tokenFile: /e, taints: true}
";
    let config: Config = yaml::parse("agent.yaml", text).unwrap();
    assert_eq!(config.interval.get(), Duration::from_mins(2));
    assert_eq!(config.checks[0].mode, Some(Mode::Monitor));
    assert_eq!(config.checks[1].code, "xid-*");
    assert_eq!(
        (config.checks[1].xid, config.checks[1].gpu.as_deref()),
        (Some(63), Some("0000:c1:00.0"))
    );
    assert_eq!(config.checks[1].severity, Some(Severity::Error));
    assert_eq!(config.checks[1].action, Some(RecommendedAction::ResetGpu));
    assert_eq!(config.expect.unwrap().gpus, Some(8));
    let kubernetes = config.kubernetes.unwrap();
    assert!(kubernetes.taints);
    assert_eq!(kubernetes.namespace, "bedplate-system");
}

#[test]
fn every_mistake_is_told_at_once_with_its_line() {
    let text = "\
nodName: gpu-1
interval: ten
nvml:
  deadline: 0s
  libary: /x
checks:
- {code: pcie-link-width, mode: perhaps, owner: me, reason: r, expires: 2026-12-24T00:00:00Z}
- {code: gpu-lost, mode: monitor, owner: me, reason: r}
- {code: gpu-lost, mode: monitor, owner: me, reason: r, expires: tomorrow}
listen: everywhere
";
    let told = mistakes(text);
    let at: Vec<&str> = told.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(
        at,
        [
            "agent.yaml:1:1",
            "agent.yaml:2:1",
            "agent.yaml:4:3",
            "agent.yaml:5:3",
            "agent.yaml:7:27",
            "agent.yaml:8:3",
            "agent.yaml:9:57",
            "agent.yaml:10:1"
        ],
        "{told:#?}"
    );
    for (line, word) in told.iter().zip([
        "nodName",
        "10s",
        "1s to",
        "libary",
        "perhaps",
        "expires",
        "tomorrow",
        "everywhere",
    ]) {
        assert!(line.contains(word), "{word} in {line}");
    }
}

#[test]
fn an_override_that_would_do_nothing_is_a_mistake() {
    for (keys, words) in [
        ("code: gpu-lost", "`mode`, `severity` or `action`"),
        ("mode: off", "`code`, or `xid`"),
        ("code: gpu-lost, xid: 79, mode: off", "leave code out"),
        ("code: gpu-lost, gpu: second, mode: off", "neither a UUID"),
        ("xid: many, mode: off", "xid"),
        ("xid: 79, severity: fatal", "fatal"),
    ] {
        let told = mistakes(&format!(
            "checks:\n- {{{keys}, owner: me, reason: r, expires: 2026-12-24T00:00:00Z}}\n"
        ));
        assert!(
            told[0].starts_with("agent.yaml:2:") && told[0].contains(words),
            "{keys}: {told:?}"
        );
    }
}

#[test]
fn what_is_no_table_is_one_mistake() {
    assert_eq!(mistakes("- a\n- b\n").len(), 1);
    assert_eq!(mistakes("a: [\n").len(), 1);
    assert!(mistakes("interval: 10s\n---\ninterval: 20s\n")[0].contains("second document"));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_fail_otherwise_than_with_mistakes(text in "(?s)[a-z0-9:{}\\[\\]\\- \n,'\"#&*!|>]{0,200}") {
        if let Err(findings) = yaml::parse::<Config>("agent.yaml", &text) {
            proptest::prop_assert!(!findings.is_empty());
        }
    }
}
