//! The greeting: which agent this is, on which host, and whether it and the installer can speak with each other. Called by
//! [`super::Session`].

use super::refusal::refusal;
use crate::apply::{self, Layout};
use bedplate_protocol::{Hello, PROTOCOL_MAX, PROTOCOL_MIN, Response, Sha256Hex};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};

/// Answers a greeting by an installer that speaks these protocols.
pub(super) fn answer(layout: &Layout, theirs_min: u32, theirs_max: u32) -> Response {
    if theirs_min > PROTOCOL_MAX || theirs_max < PROTOCOL_MIN {
        let message = format!(
            "the installer speaks protocol {theirs_min} to {theirs_max}, this agent {PROTOCOL_MIN} to {PROTOCOL_MAX}"
        );
        return refusal("protocol", message, "use the agent and the installer of one release");
    }
    let sha256 = match own_hash() {
        Ok(sha256) => sha256,
        Err(error) => {
            return refusal(
                "own-file",
                format!("the agent cannot read its own file: {error}"),
                "mount /proc",
            );
        }
    };
    Response::Hello(Hello {
        protocol_min: PROTOCOL_MIN,
        protocol_max: PROTOCOL_MAX,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        sha256,
        target: format!("{}-linux-gnu", std::env::consts::ARCH),
        boot_id: apply::boot_id(layout),
        uid: rustix::process::geteuid().as_raw(),
        // A host whose systemd cannot be asked has no unit of ours at work.
        active_run: apply::active_run(layout).unwrap_or_default(),
    })
}

fn own_hash() -> io::Result<Sha256Hex> {
    // The link works when the file itself is unlinked already, as preflight's is.
    let mut file = File::open("/proc/self/exe")?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Sha256Hex::from_hasher(hasher)),
            count => hasher.update(&buffer[..count]),
        }
    }
}
