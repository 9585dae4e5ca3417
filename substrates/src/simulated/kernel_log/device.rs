//! `/dev/kmsg` as a file system of two files: what each request does. Pure but for the clock and the capability, which are given.
//!
//! `kmsg` is what the machine sees: each open has its own place, each read gets one record. `kernel` is seen only outside;
//! what is written to it, the kernel has said. Called by the server beside it.
//!
//! What differs from a kernel's device: it is a regular file, for a file system in user space cannot make a character device
//! that works; lseek(2) gives the new place and not 0; a signal ends a read with EINTR where the kernel would begin it again.

use super::log::{Log, There};
use super::record::{LONGEST, Message, Writer};
use super::wire::{self, Answer, Attributes, Operation, Request};
use rustix::io::Errno;
use std::collections::BTreeMap;

/// What the machine sees at `/dev/kmsg`.
pub(super) const KMSG: &str = "kmsg";
/// Where the substrate speaks as the kernel.
pub(super) const KERNEL: &str = "kernel";
const KMSG_NODE: u64 = 2;
const KERNEL_NODE: u64 = 3;

/// poll(2) of a kernel's device: a record is there to read; some have been overwritten; asm-generic/poll.h.
const READABLE: u32 = 0x001 | 0x040;
const LOST: u32 = 0x008 | 0x002;
const WRITABLE: u32 = 0x004 | 0x100;
/// open(2) flags on this architecture; asm-generic/fcntl.h.
const ACCESS_MODE: u32 = 0o3;
const WRITE_ONLY: u32 = 0o1;
const NONBLOCK: u32 = 0o4000;
const SEEK_DATA: u32 = 3;

/// What is outside of the file system.
pub(super) trait Around {
    /// Microseconds of `CLOCK_MONOTONIC`, which stamp a kernel's records.
    fn now(&self) -> u64;
    /// Whether the process may read the kernel's log.
    fn may_read(&self, pid: u32) -> bool;
}

#[derive(Debug, Default)]
struct Handle {
    /// The next record to read.
    place: u64,
    /// Where the kernel believes the file's position to be after the last call; another one in a read means a seek.
    position: u64,
    waker: Option<u64>,
}

#[derive(Debug)]
struct Waiting {
    unique: u64,
    handle: u64,
    offset: u64,
    size: u32,
}

/// The two files, and who has them open.
#[derive(Debug, Default)]
pub(super) struct Device {
    log: Log,
    handles: BTreeMap<u64, Handle>,
    opened: u64,
    waiting: Vec<Waiting>,
}

impl Device {
    /// Adds a record of the kernel's and gives what must be told to those who wait.
    pub(super) fn kernel_says(&mut self, text: &[u8], around: &impl Around) -> Vec<Answer> {
        self.append(&Message::read(text, Writer::Kernel), around)
    }

    /// Does what a request asks and gives everything to be written to the kernel, in order.
    pub(super) fn answer(&mut self, request: &Request<'_>, around: &impl Around) -> Vec<Answer> {
        let unique = request.unique;
        let answer = match request.operation {
            Operation::Init { major: 7 } => wire::initialised(unique),
            Operation::Init { .. } => wire::failed(unique, Errno::PROTO),
            Operation::Lookup { name } => self.lookup(unique, request.node, name),
            Operation::Attributes => wire::attributes(unique, self.attributes(request.node)),
            Operation::Open { flags } => self.open(request, flags, around),
            Operation::OpenDirectory => wire::opened(unique, 0),
            Operation::ReadDirectory => wire::done(unique),
            Operation::Statistics => wire::statistics(unique),
            Operation::Read {
                handle,
                offset,
                size,
                flags,
            } => {
                let read = Waiting {
                    unique,
                    handle,
                    offset,
                    size,
                };
                match self.read(&read) {
                    Some(answer) => answer,
                    None if flags & NONBLOCK != 0 => wire::failed(unique, Errno::AGAIN),
                    None => {
                        self.waiting.push(read);
                        return Vec::new();
                    }
                }
            }
            Operation::Write { handle, offset, data } => return self.write(request, handle, offset, data, around),
            Operation::Release { handle } => {
                self.handles.remove(&handle);
                wire::done(unique)
            }
            Operation::Interrupt { unique: which } => {
                let Some(index) = self.waiting.iter().position(|waiting| waiting.unique == which) else {
                    return Vec::new();
                };
                wire::failed(self.waiting.remove(index).unique, Errno::INTR)
            }
            Operation::Poll { handle, waker, waits } => self.poll(request, handle, waker, waits),
            Operation::Seek { whence: SEEK_DATA } => wire::sought(unique, 0),
            Operation::Seek { .. } => wire::failed(unique, Errno::INVAL),
            Operation::Silent => return Vec::new(),
            Operation::Other => wire::failed(unique, Errno::NOSYS),
        };
        vec![answer]
    }

