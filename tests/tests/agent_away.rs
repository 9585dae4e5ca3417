//! The API server is away while the node changes: nothing is lost, nothing grows, and it is told when things happened.

#![allow(clippy::expect_used, reason = "test helpers stand outside #[test]")]

use bedplate_tests::agents_cluster::{agents_cluster, bound_token};
use bedplate_tests::api_server::ApiServer;
use bedplate_tests::publishing::{Place, UUID, condition, status, until};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const THERMAL: &str = "GPUThermalProblem";
const MEMORY: &str = "GPUMemoryProblem";
const HOT: &str = "temperature-slowdown";
/// What an allocator may keep.
const ROOM_KIB: u64 = 2 * 1024;

/// One change as the agent keeps it.
#[derive(Debug, Clone)]
struct Change {
    at: String,
    kind: String,
    code: String,
}

/// Everything that has changed, by number: a state carries the newest only.
fn take_in(changes: &mut BTreeMap<u64, Change>, place: &Place) {
    let state = place.state().expect("the agent answers");
    for transition in state["transitions"].as_array().expect("they are a list") {
        let word = |key: &str| transition[key].as_str().expect("it is a word").to_owned();
        let number = transition["sequence"].as_u64().expect("it is a number");
        let change = Change {
            at: word("at"),
            kind: word("change"),
            code: word("code"),
        };
        changes.insert(number, change);
    }
}

/// The Events about the node, by reason.
fn events(server: &ApiServer) -> BTreeMap<String, Value> {
    let all = server.get(&["events.events.k8s.io", "-n", "default"]);
    let all = all["items"].as_array().cloned().unwrap_or_default();
    let of_the_node = all.into_iter().filter(|event| event["regarding"]["name"] == "one");
    of_the_node
        .map(|event| (event["reason"].as_str().unwrap_or_default().to_owned(), event))
        .collect()
}

/// Kubernetes' times have whole seconds.
fn second(time: &str) -> &str {
    time.get(..19).expect("a time has seconds")
}

