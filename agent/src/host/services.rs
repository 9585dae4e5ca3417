//! Units that matter to a node, as `systemctl show` tells them. Called by [`crate::host`] only; starts and stops nothing.

use super::{Tree, time};
use bedplate_protocol::facts::ServiceFacts;
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

const UNITS: &[&str] = &[
    "containerd.service",
    "kubelet.service",
    "nvidia-persistenced.service",
    "nvidia-fabricmanager.service",
    "systemd-timesyncd.service",
];
/// systemd answers in milliseconds; one that is stuck must not hold up the facts.
const DEADLINE: Duration = Duration::from_secs(5);

/// Units that exist on the running host; none under another root, where no systemd can be asked.
pub(super) fn read(tree: &Tree) -> Vec<ServiceFacts> {
    if !tree.is_running_host() {
        return Vec::new();
    }
    match ask() {
        Ok(text) => parse(&text),
        Err(why) => {
            tree.note("run/systemd/private", &why);
            Vec::new()
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("systemctl could not be started: {0}; units are unknown without systemd")]
    Start(std::io::Error),
    #[error("systemctl show did not answer within {} s; see `systemctl status`", DEADLINE.as_secs())]
    Late,
    #[error("systemctl show failed ({0}); run `systemctl show containerd.service` to see why")]
    Failed(std::process::ExitStatus),
    #[error("systemctl's end could not be awaited: {0}")]
    Wait(std::io::Error),
}

fn ask() -> Result<String, AskError> {
    let mut child = Command::new("systemctl")
        .args([
            "show",
            "--no-pager",
            "--property=Id,LoadState,ActiveState,UnitFileState",
        ])
        .args(UNITS.iter().chain(time::UNITS))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(AskError::Start)?;
    let (sender, answer) = mpsc::channel();
    let pipe = child.stdout.take();
    std::thread::spawn(move || {
        let mut text = Vec::new();
        // An answer cut short parses as fewer units; the exit status tells.
        let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut text));
        let _ = sender.send(String::from_utf8_lossy(&text).into_owned());
    });
    let Ok(text) = answer.recv_timeout(DEADLINE) else {
        // It only reads; ending it loses nothing. A failure means that it has ended already. Waited for aside: one that cannot be
        // killed must not hold this up, and one that is not waited for stays in the table of processes.
        let _ = child.kill();
        std::thread::spawn(move || child.wait());
        return Err(AskError::Late);
    };
    let status = child.wait().map_err(AskError::Wait)?;
    if status.success() {
        Ok(text)
    } else {
        Err(AskError::Failed(status))
    }
}

/// `Key=value` lines, a blank line between units. Units that are not installed are left out.
fn parse(text: &str) -> Vec<ServiceFacts> {
    text.split("\n\n")
        .filter_map(|block| {
            let value = |key: &str| {
                block
                    .lines()
                    .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
                    .unwrap_or_default()
                    .to_owned()
            };
            let name = value("Id");
            (!name.is_empty() && value("LoadState") != "not-found").then(|| ServiceFacts {
                name,
                active_state: value("ActiveState"),
                enabled_state: value("UnitFileState"),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_unit_that_is_not_installed_is_left_out() {
        let text = "Id=kubelet.service\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\n\n\
                    Id=ntp.service\nLoadState=not-found\nActiveState=inactive\nUnitFileState=\n";
        let units = parse(text);
        assert_eq!(units.len(), 1);
        assert_eq!(
            (units[0].name.as_str(), units[0].active_state.as_str()),
            ("kubelet.service", "active")
        );
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "\\PC*", blocks in "((Id|LoadState)=?[a-z]{0,3}\n{1,3}){0,6}") {
            parse(&text);
            parse(&blocks);
        }
    }
}
