//! What is past: XIDs from before the driver was loaded again or a GPU was reset. Part of [`Fold`]; pure like it.

use super::memory::Memory;
use super::{Era, Fold};
use bedplate_protocol::NodeFacts;
use jiff::Timestamp;
use std::collections::BTreeSet;

/// Recovery actions whose end is a reset or more: reset, reboot, drain and reset, bus reset, system reboot
/// (`nvmlDeviceGpuRecoveryAction_t`, nvml.h). The end of a peer-to-peer drain is none.
const RESETS: &[u32] = &[1, 2, 4, 6, 7];
/// For all GPUs: the driver was loaded again.
const ALL: &str = "*";

impl Fold {
    /// Looks at a pass for signs of a driver that was loaded again and of GPUs that were reset; those GPUs, by UUID and
    /// address. Both happened after the pass before this one, so what is older than that is past. `record` is the newest record of
    /// this boot's kernel log with an XID: records have an order that no clock can change.
    pub(crate) fn forgive(
        &mut self,
        at: Timestamp,
        facts: &NodeFacts,
        era: &Era,
        record: Option<u64>,
    ) -> BTreeSet<String> {
        let memory = &mut self.memory;
        let mut record_before = std::mem::replace(&mut memory.passed_record, record);
        // A clock that was set back since says nothing of what came before what: then nothing is past, and what was called so
        // until a time that has yet to come is past no longer than until now, or the next XID would be hidden until then.
        let before = memory.passed.replace(at).filter(|before| *before <= at);
        for until in memory.forgiven.values_mut() {
            *until = at.min(*until);
        }
        if memory.era.boot_id != era.boot_id {
            memory.forgiven.clear();
            memory.forgiven_records.clear();
            record_before = None;
            memory.actions.clear();
            memory.remapping.clear();
            memory.driver = None;
        }
        let loaded = era
            .driver
            .is_some_and(|now| memory.driver.replace(now).is_some_and(|then| then != now));
        if loaded {
            memory.forgiven.extend(before.map(|before| (ALL.to_owned(), before)));
            let records = record_before.map(|record| (ALL.to_owned(), record));
            memory.forgiven_records.extend(records);
        }
        let mut reset = BTreeSet::new();
        for gpu in &facts.nvml.gpus {
            let Some(uuid) = &gpu.uuid else { continue };
            let released = gpu.recovery_action.is_some_and(|now| {
                let then = memory.actions.insert(uuid.clone(), now).unwrap_or_default();
                now == 0 && RESETS.contains(&then)
            });
            // "Row-remapping requires a GPU reset to take effect" (docs.nvidia.com/deploy/a100-gpu-mem-error-mgmt, row-remapping.html,
            // read 2026-11-22), also with a driver that has no recovery action to tell.
            let remapped = gpu.row_remapping.as_ref().is_some_and(|rows| {
                if rows.pending {
                    memory.remapping.insert(uuid.clone());
                    false
                } else {
                    memory.remapping.remove(uuid)
                }
            });
            if released || remapped {
                reset.extend([Some(uuid.clone()), gpu.pci_address.clone()].into_iter().flatten());
            }
        }
        if let Some(before) = before {
            memory.forgiven.extend(reset.iter().map(|name| (name.clone(), before)));
        }
        if let Some(record) = record_before {
            let records = reset.iter().map(|name| (name.clone(), record));
            memory.forgiven_records.extend(records);
        }
        reset
    }

    /// Whether the driver was loaded again or the GPU with these names reset since something was told `at` this time, in this record of
    /// the kernel's log if it was there.
    pub(crate) fn is_past(&self, at: Timestamp, record: Option<u64>, names: [Option<&str>; 2]) -> bool {
        let Memory {
            forgiven,
            forgiven_records,
            ..
        } = &self.memory;
        names.into_iter().flatten().chain([ALL]).any(|name| {
            let told = record.zip(forgiven_records.get(name));
            told.is_some_and(|(record, until)| record <= *until) || forgiven.get(name).is_some_and(|until| at <= *until)
        })
    }
}
