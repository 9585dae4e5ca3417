//! The kernel log as a file: over datagrams, which keep their bounds as records do, and the running kernel's own.

use super::*;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use std::io::Write as _;
use std::os::fd::OwnedFd;

/// A log that this process writes.
pub(crate) fn log() -> (Kmsg, File) {
    let (read, write) = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::NONBLOCK | SocketFlags::CLOEXEC,
        None,
    )
    .unwrap();
    let file = |end: OwnedFd| File::from(end);
    (Kmsg::over(file(read), Path::new("log")), file(write))
}

#[test]
fn records_come_one_by_one_and_an_empty_log_ends_the_wait_in_time() {
    let (mut kmsg, mut kernel) = log();
    kernel.write_all(b"6,7,1000,-;first\n KEY=value\n").unwrap();
    kernel.write_all(b"3,8,2000,-;second\n").unwrap();
    assert_eq!(kmsg.next(Duration::from_secs(5)).unwrap().unwrap().text, "first");
    assert_eq!(kmsg.next(Duration::ZERO).unwrap().unwrap().text, "second");
    let begun = Instant::now();
    assert_eq!(kmsg.next(Duration::from_millis(30)).unwrap(), None);
    assert!(begun.elapsed() >= Duration::from_millis(30));
}

#[test]
fn a_record_that_was_waited_for_was_written_now_whatever_its_clock_says() {
    let (mut kmsg, mut kernel) = log();
    kernel.write_all(b"3,1,1000000,-;before").unwrap();
    let before = kmsg.next(Duration::ZERO).unwrap().unwrap();
    let apart = kmsg.written(&before).duration_since(at(Duration::from_secs(1)));
    assert!(apart.abs().as_secs() < 1, "{apart}");
    assert_eq!(kmsg.next(Duration::ZERO).unwrap(), None);
    kernel.write_all(b"3,2,1000000,-;after").unwrap();
    let after = kmsg.next(Duration::ZERO).unwrap().unwrap();
    let age = Timestamp::now().duration_since(kmsg.written(&after));
    assert!(age.as_secs() < 1, "{age}");
}

#[test]
fn a_record_wakes_the_one_who_waits() {
    let (mut kmsg, mut kernel) = log();
    let waiting = std::thread::spawn(move || kmsg.next(Duration::from_mins(1)).unwrap().unwrap().text);
    kernel.write_all(b"6,1,1,-;awake\n").unwrap();
    assert_eq!(waiting.join().unwrap(), "awake");
}

#[test]
fn records_that_were_overwritten_are_counted_by_their_numbers() {
    let (mut kmsg, mut kernel) = log();
    for line in ["6,10,1,-;a", "6,11,1,-;b", "6,31,1,-;c", "no record", "6,32,1,-;d"] {
        kernel.write_all(line.as_bytes()).unwrap();
    }
    let mut read = Vec::new();
    while let Some(record) = kmsg.next(Duration::ZERO).unwrap() {
        read.push(record.text);
    }
    assert_eq!(read, ["a", "b", "c", "d"]);
    assert_eq!(kmsg.lost(), 19 + 1);
}

#[test]
fn a_file_that_is_no_kernel_log_is_told_and_not_read_for_ever() {
    let empty = tempfile::NamedTempFile::new().unwrap();
    let error = Kmsg::open(empty.path()).unwrap().next(Duration::ZERO).unwrap_err();
    assert!(
        error.to_string().contains(&empty.path().display().to_string()),
        "{error}"
    );
    let error = Kmsg::open(Path::new("/dev/zero"))
        .unwrap()
        .next(Duration::ZERO)
        .unwrap_err();
    assert!(matches!(error, KmsgError::Read { .. }), "{error}");
    let error = Kmsg::open(Path::new("/nowhere/kmsg")).unwrap_err();
    assert!(error.to_string().contains("CAP_SYSLOG"), "{error}");
}

#[test]
fn the_age_of_a_record_is_its_distance_on_the_monotonic_clock() {
    let now = Duration::try_from(rustix::time::clock_gettime(ClockId::Monotonic)).unwrap();
    let minute = Timestamp::now().duration_since(at(now.saturating_sub(Duration::from_mins(1))));
    assert!((59..=61).contains(&minute.as_secs()), "{minute}");
}

/// What a process writes to the running kernel's log is read back, and is not the kernel's.
#[test]
fn what_a_process_writes_to_the_kernels_log_is_not_the_kernels() {
    // A sandbox may have no kernel log, or a user no right to it; then there is nothing to ask the kernel.
    let Ok(mut kmsg) = Kmsg::open(Path::new(PATH)) else {
        return;
    };
    let Ok(mut kernel) = OpenOptions::new().write(true).open(PATH) else {
        return;
    };
    let oldest = kmsg.next(Duration::ZERO).unwrap().unwrap();
    assert!(at(oldest.monotonic) <= Timestamp::now());
    let forged = format!(
        "NVRM: Xid (PCI:0000:17:00): 79, forged by a test, process {}",
        std::process::id()
    );
    // Priority 0 claims facility kern; the kernel makes it user.
    kernel.write_all(format!("<0>{forged}\n").as_bytes()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let record = kmsg.next(deadline.saturating_duration_since(Instant::now())).unwrap();
        let record = record.expect("the record comes back");
        if record.text == forged {
            assert!(!record.is_kernel(), "{record:?}");
            return;
        }
    }
}
