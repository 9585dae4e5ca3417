use super::*;
use crate::health::Mode;
use bedplate_protocol::{Finding, RecommendedAction, Severity};

fn parse(text: &str) -> Result<(Config, Vec<Finding>), Vec<Finding>> {
    yaml::parse("agent.yaml", text, meaning::of_settings)
}

fn mistakes(text: &str) -> Vec<String> {
    let findings: Vec<Finding> = parse(text).unwrap_err();
    findings
        .iter()
        .map(|finding| format!("{} {}", finding.subject, finding.message))
        .collect()
}

/// The one mistake of a text: its place, message and cure.
fn one(text: &str) -> (String, String, String) {
    let mut findings = parse(text).unwrap_err();
    assert_eq!(findings.len(), 1, "{findings:#?}");
    let finding = findings.remove(0);
    (finding.subject, finding.message, finding.remedy)
}

#[test]
fn an_empty_file_is_a_whole_configuration() {
    for text in ["", "# nothing\n", "---\n"] {
        assert_eq!(parse(text).unwrap(), (Config::default(), Vec::new()));
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
- {code: pcie-link-width, mode: monitor, owner: ops@example.org, reason: riser is on order, expires: 2999-12-24T00:00:00Z}
- {xid: 63, gpu: '00000000:C1:00.0', severity: error, action: reset-gpu, owner: ops, reason: they fail soon after, expires: 2999-12-24T00:00:00Z}
listen: 0.0.0.0:9479
serve: {tls: {certificateFile: /a, keyFile: /b}, tokenFile: /c, podResourcesSocket: /f}
kubernetes: {apiServer: 'https://10.0.0.1:6443', caFile: /d, tokenFile: /e, taints: true}
";
    let (config, warnings) = parse(text).unwrap();
    assert_eq!(warnings, []);
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
fn settings_that_the_daemon_would_not_start_with_are_mistakes_of_the_file() {
    let told = mistakes(
        "interval: ten\nlisten: 0.0.0.0:9479\nserve: {tokenFile: /t}\nkubernetes:\n  apiServer: ftp://x\n  caFile: /c\n  tokenFile: /t\n",
    );
    assert_eq!(told.len(), 3, "{told:#?}");
    assert!(
        told[1].starts_with("agent.yaml:2:1") && told[1].contains("serve.tls is not set"),
        "{told:#?}"
    );
    assert!(
        told[2].starts_with("agent.yaml:5:3") && told[2].contains("ftp is not https"),
        "{told:#?}"
    );
    for address in ["http://10.0.0.1:6443", "10.0.0.1:6443", "https://", "gpu 1", ""] {
        let (at, message, cure) = one(&format!(
            "kubernetes: {{apiServer: '{address}', caFile: /c, tokenFile: /t}}\n"
        ));
        assert!(
            at == "agent.yaml:1:14" && message.contains("kubernetes.apiServer"),
            "{at} {message}"
        );
        assert!(cure.contains("https://10.0.0.1:6443"), "{cure}");
    }
    for address in [
        "https://10.0.0.1:6443",
        "https://kubernetes.default.svc",
        "https://[fd00::1]:6443",
    ] {
        let text = format!("kubernetes: {{apiServer: '{address}', caFile: /c, tokenFile: /t}}\n");
        assert!(parse(&text).is_ok(), "{address}");
    }
}

#[test]
fn what_follows_from_a_key_that_is_wrong_itself_is_not_told_beside_it() {
    let (at, message, _) =
        one("listen: 0.0.0.0:9479\nserve: {tsl: {certificateFile: /a, keyFile: /b}, tokenFile: /c}\n");
    assert!(at == "agent.yaml:2:9" && message.contains("tsl"), "{at} {message}");
}

#[test]
fn an_override_that_has_no_effect_is_a_warning_at_its_line_and_the_file_is_used() {
    let (config, warnings) = parse(
        "checks:\n- {code: gpu-lost, mode: off, owner: me, reason: r, expires: 2020-01-01T00:00:00Z}\n\
         - {code: gpu-lots, mode: off, owner: me, reason: r, expires: 2999-01-01T00:00:00Z}\n",
    )
    .unwrap();
    assert_eq!(config.checks.len(), 2);
    let told: Vec<_> = warnings
        .iter()
        .map(|warning| (warning.subject.as_str(), warning.code.as_str(), warning.severity))
        .collect();
    assert_eq!(
        told,
        [
            ("agent.yaml:2:3", "override-expired", Severity::Warning),
            ("agent.yaml:3:3", "override-unknown-code", Severity::Warning)
        ]
    );
}

#[test]
fn however_many_overrides_do_nothing_what_stops_the_agent_is_told() {
    let one = "- {code: no-such, mode: off, owner: me, reason: r, expires: 2020-01-01T00:00:00Z}\n";
    let told = mistakes(&format!("checks:\n{}listen: 0.0.0.0:1\n", one.repeat(200)));
    assert!(told.len() <= 50 && told.last().unwrap().contains("listen"), "{told:#?}");
}

#[test]
fn a_value_of_another_type_is_told_in_words_with_what_to_write() {
    for (text, message, cure) in [
        (
            "expect: {driver: 580}\n",
            "`expect.driver` is 580, and must be text",
            "driver: \"…\", in quotes",
        ),
        (
            "expect: {gpus: x}\n",
            "\"x\", and must be a whole number",
            "without quotes behind gpus:",
        ),
        ("expect: {gpus: -1}\n", "-1, and must be a whole number from 0", "gpus:"),
        (
            "expect: {mig: perhaps}\n",
            "must be true or false",
            "mig: true or mig: false",
        ),
        (
            "interval: 10\n",
            "10, and must be a length of time like 10s or 2m",
            "behind interval:",
        ),
        (
            "listen: everywhere\n",
            "\"everywhere\", which is no address with a port",
            "127.0.0.1:9479",
        ),
        ("listen: 9479\n", "must be an address with a port", "127.0.0.1:9479"),
        (
            "nvml: /x\n",
            "\"/x\", and must be a table of keys",
            "keys of nvml: beneath it",
        ),
        ("checks: off\n", "must be a list", "each with a - before it"),
        (
            "stateDirectory: [a]\n",
            "a list, and must be text",
            "behind stateDirectory:",
        ),
    ] {
        let (_, told, remedy) = one(text);
        assert!(told.contains(message), "{text}: {told}");
        assert!(remedy.contains(cure), "{text}: {remedy}");
    }
}

#[test]
fn an_unknown_key_is_told_with_the_key_that_was_meant_or_the_place_where_it_belongs() {
    for (text, cure) in [
        ("nodename: a\n", "did you mean `nodeName`?"),
        ("nvml: {libary: /x}\n", "did you mean `library`?"),
        ("heartbeat: 5m\n", "`heartbeat` belongs under `kubernetes:`"),
        ("tokenFile: /x\n", "under `kubernetes:` or under `serve:`"),
        (
            "kubernetes: {interval: 5s, apiServer: 'https://a', caFile: /a, tokenFile: /b}\n",
            "at the top of the file",
        ),
        ("nvml: {colour: red}\n", "the keys there are: library, deadline"),
        (
            "checks:\n- {xid: 79, mode: of, owner: me, reason: r, expires: 2999-01-01T00:00:00Z}\n",
            "did you mean off?",
        ),
    ] {
        let (_, message, remedy) = one(text);
        assert!(remedy.contains(cure), "{text}: {message}: {remedy}");
    }
}

#[test]
fn every_key_of_the_reader_is_in_the_documentation_and_no_other() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/agent.md")).unwrap();
    let (_, rest) = page.split_once("The whole file:\n\n```yaml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    parse(example).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
    let written: serde_json::Value = serde_saphyr::from_str(example).unwrap();
    let mut documented = std::collections::BTreeSet::new();
    collect(&written, "", &mut documented);
    let read: std::collections::BTreeSet<String> = keys::of::<Config>().iter().map(|key| key.join(".")).collect();
    assert!(
        read.contains("checks.expires") && read.contains("serve.tls.keyFile"),
        "{read:?}"
    );
    assert_eq!(documented, read);
}

fn collect(value: &serde_json::Value, above: &str, keys: &mut std::collections::BTreeSet<String>) {
    match value {
        serde_json::Value::Object(table) => {
            for (key, value) in table {
                let key = if above.is_empty() {
                    key.clone()
                } else {
                    format!("{above}.{key}")
                };
                collect(value, &key, keys);
                keys.insert(key);
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect(item, above, keys)),
        _ => {}
    }
}

#[test]
fn a_file_that_cannot_be_read_is_told_with_its_cure() {
    let folder = tempfile::tempdir().unwrap();
    let latin = folder.path().join("latin");
    std::fs::write(&latin, b"nodeName: K\xf6ln\n").unwrap();
    for (path, cure) in [
        (folder.path().join("absent"), "--config"),
        (folder.path().to_owned(), "name a file"),
        (latin, "UTF-8"),
    ] {
        let told = read(&path).unwrap_err().to_string();
        assert!(told.contains("\n    cure: ") && told.contains(cure), "{told}");
        assert!(told.starts_with(&path.display().to_string()), "{told}");
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
        if let Err(findings) = parse(&text) {
            proptest::prop_assert!(!findings.is_empty());
        }
    }
}
