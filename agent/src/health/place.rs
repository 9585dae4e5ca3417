//! Which card a finding is about, and who held it when that began: for the people who must pull it or be told. Part of [`Fold`];
//! pure like it.

use super::sight::{gpu_of, is_about};
use super::{Change, Fold};
use bedplate_protocol::{Finding, GpuVerdict};

impl Fold {
    /// Address and serial number of the GPU that a subject names, where they are known.
    pub(super) fn place(&self, subject: &str) -> Option<String> {
        let gpu = self.gpu(subject)?;
        let address = gpu.pci_address.as_ref().map(|address| format!("PCI {address}"));
        let serial = gpu.serial.as_ref().map(|serial| format!("serial {serial}"));
        let known: Vec<String> = [address, serial].into_iter().flatten().collect();
        (!known.is_empty()).then(|| known.join(", "))
    }

    /// What a finding says, and of which card.
    pub(super) fn placed(&self, finding: &Finding) -> String {
        match self.place(&finding.subject) {
            Some(place) => format!("{} ({place})", finding.message),
            None => finding.message.clone(),
        }
    }

    /// Whether a subject names a GPU of this node, which somebody may hold.
    pub(crate) fn is_held(&self, subject: &str) -> bool {
        self.gpu(subject).is_some_and(|gpu| gpu.uuid.is_some())
    }

    /// Who holds the GPUs, in words by UUID, has been asked because of the transitions from this number on: it becomes part of
    /// them and of the findings that began to hold with them.
    pub(crate) fn held_by(&mut self, from: u64, holders: impl Fn(&str) -> String) {
        let begun = |transition: &super::Transition| transition.sequence >= from && transition.change == Change::Raised;
        let asked: Vec<(u64, String, String, String)> = self
            .memory
            .transitions
            .iter()
            .filter(|transition| begun(transition))
            .filter_map(|transition| {
                let words = holders(self.gpu(&transition.subject)?.uuid.as_deref()?);
                Some((
                    transition.sequence,
                    transition.code.clone(),
                    transition.subject.clone(),
                    words,
                ))
            })
            .collect();
        for (sequence, code, subject, words) in asked {
            for transition in &mut self.memory.transitions {
                if transition.sequence == sequence {
                    transition.message = format!("{}; {words}", transition.message);
                }
            }
            for entry in &mut self.memory.entries {
                if entry.finding.code == code && entry.finding.subject == subject {
                    entry.held_by = Some(words.clone());
                }
            }
        }
    }

    fn gpu(&self, subject: &str) -> Option<&GpuVerdict> {
        gpu_of(subject)?;
        self.memory.gpus.iter().find(|gpu| is_about(subject, gpu))
    }
}
