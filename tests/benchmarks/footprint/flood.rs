//! A driver that writes XIDs without end: what that costs in memory and in writes must not depend on how many lines there are.
//! Called by `main`.

use crate::machine::{Agent, GPUS, Machine, address_of};
use bedplate_tests::api_server::ApiServer;
use std::io::Write as _;
use std::thread::sleep;
use std::time::{Duration, Instant};

const AGENT: &str = "system:serviceaccount:bedplate-system:bedplate-agent";
/// How long each flood lasts.
const LASTING: Duration = Duration::from_secs(20);
/// Lines a second: the first flood makes what any line makes, conditions and counters; the second must add nothing to that.
const RATES: [u32; 2] = [100, 10_000];
/// Lines come in bursts.
const BURST: Duration = Duration::from_millis(10);
/// After a flood, until what it caused has been written.
const AFTER: Duration = Duration::from_secs(15);
/// XIDs of applications, whose action asks for no reset: the conditions stand still.
const XIDS: [u32; 3] = [13, 31, 43];

pub(crate) fn run(machine: &Machine, agent: &Agent, cluster: &ApiServer) -> Result<(), String> {
    let (parent, worker) = (agent.process(), agent.worker()?);
    let resident = || Ok::<u64, String>(parent.rss()? + worker.rss()?);
    for rate in RATES {
        let (rss, written, writes) = (resident()?, parent.written()?, cluster.writes_of(AGENT).len());
        let cpu = parent.cpu()?;
        let lines = flood(machine, rate)?;
        sleep(AFTER);
        println!(
            "{:<44} RSS {rss} → {} KiB, {} KiB to disk, {} writes to the API, {:.1} s of processor time",
            format!(
                "{lines} XID lines, {} a second",
                u128::from(lines) * 1000 / LASTING.as_millis()
            ),
            resident()?,
            (parent.written()? - written) / 1024,
            cluster.writes_of(AGENT).len() - writes,
            parent.cpu()?.saturating_sub(cpu).as_secs_f64(),
        );
    }
    Ok(())
}

/// Writes lines at this rate, as far as the log takes them; how many it took.
fn flood(machine: &Machine, rate: u32) -> Result<u64, String> {
    let mut kernel = machine.kernel()?;
    let began = Instant::now();
    let mut lines: u64 = 0;
    while began.elapsed() < LASTING {
        let due = u128::from(rate) * began.elapsed().as_millis() / 1000;
        while u128::from(lines) < due && began.elapsed() < LASTING {
            let (gpu, xid) = (
                lines % u64::from(GPUS),
                XIDS[usize::try_from(lines).unwrap_or_default() % XIDS.len()],
            );
            let address = address_of(u8::try_from(gpu).unwrap_or_default());
            let line = format!(
                "NVRM: Xid (PCI:{}): {xid}, pid={lines}, name=train, Ch 00000008",
                address.trim_end_matches(".0")
            );
            kernel
                .write_all(line.as_bytes())
                .map_err(|error| format!("the kernel's log: {error}"))?;
            lines += 1;
        }
        sleep(BURST);
    }
    Ok(lines)
}
