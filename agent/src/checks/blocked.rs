//! Processes that are stuck inside NVIDIA's driver. Called by [`super::judge`] only.

use super::{Observation, codes};
use bedplate_protocol::Finding;
use bedplate_protocol::facts::BlockedProcess;
use jiff::SignedDuration;

/// As long as the kernel itself waits before it calls a task hung (`hung_task_timeout_secs`, default 120,
/// Documentation/admin-guide/sysctl/kernel.rst).
const LONG: SignedDuration = SignedDuration::from_secs(120);
/// How the functions begin in which processes wait for their files: `folio_wait_bit_common`, `wait_on_page_bit`, `wb_wait_for_completion`,
/// `rpc_wait_bit_killable`, `request_wait_answer`, `fuse_wait_aborted`, `cv_wait_common` in the stacks of hung tasks in
/// github.com/moosefs/moosefs issue 566, libfuse/libfuse 509, openzfs/zfs 174 and 7484 (read 2026-11-22); the file systems' own names.
const FILES: &[&str] = &[
    "folio_wait_",
    "wait_on_page_",
    "wb_wait_",
    "rpc_wait_",
    "nfs",
    "request_wait_answer",
    "fuse_",
    "cv_wait_common",
    "jbd2_",
    "ext4_",
    "xfs_",
    "btrfs_",
];
/// Seen blocked in fewer passes than this it may have slept several times, each time for a moment.
const PASSES: usize = 5;

/// An error when the same process was blocked inside the driver in every pass for so long; a warning for one that is blocked now, or
/// that waits for its files. One that was blocked for so long in a function that is anybody's (`rwsem_down_write_slowpath`) may be
/// in the driver: whoever may not read its stack does not know, and says that. A process in state D takes no signal, so only a reboot
/// ends it.
pub(super) fn check(seen: &Observation<'_>) -> Vec<Finding> {
    let facts = seen.facts;
    let mut findings = Vec::new();
    for process in &facts.blocked_processes {
        let same = |other: &BlockedProcess| other.pid == process.pid && other.start_ticks == process.start_ticks;
        let mut since = facts.time.now;
        let mut passes = 1;
        for sample in seen.history.samples.iter().rev() {
            if !sample.blocked.iter().any(same) {
                break;
            }
            since = sample.at;
            passes += 1;
        }
        let name = format!("{} (process {})", process.command, process.pid);
        let place = process.waits_in.as_deref().unwrap_or("an unknown function");
        let lasted = facts.time.now.duration_since(since);
        let own = process.command.starts_with("nvidia") || process.command.starts_with("nv-");
        let inside = process.in_driver.unwrap_or(own);
        let long = passes >= PASSES && lasted >= LONG;
        let files = FILES.iter().any(|begin| place.starts_with(begin));
        let finding = if long && !inside && !files {
            codes::PROCESS_BLOCKED_UNSEEN.about(
                facts.hostname.clone(),
                format!("{name}, which uses a GPU, has been stuck in the kernel since {since}, in {place}; the agent may not read its stack"),
                format!(
                    "as root: cat /proc/{}/stack; if a line ends with [nvidia] or [nvidia_uvm], drain the node and reboot it",
                    process.pid
                ),
            )
        } else if inside && long {
            codes::PROCESS_BLOCKED.about(
                facts.hostname.clone(),
                format!("{name} has been stuck in the kernel since {since}, in {passes} passes"),
                "read why in the kernel's log (dmesg | grep -iE 'nvrm|hung_task'), then drain the node and reboot it; a process \
                 in state D does not end otherwise",
            )
        } else {
            codes::PROCESS_BLOCKED_NOW.about(
                facts.hostname.clone(),
                format!("{name} sleeps uninterruptibly, in {passes} pass(es) since {since}"),
                format!(
                    "look again in two minutes: cat /proc/{}/stack; a moment of it is ordinary",
                    process.pid
                ),
            )
        };
        findings.push(finding.with_evidence(format!("/proc/{}/stat: state D, in {place}", process.pid)));
    }
    findings
}
