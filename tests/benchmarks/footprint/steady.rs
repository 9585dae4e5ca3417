//! A healthy agent that publishes and is scraped every ten seconds: passes, memory, processor time. Called by `main`.

use crate::machine::{Agent, GPUS, Machine};
use crate::peers::{Bare, Exporter};
use crate::{SETTLE, judged, mib, row_memory};
use std::path::Path;
use std::time::{Duration, Instant};

/// The agent's own interval, in the middle between two of whose passes everything else is done.
const INTERVAL: Duration = Duration::from_secs(10);
/// Intervals that are measured: as many passes of each side.
const INTERVALS: u32 = 15;
/// The worker's thread that calls NVML.
const CALLS: &str = "nvml-calls";
/// Beside the sleeps in the library: for the next request, and for a lock now and then.
const OTHER_SLEEPS: u64 = 4;

pub(crate) fn run(machine: &Machine, agent: &Agent, exporter: &Path) -> Result<(), String> {
    let exporter = Exporter::start(exporter)?;
    let mut bare = Bare::start(machine)?;
    let mut next = between_passes(agent)?;
    for _ in 0..SETTLE.as_secs() / INTERVAL.as_secs() {
        next = scrape(agent, &exporter, next)?.1;
    }
    row_memory("Pss publishing, scraped every 10 s", agent, 16.0)?;
    println!(
        "{:<44} {:>7.1} MiB",
        "  beside it: prometheus-node-exporter",
        mib(exporter.process().pss()?)
    );

    let (parent, worker) = (agent.process(), agent.worker()?);
    let began = Instant::now();
    let before = [parent.cpu()?, worker.cpu()?, exporter.process().cpu()?];
    let (calling, listening) = (worker.cpu_of_threads(CALLS)?, worker.cpu_of_other_threads(CALLS)?);
    let (slept, bare_cpu) = (parent.sleeps(None), bare.process().cpu_of_threads("bare-pass")?);
    let (mut passes, mut bares, mut sleeps, mut calls) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for _ in 0..INTERVALS {
        let asleep = worker.sleeps(Some(CALLS));
        let (text, at) = scrape(agent, &exporter, next)?;
        next = at;
        passes.push(pass(&text)?);
        let (took, made) = bare.pass()?;
        bares.push(took);
        calls = made;
        sleeps.push(worker.sleeps(Some(CALLS)) - asleep);
    }
    let over = began.elapsed();
    same_calls(&sleeps, calls)?;
    let after = [parent.cpu()?, worker.cpu()?, exporter.process().cpu()?];
    let percent = |time: Duration| time.as_secs_f64() / over.as_secs_f64() * 100.0;

    let (ours, theirs) = (median(passes), median(bares));
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    println!(
        "{:<44} {:>7.1} ms    {:.1} ms for the {calls} bare calls: {ratio:.2} ({})",
        format!("one pass over {GPUS} GPUs, median of {INTERVALS}"),
        millis(ours),
        millis(theirs),
        judged(ratio, 1.1, "×"),
    );
    let spent = [0, 1, 2].map(|place: usize| percent(after[place].saturating_sub(before[place])));
    let calling = percent(worker.cpu_of_threads(CALLS)?.saturating_sub(calling));
    let listening = percent(worker.cpu_of_other_threads(CALLS)?.saturating_sub(listening));
    let bare_calls = percent(bare.process().cpu_of_threads("bare-pass")?.saturating_sub(bare_cpu));
    println!(
        "{:<44} {:>7.3} %     of a core over {:.0} s ({})",
        "processor time, agent and worker",
        spent[0] + spent[1],
        over.as_secs_f64(),
        judged(spent[0] + spent[1], 0.1, "%"),
    );
    println!(
        "{:<44} {:>7.3} %",
        "  the agent itself, its ended children included", spent[0]
    );
    println!("{:<44} {:>7.3} %", "  the worker's passes", calling);
    println!(
        "{:<44} {:>7.3} %",
        "    the same calls made by the bare loop", bare_calls
    );
    println!(
        "{:<44} {:>7.3} %",
        "  the worker's other threads (wait for events)", listening
    );
    println!("{:<44} {:>7.3} %", "  beside it: prometheus-node-exporter", spent[2]);
    let wakes = parent.sleeps(None) - slept;
    #[allow(clippy::cast_precision_loss, reason = "some thousand sleeps")]
    let wakes = wakes as f64 / over.as_secs_f64();
    println!("{:<44} {wakes:>7.1} /s", "the agent's threads wake up");
    Ok(())
}

/// Waits for a moment five seconds after a pass, where a scrape shows one that has ended and disturbs none.
fn between_passes(agent: &Agent) -> Result<Instant, String> {
    let first = value(&agent.get("/metrics")?, "bedplate_agent_pass_timestamp_seconds")?;
    let since = Instant::now();
    while value(&agent.get("/metrics")?, "bedplate_agent_pass_timestamp_seconds")? <= first {
        if since.elapsed() > 3 * INTERVAL {
            return Err("the agent makes no passes".to_owned());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(Instant::now() + INTERVAL / 2)
}

/// Both are scraped when it is time; what the agent answered, and when to do it again.
fn scrape(agent: &Agent, exporter: &Exporter, at: Instant) -> Result<(String, Instant), String> {
    std::thread::sleep(at.saturating_duration_since(Instant::now()));
    exporter.scrape()?;
    Ok((agent.get("/metrics")?, at + INTERVAL))
}

/// How long the last pass took.
fn pass(metrics: &str) -> Result<Duration, String> {
    let seconds = value(metrics, "bedplate_agent_pass_duration_seconds")?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// The value of a metric that has one series.
fn value(metrics: &str, name: &str) -> Result<f64, String> {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next_back()?.parse().ok());
    number.ok_or_else(|| format!("the agent's answer has no {name}"))
}

/// Every call sleeps in the library once, unless its thread was held up for longer than the call takes. A worker that never slept as
/// often as the bare loop calls made other calls, and the comparison would be of different things.
fn same_calls(sleeps: &[u64], calls: u64) -> Result<(), String> {
    if sleeps
        .iter()
        .any(|sleeps| (calls..=calls + OTHER_SLEEPS).contains(sleeps))
    {
        return Ok(());
    }
    Err(format!(
        "the agent's passes slept {sleeps:?} times where the bare loop makes {calls} calls; make the same calls in \
         substrates/simulated-nvml/examples/bare-pass.rs as agent/src/gpu/device"
    ))
}

fn median(mut values: Vec<Duration>) -> Duration {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
