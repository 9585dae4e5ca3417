//! The built agent's token over its life, on a real API server: renewed past half of it, and of the past.

#![allow(clippy::expect_used, reason = "test helpers stand outside #[test]")]

use bedplate_tests::agents_cluster::{AGENT, agents_cluster, bound_token};
use bedplate_tests::api_server::claims;
use bedplate_tests::publishing::{Agent, HARDWARE, Place, status, until};
use std::os::unix::fs::PermissionsExt as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// The shortest life that Kubernetes gives, in seconds.
const LIFE: i64 = 600;
const PUBLISHED: &str = "bedplate_agent_published_timestamp_seconds";

fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("the clock is past 1970");
    i64::try_from(since.as_secs()).expect("the clock is right")
}

/// Neither in what the agent and its worker were started with, nor in what they have said.
fn shown_to_nobody(place: &Place, agent: &Agent, tokens: &[&str]) {
    let mut shown = vec![place.log(), place.ask("/v1/state").1, place.ask("/metrics").1];
    assert!(shown.iter().all(|text| !text.is_empty()), "one place could not be read");
    for process in agent.processes() {
        for file in ["cmdline", "environ"] {
            // A worker may have ended since.
            let read = std::fs::read(format!("/proc/{process}/{file}")).unwrap_or_default();
            shown.push(String::from_utf8_lossy(&read).into_owned());
        }
    }
    assert!(
        shown.iter().all(|text| !text.is_empty()),
        "nothing was read of one place"
    );
    for token in tokens {
        // Neither whole nor the part that makes it worth anything.
        let signature = token.rsplit('.').next().expect("a token has a signature");
        assert!(shown.iter().all(|text| !text.contains(signature)));
    }
}

#[test]
fn a_token_past_half_of_its_life_is_renewed_at_once_and_shown_to_nobody() {
    let server = agents_cluster();
    let issued = now() - LIFE * 2 / 3;
    let first = server.signed_again(&bound_token(&server, "one", "10m"), issued, issued + LIFE);
    let place = Place::new(&server, &first, ", heartbeat: 10s", "");
    let agent = place.start();
    let file = place.path("state/token");
    let renewed = until("the token is renewed", &place, || std::fs::read_to_string(&file).ok());

    let mode = std::fs::metadata(&file)
        .expect("the file is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let (before, after) = (claims(&first), claims(&renewed));
    assert_eq!(after["kubernetes.io"]["node"], before["kubernetes.io"]["node"]);
    assert_eq!(after["kubernetes.io"]["node"]["name"], "one");
    assert_eq!(after["sub"], before["sub"]);
    let life = after["exp"]
        .as_i64()
        .zip(after["iat"].as_i64())
        .map(|(end, begin)| end - begin);
    assert_eq!(life, Some(LIFE));
    assert!(after["exp"].as_i64() > before["exp"].as_i64());

    until("a heartbeat is written with the new token", &place, || {
        let id = server.last_credential_of(AGENT)?;
        (after["jti"] == id.as_str()).then_some(())
    });
    assert_ne!(after["jti"], before["jti"]);
    assert!(status(&server, HARDWARE, "False").is_some(), "conditions go on");
    let asked = server.writes_of(AGENT);
    let renewals = asked
        .iter()
        .filter(|write| write.contains("serviceaccounts/token"))
        .count();
    assert_eq!(renewals, 1, "one renewal is enough: {asked:#?}");
    shown_to_nobody(&place, &agent, &[&first, &renewed]);
}

#[test]
fn a_token_before_half_of_its_life_is_left_alone() {
    let server = agents_cluster();
    let place = Place::new(&server, &bound_token(&server, "one", "10m"), "", "");
    let _agent = place.start();
    until("the condition is False", &place, || status(&server, HARDWARE, "False"));
    assert!(!place.path("state/token").exists(), "there is no reason yet");
    let asked = server.writes_of(AGENT);
    assert!(!asked.iter().any(|write| write.contains("token")), "{asked:#?}");
}

#[test]
fn a_token_of_the_past_silences_until_the_next_one_is_delivered_and_nothing_is_forgotten_meanwhile() {
    let server = agents_cluster();
    let good = bound_token(&server, "one", "1h");
    let issued = now() - 2 * LIFE;
    let expired = server.signed_again(&good, issued, issued + LIFE);
    let place = Place::new(&server, &expired, "", "");
    let agent = place.start();
    let (said, cure) = ("[token]: the token expired at", "run `bedplate up`");
    until("the agent says so, with the cure", &place, || {
        place
            .log()
            .lines()
            .any(|line| line.contains(said) && line.contains(cure))
            .then_some(())
    });

    // It goes on looking, and what it sees is kept.
    place.gpus(", lost: true");
    let lost = until("the agent knows of the lost GPU", &place, || {
        place.knows(HARDWARE).filter(|condition| condition["status"] == "True")
    });
    assert_eq!(place.ask("/livez").0, "200");
    let (code, metrics) = place.ask("/metrics");
    assert_eq!(code, "200");
    assert!(metrics.contains(HARDWARE), "{metrics}");
    until("it is kept", &place, || {
        let kept = std::fs::read_to_string(place.path("state/health.json")).ok()?;
        kept.contains("gpu-lost").then_some(())
    });
    assert_eq!(server.writes_of(AGENT), Vec::<String>::new());
    // Prometheus hears that nothing is written, and why.
    let published = || place.metric(PUBLISHED, "").expect("it is exported");
    let began = place
        .metric("bedplate_agent_start_time_seconds", "")
        .expect("it is exported");
    assert!(
        (published() - began).abs() < 5.0,
        "it has never written: {} {began}",
        published()
    );
    let before = published();
    let failed = place.metric("bedplate_agent_publish_failures_total", "reason=\"token\"");
    assert!(failed.is_some_and(|count| count >= 1.0), "{failed:?}");
    assert_eq!(place.metric("bedplate_agent_publish_interval_seconds", ""), Some(300.0));

    place.deliver(&good);
    let told = until("the condition is True", &place, || status(&server, HARDWARE, "True"));
    let transition = told["lastTransitionTime"].as_str().expect("it has a time");
    let known = lost["last_transition"].as_str().expect("it has a time");
    // Kubernetes' times have whole seconds.
    assert_eq!(transition.trim_end_matches('Z'), &known[..19], "{told} {lost}");
    until("the agent says that it works", &place, || {
        place.log().contains("works again").then_some(())
    });
    assert!(published() > before, "{} {before}", published());
    shown_to_nobody(&place, &agent, &[&expired, &good]);
}
