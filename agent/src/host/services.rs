//! Units that matter to a node, as `systemctl show` tells them, and whether they may have changed since. Called by [`crate::host`]
//! only; starts and stops nothing.

use super::{Tree, time};
use bedplate_protocol::facts::ServiceFacts;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

const UNITS: &[&str] = &[
    "containerd.service",
    "kubelet.service",
    "nvidia-persistenced.service",
    "nvidia-fabricmanager.service",
    "systemd-timesyncd.service",
];
/// systemd answers in milliseconds; one that is stuck must not hold up the facts.
const DEADLINE: Duration = Duration::from_secs(5);

/// While a service runs, systemd keeps a link `invocation:UNIT` here that says which run of it that is, and takes it away when the
/// service has ended or failed (`unit_notify`, `unit_export_invocation_id` in systemd's `src/core/unit.c`, read 2026-11-22).
const RUNS: &str = "run/systemd/units";
/// Without a change of those links systemd is asked again after so long, for what they do not show: a unit that was installed,
/// removed or enabled.
const AGAIN: Duration = Duration::from_mins(5);
/// Where systemctl finds systemd, either of which is there where it runs the host (`sd_booted(3)`, and `src/shared/bus-util.c`).
const SYSTEMD: [&str; 2] = ["run/systemd/system", "run/systemd/private"];

/// What systemd said, for as long as it holds: starting systemctl costs more than everything else that is read in a minute.
#[derive(Debug, Default)]
pub(super) struct Units {
    said: Option<Said>,
}

#[derive(Debug)]
struct Said {
    at: Instant,
    /// The links as they were before it was asked.
    runs: Vec<Option<PathBuf>>,
    units: Vec<ServiceFacts>,
}

impl Units {
    /// As [`read`] has them, from what was said before where nothing has changed; `closely` asks in any case.
    pub(super) fn look(&mut self, tree: &Tree, closely: bool) -> Vec<ServiceFacts> {
        let runs = runs(tree);
        if let (Some(said), Some(runs), false) = (&self.said, &runs, closely)
            && said.holds(runs, Instant::now())
        {
            return said.units.clone();
        }
        let units = read(tree);
        self.said = runs.filter(|_| !units.is_empty()).map(|runs| Said {
            at: Instant::now(),
            runs,
            units: units.clone(),
        });
        units
    }
}

impl Said {
    /// A unit that is on its way to another state arrives there without a change of its link.
    fn holds(&self, runs: &[Option<PathBuf>], now: Instant) -> bool {
        let settled = |unit: &ServiceFacts| matches!(unit.active_state.as_str(), "active" | "inactive" | "failed");
        now.duration_since(self.at) < AGAIN && self.runs == runs && self.units.iter().all(settled)
    }
}

/// Which run of each unit there is; nothing where systemd does not say.
fn runs(tree: &Tree) -> Option<Vec<Option<PathBuf>>> {
    let folder = tree.place(RUNS).filter(|folder| folder.is_dir())?;
    let link = |unit: &&str| std::fs::read_link(folder.join(format!("invocation:{unit}"))).ok();
    Some(UNITS.iter().chain(time::UNITS).map(link).collect())
}

/// Units that exist on the running host; none under another root, where no systemd can be asked.
pub(super) fn read(tree: &Tree) -> Vec<ServiceFacts> {
    if !tree.is_running_host() {
        return Vec::new();
    }
    let answer = if SYSTEMD.iter().any(|place| tree.exists(place)) {
        ask()
    } else {
        Err(AskError::Absent)
    };
    match answer {
        Ok(text) => parse(&text),
        Err(why) => {
            tree.note("run/systemd/private", &why);
            Vec::new()
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("systemd does not run this host; units are unknown without it")]
    Absent,
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
    fn what_systemd_said_holds_until_a_unit_of_it_is_started_ends_or_was_under_way() {
        let root = tempfile::tempdir().unwrap();
        let tree = Tree::new(root.path());
        assert_eq!(runs(&tree), None, "nothing would show a change");
        let folder = root.path().join(RUNS);
        std::fs::create_dir_all(&folder).unwrap();
        let link = folder.join("invocation:nvidia-fabricmanager.service");
        let run = |id: &str| std::os::unix::fs::symlink(id, &link).unwrap();
        run("4d5e");
        let said = |active_state: &str| Said {
            at: Instant::now(),
            runs: runs(&tree).unwrap(),
            units: parse(&format!(
                "Id=nvidia-fabricmanager.service\nLoadState=loaded\nActiveState={active_state}\nUnitFileState=enabled\n"
            )),
        };
        let (active, starting) = (said("active"), said("activating"));
        let now = Instant::now();
        assert!(active.holds(&runs(&tree).unwrap(), now));
        assert!(
            !active.holds(&runs(&tree).unwrap(), now + AGAIN),
            "it may be disabled by now"
        );
        assert!(!starting.holds(&runs(&tree).unwrap(), now));
        run_again(&link, "6f70");
        assert!(!active.holds(&runs(&tree).unwrap(), now), "it was started again");
        run_again(&link, "4d5e");
        assert!(active.holds(&runs(&tree).unwrap(), now));
        std::fs::remove_file(&link).unwrap();
        assert!(!active.holds(&runs(&tree).unwrap(), now), "it has ended");
    }

    fn run_again(link: &std::path::Path, id: &str) {
        std::fs::remove_file(link).unwrap();
        std::os::unix::fs::symlink(id, link).unwrap();
    }

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
