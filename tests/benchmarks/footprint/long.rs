//! Memory of a publishing agent over a long time. Called by `main`.

use crate::machine::Machine;
use crate::mib;
use bedplate_tests::agents_cluster::agents_cluster;
use std::thread::sleep;
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_mins(1);

/// Scraped every ten seconds, Pss of agent and worker at the end of each minute.
pub(crate) fn run(minutes: u32) -> Result<(), String> {
    let machine = Machine::new()?;
    let cluster = agents_cluster();
    let agent = machine.agent(Some(&cluster))?;
    let (parent, worker) = (agent.process(), agent.worker()?);
    let began = Instant::now();
    let mut at_minutes = Vec::new();
    for minute in 1..=minutes {
        while began.elapsed() < MINUTE * minute {
            sleep(INTERVAL);
            agent.get("/metrics")?;
        }
        at_minutes.push(parent.pss()? + worker.pss()?);
    }
    let (Some(second), Some(last)) = (at_minutes.get(1), at_minutes.last()) else {
        return Err("there is no second minute".to_owned());
    };
    let most = at_minutes.iter().skip(1).max().unwrap_or(last);
    println!(
        "Pss publishing: {:.2} MiB at minute 2, {:.2} MiB at minute {minutes}, at most {:.2} MiB between",
        mib(*second),
        mib(*last),
        mib(*most)
    );
    Ok(())
}