    fn attributes(&self, node: u64) -> Attributes {
        let (mode, size) = match node {
            // The size is what SEEK_END seeks to.
            KMSG_NODE => (0o100_644, self.log.end()),
            KERNEL_NODE => (0o100_200, 0),
            _ => (0o40_755, 0),
        };
        Attributes { node, mode, size }
    }

    fn lookup(&self, unique: u64, parent: u64, name: &[u8]) -> Answer {
        match name {
            _ if parent != wire::ROOT => wire::failed(unique, Errno::NOTDIR),
            name if name == KMSG.as_bytes() => wire::entry(unique, self.attributes(KMSG_NODE)),
            name if name == KERNEL.as_bytes() => wire::entry(unique, self.attributes(KERNEL_NODE)),
            _ => wire::failed(unique, Errno::NOENT),
        }
    }

    fn open(&mut self, request: &Request<'_>, flags: u32, around: &impl Around) -> Answer {
        let reads = flags & ACCESS_MODE != WRITE_ONLY;
        if reads && request.node == KMSG_NODE && !around.may_read(request.pid) {
            return wire::failed(request.unique, Errno::PERM);
        }
        self.opened += 1;
        let handle = Handle {
            place: self.log.first(),
            ..Handle::default()
        };
        self.handles.insert(self.opened, handle);
        wire::opened(request.unique, self.opened)
    }

    /// The answer to a read, or none while there is no record for it.
    fn read(&mut self, read: &Waiting) -> Option<Answer> {
        let Some(handle) = self.handles.get_mut(&read.handle) else {
            return Some(wire::failed(read.unique, Errno::BADF));
        };
        if read.offset != handle.position {
            // 0 is the beginning of what is left, not a record that may be gone.
            handle.place = if read.offset == 0 {
                self.log.first()
            } else {
                read.offset
            };
            handle.position = read.offset;
        }
        let fail = |errno| Some(wire::failed(read.unique, errno));
        match self.log.at(handle.place) {
            There::End => None,
            There::Between => fail(Errno::INVAL),
            There::Overwritten => {
                handle.place = self.log.first();
                fail(Errno::PIPE)
            }
            There::Record(bytes) => {
                handle.place += bytes.len() as u64;
                // The record is passed over, as the kernel does.
                if bytes.len() > read.size as usize {
                    return fail(Errno::INVAL);
                }
                handle.position += bytes.len() as u64;
                Some(wire::data(read.unique, bytes))
            }
        }
    }

    fn write(
        &mut self,
        request: &Request<'_>,
        handle: u64,
        offset: u64,
        data: &[u8],
        around: &impl Around,
    ) -> Vec<Answer> {
        if data.len() > LONGEST {
            return vec![wire::failed(request.unique, Errno::INVAL)];
        }
        // The kernel moves a file's position with each write; the place to read from stays.
        if let Some(handle) = self.handles.get_mut(&handle) {
            handle.position = offset + data.len() as u64;
        }
        let writer = if request.node == KERNEL_NODE {
            Writer::Kernel
        } else {
            Writer::Process
        };
        let mut answers = self.append(&Message::read(data, writer), around);
        let size = u32::try_from(data.len()).unwrap_or_default();
        answers.push(wire::written(request.unique, size));
        answers
    }

    fn append(&mut self, message: &Message<'_>, around: &impl Around) -> Vec<Answer> {
        self.log.append(message, around.now());
        let mut answers = Vec::new();
        for waiting in std::mem::take(&mut self.waiting) {
            match self.read(&waiting) {
                Some(answer) => answers.push(answer),
                None => self.waiting.push(waiting),
            }
        }
        answers.extend(self.handles.values().filter_map(|handle| handle.waker).map(wire::wake));
        answers
    }

    fn poll(&mut self, request: &Request<'_>, handle: u64, waker: u64, waits: bool) -> Answer {
        let Some(handle) = self.handles.get_mut(&handle) else {
            return wire::failed(request.unique, Errno::BADF);
        };
        // Kept for good: who waits for edges asks only once.
        if waits {
            handle.waker = Some(waker);
        }
        let events = match self.log.at(handle.place) {
            _ if request.node == KERNEL_NODE => WRITABLE,
            There::Record(_) => READABLE,
            There::Overwritten => READABLE | LOST,
            There::End | There::Between => 0,
        };
        wire::polled(request.unique, events)
    }
}
