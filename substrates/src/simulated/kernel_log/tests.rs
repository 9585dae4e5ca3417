//! What a reader of the log sees, request by request.

use super::device::{Around, Device};
use super::wire::{Operation, Request};
use rustix::io::Errno;

const KMSG: u64 = 2;
const KERNEL: u64 = 3;
const NONBLOCK: u32 = 0o4000;

/// Second by second, and only process 1 may read.
struct Still;

impl Around for Still {
    fn now(&self) -> u64 {
        1_000_000
    }

    fn may_read(&self, pid: u32) -> bool {
        pid == 1
    }
}

/// The errno (0 is none) and the bytes of each answer.
fn ask(device: &mut Device, unique: u64, node: u64, operation: Operation<'_>) -> Vec<(i32, Vec<u8>)> {
    let request = Request {
        unique,
        node,
        pid: 1,
        operation,
    };
    let answers = device.answer(&request, &Still);
    answers
        .iter()
        .map(|answer| {
            let errno = i32::from_ne_bytes(answer[4..8].try_into().unwrap());
            (-errno, answer[16..].to_vec())
        })
        .collect()
}

fn open(device: &mut Device) -> u64 {
    let answers = ask(device, 1, KMSG, Operation::Open { flags: 0 });
    u64::from_ne_bytes(answers[0].1[..8].try_into().unwrap())
}

fn read(device: &mut Device, handle: u64, offset: u64, size: u32, flags: u32) -> Vec<(i32, Vec<u8>)> {
    let operation = Operation::Read {
        handle,
        offset,
        size,
        flags,
    };
    ask(device, 9, KMSG, operation)
}

fn errno(errno: Errno) -> Vec<(i32, Vec<u8>)> {
    vec![(errno.raw_os_error(), Vec::new())]
}

fn record(text: &str) -> Vec<(i32, Vec<u8>)> {
    vec![(0, text.as_bytes().to_vec())]
}

#[test]
fn every_open_gets_every_record_one_a_read() {
    let mut device = Device::default();
    device.kernel_says(b"one", &Still);
    device.kernel_says(b"two", &Still);
    for _ in 0..2 {
        let handle = open(&mut device);
        let (one, two) = ("4,0,1000000,-;one\n", "4,1,1000000,-;two\n");
        assert_eq!(read(&mut device, handle, 0, 8192, NONBLOCK), record(one));
        let after = one.len() as u64;
        assert_eq!(read(&mut device, handle, after, 8192, NONBLOCK), record(two));
        let after = after + two.len() as u64;
        assert_eq!(read(&mut device, handle, after, 8192, NONBLOCK), errno(Errno::AGAIN));
        assert_eq!(read(&mut device, handle, 0, 8192, NONBLOCK), record(one), "SEEK_SET 0");
        assert_eq!(
            read(&mut device, handle, after, 8192, NONBLOCK),
            errno(Errno::AGAIN),
            "SEEK_END"
        );
    }
}

#[test]
fn a_buffer_that_is_too_small_is_refused_and_the_record_passed_over() {
    let mut device = Device::default();
    device.kernel_says(b"one", &Still);
    device.kernel_says(b"two", &Still);
    let handle = open(&mut device);
    assert_eq!(read(&mut device, handle, 0, 5, NONBLOCK), errno(Errno::INVAL));
    assert_eq!(
        read(&mut device, handle, 0, 8192, NONBLOCK),
        record("4,1,1000000,-;two\n")
    );
}

#[test]
fn a_read_waits_until_the_kernel_speaks_and_pollers_are_woken() {
    let mut device = Device::default();
    let handle = open(&mut device);
    assert_eq!(read(&mut device, handle, 0, 8192, 0), []);
    let poll = Operation::Poll {
        handle,
        waker: 77,
        waits: true,
    };
    assert_eq!(ask(&mut device, 2, KMSG, poll), [(0, vec![0; 8])]);
    let told = device.kernel_says(b"spoken", &Still);
    assert_eq!(told.len(), 2);
    assert_eq!(told[0][8..16], 9_u64.to_ne_bytes());
    assert_eq!(told[0][16..], *b"4,0,1000000,-;spoken\n");
    assert_eq!(told[1][16..], 77_u64.to_ne_bytes());
}

#[test]
fn a_read_that_waits_can_be_interrupted_and_only_it() {
    let mut device = Device::default();
    let handle = open(&mut device);
    assert_eq!(read(&mut device, handle, 0, 8192, 0), []);
    assert_eq!(
        ask(&mut device, 0, 0, Operation::Interrupt { unique: 8 }),
        [],
        "answered already"
    );
    assert_eq!(
        ask(&mut device, 0, 0, Operation::Interrupt { unique: 9 }),
        errno(Errno::INTR)
    );
    assert_eq!(device.kernel_says(b"later", &Still).len(), 0);
}

#[test]
fn what_a_process_writes_is_of_no_kernel_facility_and_does_not_move_its_place() {
    let mut device = Device::default();
    let handle = open(&mut device);
    let write = |data: &'static [u8]| Operation::Write {
        handle,
        offset: 0,
        data,
    };
    let length = 25;
    let forged = b"<0>NVRM: Xid (PCI:0): 79,";
    assert_eq!(
        ask(&mut device, 3, KMSG, write(forged)),
        [(0, [length, 0, 0, 0, 0, 0, 0, 0].to_vec())]
    );
    assert_eq!(
        read(&mut device, handle, u64::from(length), 8192, NONBLOCK),
        record("8,0,1000000,-;NVRM: Xid (PCI:0): 79,\n")
    );
    assert_eq!(ask(&mut device, 4, KMSG, write(&[b'x'; 1025])), errno(Errno::INVAL));
    assert_eq!(ask(&mut device, 5, KERNEL, write(b"<3>true")).len(), 1);
    let handle = open(&mut device);
    let first = "8,0,1000000,-;NVRM: Xid (PCI:0): 79,\n";
    assert_eq!(read(&mut device, handle, 0, 8192, NONBLOCK), record(first));
    assert_eq!(
        read(&mut device, handle, first.len() as u64, 8192, NONBLOCK),
        record("3,1,1000000,-;true\n")
    );
}

#[test]
fn a_reader_that_was_too_slow_is_told_once_and_goes_on_with_what_is_left() {
    let mut device = Device::default();
    let handle = open(&mut device);
    for _ in 0..1100 {
        device.kernel_says(&[b'x'; 1000], &Still);
    }
    assert_eq!(read(&mut device, handle, 0, 8192, NONBLOCK), errno(Errno::PIPE));
    assert_eq!(read(&mut device, handle, 0, 8192, NONBLOCK)[0].0, 0);
}

#[test]
fn who_may_not_read_the_log_may_still_write_to_it() {
    let mut device = Device::default();
    let mut open = |flags| {
        let request = Request {
            unique: 1,
            node: KMSG,
            pid: 2,
            operation: Operation::Open { flags },
        };
        i32::from_ne_bytes(device.answer(&request, &Still)[0][4..8].try_into().unwrap())
    };
    assert_eq!(open(0), -Errno::PERM.raw_os_error());
    assert_eq!(open(2), -Errno::PERM.raw_os_error());
    assert_eq!(open(1), 0);
}
