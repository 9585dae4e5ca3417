//! kubelet answers its health endpoint, <http://127.0.0.1:10248/healthz> (kubelet's `healthzPort`, on loopback by default).

use super::{Context, State, StepError};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

const LIMIT: Duration = Duration::from_mins(1);
const ANSWER: Duration = Duration::from_secs(5);

pub(super) fn inspect() -> State {
    match ask() {
        Ok(()) => State::Holds,
        Err(seen) => State::differs(seen, "kubelet answers ok"),
    }
}

/// Nothing is changed: kubelet was started by the steps before, and this waits for it.
pub(super) fn change(context: &Context<'_>) -> Result<(), StepError> {
    let cure = "look at `systemctl status kubelet` and `journalctl -u kubelet -n 50`";
    context.wait("kubelet to be healthy", LIMIT, Duration::from_millis(250), cure, ask)
}

fn ask() -> Result<(), String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 10248));
    let answer = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, ANSWER)?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.set_write_timeout(Some(ANSWER))?;
        stream.write_all(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut bytes = Vec::new();
        stream.take(4096).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    match answer() {
        Err(error) => Err(format!("{address} does not answer: {error}")),
        Ok(text) if text.lines().next().is_some_and(|line| line.contains(" 200 ")) => Ok(()),
        Ok(text) => Err(format!(
            "{address} answers {:?}",
            text.lines().next().unwrap_or_default()
        )),
    }
}
