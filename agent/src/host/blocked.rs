//! Processes that sleep uninterruptibly inside NVIDIA's driver: `/proc/<pid>/{stat,comm,wchan,fd}`.
//!
//! Reads only; says nothing about how long. Called by [`super::read_tree`].

use super::Tree;
use bedplate_protocol::facts::BlockedProcess;

/// Every process in state `D` that is one of NVIDIA's own or has one of its devices open (proc(5), `proc_pid_stat(5)`).
pub(super) fn read(tree: &Tree) -> Vec<BlockedProcess> {
    let pids = tree
        .names("proc")
        .into_iter()
        .filter_map(|name| name.parse::<u32>().ok());
    pids.filter_map(|pid| blocked(tree, pid)).collect()
}

fn blocked(tree: &Tree, pid: u32) -> Option<BlockedProcess> {
    // A process that ends while it is looked at is no failed reader, so nothing is noted.
    let text = std::fs::read_to_string(tree.resolve(format!("proc/{pid}/stat"))?).ok()?;
    let (command, start_ticks) = uninterruptible(&text)?;
    let concerns_nvidia = command.starts_with("nvidia") || command.starts_with("nv-") || holds_device(tree, pid);
    concerns_nvidia.then(|| BlockedProcess {
        pid,
        start_ticks,
        command: command.to_owned(),
        waits_in: tree
            .resolve(format!("proc/{pid}/wchan"))
            .and_then(|path| std::fs::read_to_string(path).ok())
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty() && name != "0"),
    })
}

/// The command and start time of a `stat` line whose state is `D`. The command may hold blanks and brackets, so the last
/// closing bracket ends it.
fn uninterruptible(stat: &str) -> Option<(&str, u64)> {
    let (before, after) = stat.rsplit_once(')')?;
    let (_, command) = before.split_once('(')?;
    let mut fields = after.split_ascii_whitespace();
    if fields.next()? != "D" {
        return None;
    }
    // State is field 3, the start time field 22: 18 lie between them.
    Some((command, fields.nth(18)?.parse().ok()?))
}

fn holds_device(tree: &Tree, pid: u32) -> bool {
    let Some(directory) = tree.resolve(format!("proc/{pid}/fd")) else {
        return false;
    };
    let Ok(entries) = std::fs::read_dir(directory) else {
        return false;
    };
    entries
        .flatten()
        .filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .any(|target| target.to_string_lossy().starts_with("/dev/nvidia"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_brackets_is_read_whole_and_another_state_is_no_block() {
        let tail = "1 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0";
        assert_eq!(
            uninterruptible(&format!("7 (nv (x) y) D {tail}")),
            Some(("nv (x) y", 4711))
        );
        assert_eq!(uninterruptible(&format!("7 (sleep) S {tail}")), None);
        assert_eq!(uninterruptible("7 (cut short) D 1"), None);
    }
}
