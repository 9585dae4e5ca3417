//! What a worker has said in a pass, as facts. Called by [`super::parent`] only.

use super::wire::Line;
use super::without;
use bedplate_protocol::facts::{GpuFacts, NvmlCallError, NvmlFacts, NvmlStatus};

/// More GPUs than any host has; a driver that counts more is not believed.
pub(super) const MOST: usize = 128;

/// The lines so far.
#[derive(Default)]
pub(super) struct Collected {
    status: Option<NvmlStatus>,
    facts: Option<NvmlFacts>,
    gpus: Vec<GpuFacts>,
    counted: u32,
}

impl Collected {
    /// Takes a line; whether the pass is over with it.
    pub(super) fn take(&mut self, line: Line) -> bool {
        match line {
            Line::LibraryMissing { detail } => self.status = Some(NvmlStatus::LibraryMissing { detail }),
            Line::InitFailed { code, detail } => self.status = Some(NvmlStatus::InitFailed { code, detail }),
            Line::Done => self.status = Some(NvmlStatus::Ready),
            Line::Gpu(gpu) => {
                if self.gpus.len() < MOST {
                    self.gpus.push(*gpu);
                }
            }
            // Told to whom it concerns before it came here.
            Line::Event(_) => {}
            Line::System {
                driver,
                nvml,
                cuda,
                gpus,
            } => {
                self.counted = gpus.min(u32::try_from(MOST).unwrap_or(u32::MAX));
                self.facts = Some(NvmlFacts {
                    driver_version: driver,
                    nvml_version: nvml,
                    cuda_driver_version: cuda,
                    ..without(NvmlStatus::Ready)
                });
            }
        }
        self.status.is_some()
    }

    /// How many GPUs NVML counts, as soon as it has said so.
    pub(super) fn counted(&self) -> usize {
        self.counted as usize
    }

    /// The facts of a pass that came to its end.
    pub(super) fn finish(self) -> NvmlFacts {
        let status = self.status.clone().unwrap_or(NvmlStatus::Ready);
        NvmlFacts {
            status,
            gpus: self.gpus,
            ..self.facts.unwrap_or_else(|| without(NvmlStatus::Ready))
        }
    }

    /// The facts of one that did not, at a call; GPUs that were counted and not read say so.
    pub(super) fn broken_off(mut self, call: &str, status: NvmlStatus) -> NvmlFacts {
        let read = u32::try_from(self.gpus.len()).unwrap_or(u32::MAX);
        for index in read..self.counted {
            let error = NvmlCallError {
                call: call.to_owned(),
                code: None,
                detail: "the worker ended before this GPU was read".to_owned(),
            };
            self.gpus.push(GpuFacts {
                index,
                errors: vec![error],
                ..GpuFacts::default()
            });
        }
        self.status = Some(status);
        self.finish()
    }
}
