//! The bytes between the kernel and a FUSE server: the requests of one small file system, and their answers. Pure.
//!
//! Source: include/uapi/linux/fuse.h, version 7.31 of the protocol, and the same structures in the crate fuser 0.18
//! (`ll/fuse_abi.rs`), read 2026-11-21. No FUSE crate is used: fuser 0.18 answers an interrupt with ENOSYS, after which
//! nothing can end a process that waits in `read`, not even SIGKILL; and a machine's log is read by waiting.

/// The longest write that the kernel may send; a longer one comes in pieces.
pub(super) const MAX_WRITE: u32 = 4096;
/// The kernel refuses to hand requests to a smaller buffer (`FUSE_MIN_READ_BUFFER`).
pub(super) const BUFFER: usize = 16 * 1024;
/// `FUSE_ROOT_ID`.
pub(super) const ROOT: u64 = 1;
const MAJOR: u32 = 7;
const MINOR: u32 = 31;
/// `O_TRUNC` comes with the open request instead of as a change of size (`FUSE_ATOMIC_O_TRUNC`).
const ATOMIC_O_TRUNC: u32 = 1 << 3;
/// Every read and write reaches the server as it was made (`FOPEN_DIRECT_IO`).
const DIRECT_IO: u32 = 1;
/// `FUSE_POLL_SCHEDULE_NOTIFY`: somebody waits.
const SCHEDULE_NOTIFY: u32 = 1;
/// `FUSE_NOTIFY_POLL`.
const NOTIFY_POLL: i32 = 1;
/// Entries never change; one year, in seconds.
const ENTRY_VALID: u64 = 31_536_000;

/// A request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request<'a> {
    /// Names the request in its answer.
    pub(super) unique: u64,
    /// Which file.
    pub(super) node: u64,
    /// The process that asks, as this machine numbers it.
    pub(super) pid: u32,
    /// What is asked.
    pub(super) operation: Operation<'a>,
}

/// What is asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Operation<'a> {
    Init {
        major: u32,
    },
    Lookup {
        name: &'a [u8],
    },
    Attributes,
    Open {
        flags: u32,
    },
    OpenDirectory,
    ReadDirectory,
    Statistics,
    Read {
        handle: u64,
        offset: u64,
        size: u32,
        flags: u32,
    },
    Write {
        handle: u64,
        offset: u64,
        data: &'a [u8],
    },
    Release {
        handle: u64,
    },
    Interrupt {
        unique: u64,
    },
    Poll {
        handle: u64,
        waker: u64,
        waits: bool,
    },
    /// `SEEK_DATA` and `SEEK_HOLE`; the kernel does the others by itself.
    Seek {
        whence: u32,
    },
    /// Wants no answer.
    Silent,
    /// Is not done here.
    Other,
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_ne_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_ne_bytes(self.take(8)?.try_into().ok()?))
    }
}

impl<'a> Request<'a> {
    /// Reads one request; none if it is shorter than it says.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let (length, opcode) = (fields.u32()?, fields.u32()?);
        if usize::try_from(length).ok()? != bytes.len() {
            return None;
        }
        let (unique, node) = (fields.u64()?, fields.u64()?);
        let (_uid, _gid, pid, _padding) = (fields.u32()?, fields.u32()?, fields.u32()?, fields.u32()?);
        let operation = match opcode {
            1 => Operation::Lookup {
                name: fields.0.strip_suffix(&[0])?,
            },
            2 | 42 => Operation::Silent,
            // Nothing of a file can be changed; who tries is told what it is.
            3 | 4 => Operation::Attributes,
            14 => Operation::Open { flags: fields.u32()? },
            15 => {
                let (handle, offset, size) = (fields.u64()?, fields.u64()?, fields.u32()?);
                let (_read_flags, _owner) = (fields.u32()?, fields.u64()?);
                let flags = fields.u32()?;
                Operation::Read {
                    handle,
                    offset,
                    size,
                    flags,
                }
            }
            16 => {
                let (handle, offset, size) = (fields.u64()?, fields.u64()?, fields.u32()?);
                let (_write_flags, _owner, _flags, _padding) =
                    (fields.u32()?, fields.u64()?, fields.u32()?, fields.u32()?);
                let data = fields.take(usize::try_from(size).ok()?)?;
                Operation::Write { handle, offset, data }
            }
            17 => Operation::Statistics,
            18 => Operation::Release { handle: fields.u64()? },
            26 => Operation::Init { major: fields.u32()? },
            27 => Operation::OpenDirectory,
            28 => Operation::ReadDirectory,
            36 => Operation::Interrupt { unique: fields.u64()? },
            40 => {
                let (handle, waker, flags) = (fields.u64()?, fields.u64()?, fields.u32()?);
                Operation::Poll {
                    handle,
                    waker,
                    waits: flags & SCHEDULE_NOTIFY != 0,
                }
            }
            46 => {
                let (_handle, _offset) = (fields.u64()?, fields.u64()?);
                Operation::Seek { whence: fields.u32()? }
            }
            _ => Operation::Other,
        };
        Some(Self {
            unique,
            node,
            pid,
            operation,
        })
    }
}

