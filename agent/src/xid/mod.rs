//! XIDs: what NVIDIA's driver reports of a GPU, out of the kernel's log and out of NVML's events.
//!
//! [`watch`] reads the log, [`line`] understands its lines, [`ledger`] counts each incident once and remembers across
//! restarts, [`reading`] says what an event means by NVIDIA's [`catalogue`]. Only records that the kernel itself wrote count.
//! Nothing here changes a GPU. Called by the verb `check`, by the daemon and by the checks.

mod address;
pub(crate) mod catalogue;
mod event;
mod ledger;
mod line;
pub(crate) mod nvlink5;
#[cfg(any(test, fuzzing))]
pub(crate) mod property;
mod reader;
mod reading;
mod recovery;
mod store;
mod watch;

pub(crate) use crate::host::kmsg::PATH as KERNEL_LOG;
pub(crate) use address::normalise;
pub(crate) use event::XidEvent;
#[cfg(test)]
pub(crate) use event::{Source, Xid};
pub(crate) use ledger::{Count, Ledger};
pub(crate) use reading::{Basis, Gpu, Reading, reading, said};
pub(crate) use recovery::Recovery;
pub(crate) use store::Store;
pub(crate) use watch::{Backlog, Watch, backlog};
