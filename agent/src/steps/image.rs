//! A container image in containerd's `k8s.io` namespace, by its reference and its config digest.
//!
//! containerd names an image by its manifest, the container runtime interface by its config. `ctr images inspect` prints
//! both, as a tree read from the content store (containerd 2.x, cmd/ctr/commands/images/inspect.go), so a reference that
//! points to another image is seen.

use super::{Context, State, StepError};
use crate::command::Command;
use bedplate_protocol::Sha256Hex;
use std::time::Duration;

/// A gigabyte image on a slow disk, with room.
const IMPORT: Duration = Duration::from_mins(10);
const CURE: &str =
    "look at `systemctl status containerd` and `journalctl -u containerd -n 50`, then run `bedplate up` again";

pub(super) fn inspect(reference: &str, config_digest: &str) -> Result<State, StepError> {
    let output = match Command::new("ctr", ["-n", "k8s.io", "images", "inspect", reference]).output() {
        Err(crate::command::CommandError::Spawn { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            return Ok(State::differs(
                "no containerd on this host",
                format!("image {config_digest}"),
            ));
        }
        output => output.map_err(StepError::command(CURE))?,
    };
    if !output.status.success() {
        return Ok(State::differs("no such image", format!("image {config_digest}")));
    }
    if output.stdout.contains(config_digest) {
        return Ok(State::Holds);
    }
    Ok(State::differs(
        "another image under this reference",
        format!("image {config_digest}"),
    ))
}

pub(super) fn change(artifact: &Sha256Hex, context: &Context<'_>) -> Result<(), StepError> {
    let mut archive = context.store.open(artifact)?;
    let import = Command::new("ctr", ["-n", "k8s.io", "images", "import", "-"]).deadline(IMPORT);
    import
        .run_reading(&mut archive)
        .map(drop)
        .map_err(StepError::command(CURE))
}