/// An answer, or a notification, as it is written to the kernel.
pub(super) type Answer = Vec<u8>;

struct Body(Vec<u8>);

impl Body {
    fn new() -> Self {
        Self(Vec::new())
    }

    fn u16(mut self, values: &[u16]) -> Self {
        self.0.extend(values.iter().flat_map(|value| value.to_ne_bytes()));
        self
    }

    fn u32(mut self, values: &[u32]) -> Self {
        self.0.extend(values.iter().flat_map(|value| value.to_ne_bytes()));
        self
    }

    fn u64(mut self, values: &[u64]) -> Self {
        self.0.extend(values.iter().flat_map(|value| value.to_ne_bytes()));
        self
    }
}

fn message(unique: u64, error: i32, body: &[u8]) -> Answer {
    // A header of 16 bytes; no answer is near 4 GiB.
    let length = u32::try_from(16 + body.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(16 + body.len());
    bytes.extend(length.to_ne_bytes());
    bytes.extend(error.to_ne_bytes());
    bytes.extend(unique.to_ne_bytes());
    bytes.extend(body);
    bytes
}

/// What a file is, as stat(2) shows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attributes {
    pub(super) node: u64,
    pub(super) mode: u32,
    pub(super) size: u64,
}

impl Attributes {
    fn append(self, body: Body) -> Body {
        body.u64(&[self.node, self.size, 0, 0, 0, 0])
            .u32(&[0, 0, 0, self.mode, 1, 0, 0, 0, 4096, 0])
    }
}

pub(super) fn failed(unique: u64, errno: rustix::io::Errno) -> Answer {
    message(unique, -errno.raw_os_error(), &[])
}

pub(super) fn done(unique: u64) -> Answer {
    message(unique, 0, &[])
}

pub(super) fn data(unique: u64, bytes: &[u8]) -> Answer {
    message(unique, 0, bytes)
}

pub(super) fn initialised(unique: u64) -> Answer {
    let body = Body::new()
        .u32(&[MAJOR, MINOR, 0, ATOMIC_O_TRUNC])
        .u16(&[0, 0])
        .u32(&[MAX_WRITE, 1])
        .u16(&[0, 0])
        .u32(&[0; 8]);
    message(unique, 0, &body.0)
}

pub(super) fn entry(unique: u64, attributes: Attributes) -> Answer {
    let body = Body::new().u64(&[attributes.node, 0, ENTRY_VALID, 0]).u32(&[0, 0]);
    message(unique, 0, &attributes.append(body).0)
}

/// Valid for no time at all: a file's size is where its log ends, and it grows.
pub(super) fn attributes(unique: u64, attributes: Attributes) -> Answer {
    message(unique, 0, &attributes.append(Body::new().u64(&[0]).u32(&[0, 0])).0)
}

pub(super) fn opened(unique: u64, handle: u64) -> Answer {
    message(unique, 0, &Body::new().u64(&[handle]).u32(&[DIRECT_IO, 0]).0)
}

pub(super) fn written(unique: u64, size: u32) -> Answer {
    message(unique, 0, &Body::new().u32(&[size, 0]).0)
}

pub(super) fn statistics(unique: u64) -> Answer {
    message(
        unique,
        0,
        &Body::new().u64(&[0; 5]).u32(&[4096, 255, 4096, 0, 0, 0, 0, 0, 0, 0]).0,
    )
}

pub(super) fn polled(unique: u64, events: u32) -> Answer {
    message(unique, 0, &Body::new().u32(&[events, 0]).0)
}

pub(super) fn sought(unique: u64, offset: u64) -> Answer {
    message(unique, 0, &Body::new().u64(&[offset]).0)
}

/// Not an answer: wakes those who poll a file.
pub(super) fn wake(waker: u64) -> Answer {
    message(0, NOTIFY_POLL, &Body::new().u64(&[waker]).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_have_the_lengths_that_the_kernel_demands() {
        let attributes_of = Attributes {
            node: 2,
            mode: 0o100_644,
            size: 9,
        };
        for (answer, length) in [
            (initialised(1), 64),
            (entry(1, attributes_of), 128),
            (attributes(1, attributes_of), 104),
            (opened(1, 1), 16),
            (written(1, 1), 8),
            (statistics(1), 80),
            (polled(1, 1), 8),
            (sought(1, 1), 8),
            (wake(1), 8),
            (done(1), 0),
        ] {
            assert_eq!(answer.len(), 16 + length);
            assert_eq!(answer[..4], u32::try_from(16 + length).unwrap().to_ne_bytes());
        }
    }

    #[test]
    fn a_request_that_is_shorter_than_it_says_is_none() {
        let mut bytes = vec![0; 40];
        bytes[0] = 41;
        assert_eq!(Request::read(&bytes), None);
        bytes[0] = 40;
        bytes[4] = 15;
        assert_eq!(Request::read(&bytes), None, "a read without its fields");
        bytes[4] = 17;
        assert_eq!(Request::read(&bytes).unwrap().operation, Operation::Statistics);
    }
}
