//! Processes that sleep uninterruptibly inside NVIDIA's driver: `/proc/<pid>/{stat,comm,wchan,stack,fd}`.
//!
//! Reads only; says nothing about how long. Called by [`super::read_tree`] and [`super::Refresh`].

use super::Tree;
use bedplate_protocol::facts::BlockedProcess;

/// How names of functions in NVIDIA's modules begin: `os_acquire_rwlock_write`, `rm_init_adapter`, `nv_open_device` in the stack of a
/// hung task in github.com/NVIDIA/open-gpu-kernel-modules issue 968, `nvidia_dev_put_uuid` in 1333, `uvm_ioctl` in
/// github.com/rwth-i6/returnn issue 1480 (read 2026-11-21).
const FUNCTIONS: &[&str] = &["nvidia_", "nv_", "os_acquire_", "uvm_", "rm_"];
/// The modules whose functions wait for a GPU, as stacks name them there; `nvidia_fs` waits for storage.
const MODULES: &[&str] = &[
    "[nvidia]",
    "[nvidia_uvm]",
    "[nvidia_modeset]",
    "[nvidia_drm]",
    "[nvidia_peermem]",
];

/// Those of `known` that are still blocked, each looked at again: a copy of an earlier look would say that time has passed in which
/// nobody looked.
pub(super) fn again(tree: &Tree, known: &[BlockedProcess]) -> Vec<BlockedProcess> {
    let same = |old: &BlockedProcess| blocked(tree, old.pid).filter(|now| now.start_ticks == old.start_ticks);
    known.iter().filter_map(same).collect()
}

/// Every process in state `D` that is inside NVIDIA's driver, or of which that cannot be told and which is one of NVIDIA's own or
/// has one of its devices open (proc(5), `proc_pid_stat(5)`).
pub(super) fn read(tree: &Tree) -> Vec<BlockedProcess> {
    let pids = tree
        .names("proc")
        .into_iter()
        .filter_map(|name| name.parse::<u32>().ok());
    pids.filter_map(|pid| blocked(tree, pid)).collect()
}

fn blocked(tree: &Tree, pid: u32) -> Option<BlockedProcess> {
    // A process that ends while it is looked at is no failed reader, so nothing is noted.
    let text = std::fs::read_to_string(tree.place(format!("proc/{pid}/stat"))?).ok()?;
    let (command, start_ticks) = uninterruptible(&text)?;
    let text_of = |name| std::fs::read_to_string(tree.place(format!("proc/{pid}/{name}"))?).ok();
    let waits_in = text_of("wchan")
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty() && name != "0");
    let named = || {
        FUNCTIONS
            .iter()
            .any(|begin| waits_in.as_ref().is_some_and(|name| name.starts_with(begin)))
    };
    let in_driver = text_of("stack")
        .and_then(|stack| in_nvidia_module(&stack))
        .or_else(|| named().then_some(true));
    let concerns_nvidia = in_driver
        .unwrap_or_else(|| command.starts_with("nvidia") || command.starts_with("nv-") || holds_device(tree, pid));
    concerns_nvidia.then(|| BlockedProcess {
        pid,
        start_ticks,
        command: command.to_owned(),
        waits_in,
        in_driver,
    })
}

/// Whether a frame of a kernel stack is in a module of NVIDIA's: `[<0>] nvidia_ioctl+0x1d/0x30 [nvidia]`. Nothing of an empty one.
fn in_nvidia_module(stack: &str) -> Option<bool> {
    let mut frames = stack.lines().filter(|line| !line.trim().is_empty()).peekable();
    frames.peek()?;
    Some(frames.any(|frame| MODULES.iter().any(|module| frame.trim_end().ends_with(module))))
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
    let Some(directory) = tree.place(format!("proc/{pid}/fd")) else {
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

    /// A tree with one process in state D that has a GPU open, and what its kernel stack says.
    fn sleeper(stack: Option<&str>, wchan: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let process = root.path().join("proc/4711");
        std::fs::create_dir_all(process.join("fd")).unwrap();
        std::os::unix::fs::symlink("/dev/nvidia0", process.join("fd/3")).unwrap();
        let stat = "4711 (python3) D 1 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 99 0 0";
        std::fs::write(process.join("stat"), stat).unwrap();
        std::fs::write(process.join("wchan"), wchan).unwrap();
        if let Some(stack) = stack {
            std::fs::write(process.join("stack"), stack).unwrap();
        }
        root
    }

    #[test]
    fn a_process_that_waits_for_its_files_is_not_stuck_in_the_driver() {
        let found = |stack, wchan| {
            let root = sleeper(stack, wchan);
            let blocked = read(&Tree::new(root.path()));
            blocked.first().map(|process| process.in_driver)
        };
        let nfs = "[<0>] rpc_wait_bit_killable+0x11/0x70 [sunrpc]\n[<0>] nfs4_do_close+0x1/0x2 [nfsv4]\n";
        assert_eq!(found(Some(nfs), "rpc_wait_bit_killable"), None);
        let driver = "[<0>] rwsem_down_write_slowpath+0x2/0x7\n[<0>] uvm_ioctl+0x1/0x2 [nvidia_uvm]\n";
        assert_eq!(found(Some(driver), "rwsem_down_write_slowpath"), Some(Some(true)));
        assert_eq!(found(None, "os_acquire_mutex"), Some(Some(true)));
        assert_eq!(found(None, "rpc_wait_bit_killable"), Some(None), "nobody can tell");
    }

    #[test]
    fn only_those_that_still_sleep_are_found_again() {
        let root = sleeper(None, "os_acquire_mutex");
        let tree = Tree::new(root.path());
        let known = read(&tree);
        assert_eq!(again(&tree, &known), known);
        let stat = root.path().join("proc/4711/stat");
        let text = std::fs::read_to_string(&stat).unwrap();
        std::fs::write(&stat, text.replace(" 99 ", " 100 ")).unwrap();
        assert_eq!(again(&tree, &known), [], "the id was used again");
        std::fs::write(&stat, text.replace(") D ", ") S ")).unwrap();
        assert_eq!(again(&tree, &known), []);
    }
}
