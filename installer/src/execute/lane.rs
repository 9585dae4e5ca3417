//! Meeting a host: connect, put the agent there (or lend it one for a moment), say hello, read facts, judge its GPUs.

use crate::progress::Progress;
use bedplate_protocol::message::Expectation;
use bedplate_protocol::{Finding, Hello, NodeFacts, Severity, Verdict};
use bedplate_ssh::{AgentBinary, Connection, Session, SshError};
use bedplate_substrates::Machine;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// How long a host may take to answer: a server's firmware takes minutes to start, and a person who waits longer than this
/// wants to be told.
pub const CONNECT_LIMIT: Duration = Duration::from_mins(1);

/// Whether the agent stays on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stay {
    /// At its content address.
    Installed,
    /// In a private directory that is gone as soon as it runs.
    Lent,
}

/// A host we are talking with.
pub struct Lane {
    /// How it is reached.
    pub machine: Machine,
    /// Kept, because the session lives in it.
    pub connection: Connection,
    /// The conversation.
    pub session: Session,
    /// Who the agent is.
    pub hello: Hello,
    /// What is there.
    pub facts: NodeFacts,
    /// The agent's judgement of its GPUs.
    pub verdict: Verdict,
    /// The host's clock minus ours, corrected for the way there and back.
    pub clock_offset: SignedDuration,
}

/// Meets one host. A host that cannot be met is a finding about it.
pub async fn meet(
    machine: Machine,
    agent: &AgentBinary,
    stay: Stay,
    expect: Option<Expectation>,
    progress: &Progress,
) -> Result<Lane, Finding> {
    let name = machine.name.clone();
    let unreachable = |e: SshError| lost(&name, &machine.target.address, &e);
    let waits = progress.waits(&name);
    let connection = Connection::connect(&machine.target, CONNECT_LIMIT, |what: &str, since: Duration| {
        waits(format!("waiting for {what} since {} s", since.as_secs()));
    })
    .await
    .map_err(unreachable)?;
    let mut session = match stay {
        Stay::Installed => {
            let deployed = connection.put_agent(agent).await.map_err(unreachable)?;
            if !deployed.already_there {
                progress.line(&name, &format!("agent {} installed", agent.sha256().short()));
            }
            connection.session(&deployed).await.map_err(unreachable)?
        }
        Stay::Lent => connection.ephemeral_session(agent).await.map_err(unreachable)?,
    };
    let hello = session.hello().clone();
    let asked = Timestamp::now();
    let facts = session.facts().await.map_err(unreachable)?;
    let answered = Timestamp::now();
    // The clock is read somewhere between question and answer; what falls in between is not an offset.
    let clock_offset = offset(asked, facts.time.now, answered);
    let verdict = session.check(expect).await.map_err(unreachable)?;
    progress.line(
        &name,
        &format!(
            "{}, kernel {}, {} GPU(s) by NVML",
            facts.os.pretty_name,
            facts.kernel.release,
            facts.nvml.gpus.len()
        ),
    );
    Ok(Lane {
        machine,
        connection,
        session,
        hello,
        facts,
        verdict,
        clock_offset,
    })
}

/// How far a clock that showed `theirs` is outside the interval in which it was read.
fn offset(asked: Timestamp, theirs: Timestamp, answered: Timestamp) -> SignedDuration {
    if theirs < asked {
        theirs.duration_since(asked)
    } else if theirs > answered {
        theirs.duration_since(answered)
    } else {
        SignedDuration::ZERO
    }
}

/// The finding for a host that does not go on because of an error on the way to it. An agent that refused has said why
/// itself; its first finding is passed on, the others are evidence.
pub fn lost(name: &str, address: &str, error: &SshError) -> Finding {
    if let SshError::Refused { findings, .. } = error
        && let Some((first, others)) = findings.split_first()
    {
        return others
            .iter()
            .fold(first.clone(), |all, other| all.with_evidence(other.message.clone()));
    }
    let text = error.to_string();
    let again = format!("make `ssh {address}` work with the config's user and key, then run the same command again");
    let (message, cure) = text.split_once("\n    cure: ").unwrap_or((&text, &again));
    let mut finding = Finding::new(Severity::Error, "host-unreachable", name, message, cure);
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        finding = finding.with_evidence(cause.to_string());
        source = cause.source();
    }
    finding
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_a_host_and_back_is_no_clock_offset() {
        let at = |s: i64| Timestamp::from_second(s).unwrap();
        assert_eq!(offset(at(10), at(12), at(14)), SignedDuration::ZERO);
        assert_eq!(offset(at(10), at(3), at(14)), SignedDuration::from_secs(-7));
        assert_eq!(offset(at(10), at(20), at(14)), SignedDuration::from_secs(6));
    }
}
