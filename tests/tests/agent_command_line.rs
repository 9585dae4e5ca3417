//! What a person gets wrong who runs `bedplate-agent` by hand: told in words with its cure, and by a documented exit code. Drives the
//! built agent.

#![allow(clippy::expect_used, reason = "test helpers stand outside #[test]")]

use bedplate_tests::built::{Ran, program, run};
use std::path::Path;
use std::process::Command;

fn agent(arguments: &[&str]) -> Ran {
    run(Command::new(program("bedplate-agent")).args(arguments))
}

fn written(folder: &Path, text: &str) -> String {
    let path = folder.join("agent.yaml");
    std::fs::write(&path, text).expect("the test's folder can be written to");
    path.display().to_string()
}

#[test]
fn an_address_that_others_reach_stops_the_agent_with_78_and_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let path = written(
        folder.path(),
        &format!(
            "stateDirectory: {}\nlisten: 0.0.0.0:0\nkubernetes: {{apiServer: ftp://x, caFile: /a, tokenFile: /b}}\n",
            state.display()
        ),
    );
    for more in [&[][..], &["--check-config"]] {
        let ran = agent(&[&["run", "--config", &path], more].concat());
        assert_eq!(ran.code, Some(78), "{}", ran.stderr);
        for words in [
            "agent.yaml:2:1",
            "serve.tls and serve.tokenFile are not set",
            "agent.yaml:3:14",
            "ftp is not https",
        ] {
            assert!(ran.stderr.contains(words), "{words} in {}", ran.stderr);
        }
    }
    assert!(!state.exists(), "nothing was begun");
}

#[test]
fn files_that_are_not_there_are_all_told_by_check_config() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(
        folder.path(),
        "serve: {tls: {certificateFile: /nonexistent/crt, keyFile: /nonexistent/key}, tokenFile: /nonexistent/token}\n\
         kubernetes: {apiServer: 'https://x', caFile: /nonexistent/ca, tokenFile: /nonexistent/agents}\n",
    );
    let ran = agent(&["run", "--check-config", "--config", &path]);
    assert_eq!(ran.code, Some(78), "{}", ran.stderr);
    for file in ["crt", "key", "token", "ca", "agents"] {
        assert!(
            ran.stderr.contains(&format!("/nonexistent/{file}")),
            "{file} in {}",
            ran.stderr
        );
    }
}

#[test]
fn an_override_without_effect_is_a_warning_of_check_config() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(
        folder.path(),
        "checks:\n- {code: gpu-lots, mode: off, owner: me, reason: r, expires: 2020-01-01T00:00:00Z}\n",
    );
    let ran = agent(&["run", "--check-config", "--config", &path]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for words in [
        "warning: ",
        "agent.yaml:2:3",
        "override-expired",
        "override-unknown-code",
    ] {
        assert!(ran.stderr.contains(words), "{words} in {}", ran.stderr);
    }
}

#[test]
fn a_run_that_is_not_there_is_said_to_be_missing() {
    let ran = agent(&["apply", "--run", "no-such-run-of-a-test"]);
    assert_eq!(ran.code, Some(1));
    for words in ["no-such-run-of-a-test", "cure: "] {
        assert!(ran.stderr.contains(words), "{words} in {:?}", ran.stderr);
    }
}

#[test]
fn every_mistake_of_an_expectation_is_told_at_once_with_64() {
    let ran = agent(&["check", "--expect", "gpus=x,foo=1,mig=perhaps"]);
    assert_eq!(ran.code, Some(64), "{}", ran.stderr);
    for words in ["gpus=\"x\"", "\"foo\" is not known", "mig=\"perhaps\""] {
        assert!(ran.stderr.contains(words), "{words} in {}", ran.stderr);
    }
}

#[test]
fn a_library_that_is_not_there_is_named_though_nothing_would_load_it() {
    for verb in ["check", "facts"] {
        let ran = agent(&[verb, "--nvml-library", "/nonexistent/libnvidia-ml.so.1"]);
        assert!(
            ran.stderr
                .contains("warning: --nvml-library /nonexistent/libnvidia-ml.so.1: "),
            "{verb}: {:?}",
            ran.stderr
        );
    }
}
