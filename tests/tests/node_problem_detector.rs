//! `check` as node-problem-detector runs it: the configuration that bedplate gives is read as node-problem-detector reads it
//! (`pkg/custompluginmonitor/types/config.go` at 01a6793b), and its rule is run on a driver that hangs and on one that is slow.

#![allow(clippy::expect_used, clippy::panic, reason = "test helpers stand outside #[test]")]

use bedplate_tests::built::{Ran, program, repository, run};
use bedplate_tests::nvml_worker::Nvml;
use serde_json::Value;
use std::process::Command;
use std::time::{Duration, Instant};

/// What a pass may take beyond its deadline, whatever the number of GPUs, and what the rest of a `check` may.
const FIRST_PASS: Duration = Duration::from_mins(1);
const REST: Duration = Duration::from_secs(10);

fn configuration() -> Value {
    let path = repository().join("manifests/node-problem-detector/bedplate-gpu.json");
    let text = std::fs::read_to_string(path).expect("the configuration is there");
    serde_json::from_str(&text).expect("it is JSON")
}

/// Seconds or minutes of Go's `time.ParseDuration`.
fn duration(value: &Value) -> Duration {
    let text = value.as_str().expect("a duration is text");
    let (number, unit) = text.split_at(text.len() - 1);
    let number = number.parse().expect("a duration begins with a number");
    match unit {
        "s" => Duration::from_secs(number),
        "m" => Duration::from_mins(number),
        _ => panic!("{text}"),
    }
}

fn arguments(rule: &Value) -> Vec<&str> {
    let arguments = rule["args"].as_array().expect("a rule has arguments");
    arguments.iter().filter_map(Value::as_str).collect()
}

/// Runs the rule on this library, and how long that took.
fn plugin(rule: &Value, nvml: &Nvml) -> (Ran, Duration) {
    let since = Instant::now();
    let ran = run(Command::new(program("bedplate-agent"))
        .args(arguments(rule))
        .arg("--nvml-library")
        .arg(nvml.library()));
    (ran, since.elapsed())
}

#[test]
fn the_configuration_is_one_and_gives_a_check_the_time_that_it_may_take() {
    let configuration = configuration();
    let global = duration(&configuration["pluginConfig"]["timeout"]);
    assert_eq!(configuration["plugin"], "custom");
    assert!(
        duration(&configuration["pluginConfig"]["invoke_interval"]) > global,
        "two never run at once"
    );
    let rule = &configuration["rules"][0];
    assert_eq!(rule["path"], "/usr/local/bin/bedplate-agent");
    let condition = configuration["conditions"].as_array().expect("conditions").iter();
    assert!(
        condition
            .clone()
            .any(|condition| condition["type"] == rule["condition"]),
        "{rule}"
    );
    let timeout = duration(&rule["timeout"]);
    assert!(timeout <= global, "node-problem-detector refuses that");
    let arguments = arguments(rule);
    let place = arguments.iter().position(|argument| *argument == "--nvml-deadline");
    let deadline = arguments[place.expect("it sets the deadline") + 1]
        .parse()
        .expect("seconds");
    assert!(Duration::from_secs(deadline) + FIRST_PASS + REST <= timeout);
}

#[test]
fn a_driver_that_hangs_is_a_problem_within_the_time_and_in_one_short_line() {
    let configuration = configuration();
    let rule = &configuration["rules"][0];
    let nvml = Nvml::new("hang: {call: nvmlInit, seconds: forever}\ngpus: []\n");
    let (ran, took) = plugin(rule, &nvml);
    assert_eq!(ran.code, Some(1), "{}{}", ran.stdout, ran.stderr);
    let line = ran.stdout.lines().next().expect("it says something");
    assert!(line.len() <= 80 && line.contains("nvml-unresponsive"), "{line}");
    assert!(took < Duration::from_secs(10) + REST, "{took:?}");
    assert!(
        ran.stdout.contains("nvmlInit_v2 did not come back within 10 s, since "),
        "{}",
        ran.stdout
    );
}

#[test]
fn gpus_that_take_long_to_initialise_are_read_though_all_of_them_take_longer_than_a_call_may() {
    let configuration = configuration();
    let rule = &configuration["rules"][0];
    let gpus = (0..5)
        .map(|minor| format!("- {{profile: h100-80gb-hbm3, pci_address: '0000:{minor}8:00.0', minor: {minor}}}\n"));
    let latency = "latency: {calls: {nvmlDeviceGetHandleByIndex: 2300000}}\ngpus:\n".to_owned();
    let nvml = Nvml::new(&gpus.fold(latency, |scenario, gpu| scenario + &gpu));
    let (ran, took) = plugin(rule, &nvml);
    assert!(took > Duration::from_secs(11), "{took:?}");
    assert!(!ran.stdout.contains("nvml-unresponsive"), "{}", ran.stdout);
    assert!(ran.stdout.contains("GPU 4 "), "{}", ran.stdout);
}