fn away_for(length: Duration) {
    let mut server = agents_cluster();
    let place = Place::new(&server, &bound_token(&server, "one", "2h"), "", "");
    let agent = place.start();
    for kind in [THERMAL, MEMORY] {
        until("the condition is False", &place, || status(&server, kind, "False"));
    }
    server.stop();
    // The heartbeat is minutes away: only news make it try.
    place.gpus(", ecc: {enabled: true, uncorrected_volatile: 3}");
    until("the agent says that the API is away", &place, || {
        place.log().contains("[unreachable]").then_some(())
    });

    // Heat comes and goes, each time as soon as the agent has noticed the last.
    let (begun, mut hot, mut changes) = (Instant::now(), false, BTreeMap::new());
    let (mut early, mut late) = (0, 0);
    while begun.elapsed() < length {
        take_in(&mut changes, &place);
        let knows = place
            .knows(THERMAL)
            .is_some_and(|condition| condition["status"] == "True");
        if knows == hot {
            hot = !hot;
            let celsius = if hot { 88 } else { 40 };
            place.gpus(&format!(
                ", temperature_celsius: {celsius}, ecc: {{enabled: true, uncorrected_volatile: 3}}"
            ));
        }
        let resident = agent.resident_kib();
        if begun.elapsed() < length / 3 {
            early = resident.max(early);
        } else {
            late = resident.max(late);
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    // The last change, whichever it was, is known and is older than the API's return.
    place.gpus(", temperature_celsius: 88, ecc: {enabled: true, uncorrected_volatile: 3}");
    until("the agent knows of the heat", &place, || {
        place.knows(THERMAL).filter(|condition| condition["status"] == "True")
    });
    std::thread::sleep(Duration::from_secs(3));
    take_in(&mut changes, &place);
    let raised: Vec<&Change> = changes
        .values()
        .filter(|change| change.code == HOT && change.kind == "raised")
        .collect();
    println!(
        "{length:?}: heat came {} times; {early} KiB early, {late} KiB late",
        raised.len()
    );
    assert!(raised.len() >= 3, "{changes:#?}");
    assert!(late <= early + ROOM_KIB, "{early} KiB early and {late} KiB late");
    let known = [THERMAL, MEMORY].map(|kind| (kind, place.knows(kind).expect("the agent answers")));

    server.run();
    for (kind, known) in known {
        until("the newest state is written", &place, || {
            let told = condition(&server, kind)?;
            let (told, known) = (&told["lastTransitionTime"], known["last_transition"].as_str()?);
            (second(told.as_str()?) == second(known)).then_some(())
        });
        assert!(status(&server, kind, "True").is_some(), "{kind}");
    }
    until("the agent says that it works", &place, || {
        place.log().contains("works again").then_some(())
    });
    // What happened several times is one Event that counts, with the times of the first and of the last.
    let heat = until("every time that the heat came is counted", &place, || {
        let heat = events(&server).remove("TemperatureSlowdown")?;
        let count = heat["series"]["count"].as_u64()?;
        (usize::try_from(count) == Ok(raised.len())).then_some(heat)
    });
    let (first, last) = (raised[0], raised[raised.len() - 1]);
    let told = |time: &Value| second(time.as_str().expect("it has a time")).to_owned();
    assert_eq!(told(&heat["eventTime"]), second(&first.at), "{heat:#}");
    assert_eq!(told(&heat["series"]["lastObservedTime"]), second(&last.at), "{heat:#}");
    let told_of = until("each kind of change is an Event", &place, || {
        let told = events(&server);
        ["EccUncorrected", "TemperatureSlowdownCleared"]
            .iter()
            .all(|reason| told.contains_key(*reason))
            .then_some(told)
    });
    let note = told_of["EccUncorrected"]["note"].as_str().expect("it has a note");
    assert!(note.contains(UUID), "{note}");
}

#[test]
fn an_api_server_that_was_away_for_a_minute_is_told_everything_when_it_happened() {
    away_for(Duration::from_mins(1));
}

#[test]
fn what_happened_while_the_api_server_was_away_is_told_once_by_an_agent_that_was_restarted_meanwhile() {
    let mut server = agents_cluster();
    let place = Place::new(&server, &bound_token(&server, "one", "2h"), ", heartbeat: 10s", "");
    let agent = place.start();
    until("the condition is False", &place, || status(&server, MEMORY, "False"));
    server.stop();
    place.gpus(", ecc: {enabled: true, uncorrected_volatile: 3}");
    until("the change is kept", &place, || {
        let kept = std::fs::read_to_string(place.path("state/health.json")).ok()?;
        kept.contains("ecc-uncorrected").then_some(())
    });
    drop(agent);
    let away = || place.log().matches("[unreachable]").count();
    let before = away();
    let agent = place.start();
    until("the agent that was restarted says that the API is away", &place, || {
        (away() > before).then_some(())
    });
    server.run();
    until("the restarted agent tells of it", &place, || {
        events(&server).contains_key("EccUncorrected").then_some(())
    });

    // What has been told is no news for the next one.
    until("what was told is kept", &place, || {
        let kept = std::fs::read_to_string(place.path("state/events.json")).ok()?;
        let kept: Value = serde_json::from_str(&kept).ok()?;
        let state = place.state()?;
        let mut changes = state["transitions"].as_array()?.iter();
        let change = changes.find(|change| change["code"] == "ecc-uncorrected")?;
        (kept["next"].as_u64() > change["sequence"].as_u64() && kept["untold"].as_array()?.is_empty()).then_some(())
    });
    let told = || {
        server.get(&["events.events.k8s.io", "-n", "default"])["items"]
            .as_array()
            .map(Vec::len)
    };
    let before = told();
    drop(agent);
    let beat = || condition(&server, MEMORY).map(|condition| condition["lastHeartbeatTime"].clone());
    let last = beat();
    let _agent = place.start();
    let next = until("a heartbeat of the next one", &place, || {
        Some(beat()).filter(|now| *now != last)
    });
    until("another one", &place, || Some(beat()).filter(|now| *now != next));
    assert_eq!(told(), before, "{:#?}", events(&server));
}

#[test]
#[ignore = "ten minutes: tests/run --long runs it"]
fn an_api_server_that_was_away_for_ten_minutes_is_told_everything_when_it_happened() {
    away_for(Duration::from_mins(10));
}
