//! One constant script on a host, from start to exit. Called by `put_agent` and `ephemeral`; never with a user's words in it.

use crate::connect::Connection;
use crate::error::SshError;
use crate::stream::Stream;
use crate::sudo;
use std::time::Duration;

pub(crate) const STALL: Duration = Duration::from_secs(30);
/// A hash and a sync of some tens of megabytes on a busy disk.
const FINISH: Duration = Duration::from_mins(1);

/// Runs `script` as root with these arguments and this input; answers its output when it exits with 0.
pub(crate) async fn run(
    connection: &Connection,
    doing: &str,
    script: &str,
    arguments: &[&str],
    input: &[u8],
) -> Result<String, SshError> {
    let command = sudo::as_root(&connection.target, script, arguments);
    let mut stream = Stream::start(connection, &command, doing).await?;
    let sent = stream.write_all(input, STALL, doing).await;
    if let Err(error) = sent {
        return Err(explain(connection, doing, &stream, Some(error)));
    }
    stream.finish_input().await;
    let output = tokio::time::timeout(FINISH, stream.read_to_end()).await;
    let output = output.map_err(|_| stream.timeout(doing, FINISH))?;
    match stream.status() {
        Some("exit status 0") => Ok(String::from_utf8_lossy(&output).into_owned()),
        _ => Err(explain(connection, doing, &stream, None)),
    }
}

/// What a command's end means: sudo's refusal, the connection's loss, or its own failure.
pub(crate) fn explain(connection: &Connection, doing: &str, stream: &Stream, other: Option<SshError>) -> SshError {
    let said = stream.said();
    if let Some(refusal) = sudo::refusal(&connection.target, &said) {
        return refusal;
    }
    match (stream.status(), other) {
        (Some(status), _) => SshError::Command {
            host: connection.target.label(),
            doing: doing.into(),
            status: status.into(),
            said,
            cure: "see that the host's /usr/local is writable and has space: `df -h /usr/local; mount | grep /usr`"
                .into(),
        },
        (None, Some(error)) => error,
        (None, None) => connection.lost(doing),
    }
}
