//! What it means that a finding is not there any more: over, not over yet, or not looked at. Pure. Called by [`super::Fold`] only.

use super::memory::Entry;
use super::reasons::{Clear, Reason};
use super::sight::gpu_of;
use super::{Sense, Sight};
use bedplate_protocol::Severity;

/// Each time that a finding came back within an hour doubles the good observations it needs to go, at most so often: 32 times as many.
const DOUBLINGS: u32 = 5;

/// What has ended since that began before it: this boot, or this life of the driver.
fn begun_again(entry: &Entry, row: &Reason, sight: &Sight) -> Option<&'static str> {
    let booted = !sight.era.boot_id.is_empty() && sight.era.boot_id != entry.era.boot_id;
    let loaded = sight.era.driver.is_some() && sight.era.driver != entry.era.driver;
    match row.clear {
        Clear::Driver | Clear::Reboot if booted => Some("the node was booted and it is not there"),
        Clear::Driver if loaded => Some("the driver was loaded again and it is not there"),
        _ => None,
    }
}

/// What it means that a finding was not among those found.
pub(super) enum Absence {
    /// Nobody could look.
    NotLookedAt,
    /// Somebody looked; it holds until its rule is met.
    NotYet,
    /// It holds no more, for this reason.
    Gone(String),
}

/// Decides it by the row's rule, and only of what was looked at.
pub(super) fn absent(entry: &Entry, row: &Reason, sight: &Sight) -> Absence {
    if !sight.senses.contains(&row.sense) {
        // NVML tells XIDs too, and they are past as well where nobody can read the kernel's log.
        let read = gpu_of(&entry.finding.subject).is_some_and(|gpu| sight.read.contains(gpu));
        return match begun_again(entry, row, sight) {
            Some(why) if row.sense == Sense::KernelLog && sight.senses.contains(&Sense::Gpu) && read => {
                Absence::Gone(why.to_owned())
            }
            _ => Absence::NotLookedAt,
        };
    }
    let booted = !sight.era.boot_id.is_empty() && sight.era.boot_id != entry.era.boot_id;
    if let Some(gpu) = gpu_of(&entry.finding.subject)
        && matches!(row.sense, Sense::Gpu | Sense::KernelLog)
        && !sight.read.contains(gpu)
    {
        // Taken out of the machine, or known by another name now; while it only does not answer, nothing is over. A GPU that was
        // faulty and did not come back from the boot that was recommended is not one that was taken out, unless as many are
        // there as somebody expects, or another is in its place.
        let replaced = entry
            .address
            .as_ref()
            .is_some_and(|address| address != gpu && sight.there.contains(address));
        let meant = sight.counted || replaced || entry.finding.severity != Severity::Error;
        let gone = booted && sight.complete && meant && !sight.there.contains(gpu);
        return if gone {
            Absence::Gone("it is not in the machine any more since the node was booted".to_owned())
        } else {
            Absence::NotLookedAt
        };
    }
    let evidence = match row.clear {
        _ if begun_again(entry, row, sight).is_some() => begun_again(entry, row, sight).map(str::to_owned),
        Clear::Observations(needed) => {
            let again = u32::try_from(entry.raises.len().saturating_sub(1))
                .unwrap_or(u32::MAX)
                .min(DOUBLINGS);
            let needed = needed.saturating_mul(1 << again);
            let seen = entry.good.saturating_add(1);
            (seen >= needed && (needed <= 1 || !sight.early))
                .then(|| format!("{seen} observation(s) in a row did not find it"))
        }
        // Of what the kernel's log told and no other check: an ECC counter is not withdrawn by a word.
        Clear::Driver
            if row.sense == Sense::KernelLog
                && gpu_of(&entry.finding.subject).is_some_and(|gpu| sight.withdrawn.contains(gpu)) =>
        {
            Some("the driver says since that nothing is to be done".to_owned())
        }
        Clear::Driver if entry.reset => Some("the GPU was reset and it is not there".to_owned()),
        Clear::Driver | Clear::Reboot => None,
    };
    evidence.map_or(Absence::NotYet, Absence::Gone)
}
