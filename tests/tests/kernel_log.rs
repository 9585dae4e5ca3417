//! A simulated machine's `/dev/kmsg` is a kernel's, for everything that reads one: dmesg, journald, select, a plain read.
//! Needs root.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]

use bedplate_substrates::simulated::Hosts;
use bedplate_substrates::simulated::census::Census;
use bedplate_tests::one_host::{HOST, RemoveAtEnd, remove, up};
use std::time::{Duration, Instant};

const NAME: &str = "kmsg-test";
const XID: &str = "NVRM: Xid (PCI:0000:18:00): 79, pid=1, GPU has fallen off the bus.";
/// Long enough for everything here, beside other work on two cores.
const SOON: Duration = Duration::from_secs(30);

#[test]
fn a_machine_has_a_kernel_log_of_its_own_that_ends_with_it() {
    remove(NAME);
    let before = Census::read(NAME);
    std::thread::spawn(live).join().unwrap();
    assert_eq!(Census::read(NAME).differences(&before), Vec::<String>::new());
}

fn until(what: &str, mut met: impl FnMut() -> bool) {
    let since = Instant::now();
    while !met() {
        assert!(since.elapsed() < SOON, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// All records, raw, without waiting for more.
const RAW: &str = r#"perl -e 'use Fcntl; sysopen(F, "/dev/kmsg", O_RDONLY|O_NONBLOCK) or die $!; while (1) { my $n = sysread(F, $_, 8192); defined $n ? print : last }'"#;

fn live() {
    let _end = RemoveAtEnd(NAME);
    let hosts = up(NAME, 81);
    let on = |line: &str| hosts.ssh(HOST, line).unwrap_or_else(|e| panic!("{line}: {e}"));
    let running = on("systemctl is-system-running --wait || systemctl --failed --no-legend");
    assert_eq!(running.trim(), "running");
    reading(&hosts, &on);
    waiting(&hosts, &on);
    writing(&on);

    // Each boot begins a log, and so does each time the power comes back.
    hosts.reboot(HOST).unwrap();
    let log = on(RAW);
    assert!(log.starts_with("5,0,") && log.contains(";Linux version "), "{log}");
    assert!(!log.contains("Xid"), "{log}");
    hosts.kernel_log(HOST, XID).unwrap();
    hosts.power_off(HOST).unwrap();
    let off = hosts.kernel_log(HOST, XID).unwrap_err().to_string();
    assert!(off.contains("does not run"), "{off}");
    hosts.power_on(HOST).unwrap();
    assert!(!on(RAW).contains("Xid"));
    hosts.down().unwrap();
}

fn reading(hosts: &Hosts, on: &impl Fn(&str) -> String) {
    let log = on(RAW);
    assert!(log.starts_with("5,0,") && log.contains(";Linux version "), "{log}");
    hosts.kernel_log(HOST, &format!("{XID}\n<6>second\\\tline")).unwrap();
    for _ in 0..2 {
        let log = on(RAW);
        let xid = log
            .lines()
            .find(|line| line.ends_with(XID))
            .expect("the record is there");
        assert!(xid.starts_with("4,"), "facility kern, level warning: {xid}");
        assert!(log.contains(r";second\x5c\x09line"), "{log}");
    }
    assert!(on("dmesg --level warn --facility kern").contains(XID));
    until("journald has the record", || {
        on("journalctl -k --no-pager").contains(XID)
    });
    // The stamp is of the clock that every reader compares it with.
    let age = r"perl -ne '$u = $_ if $. == 1; END { print((split / /, `cat /proc/uptime`)[0] - $u) }'";
    let age: f64 = on(&format!(
        r"{RAW} | grep Xid | cut -d, -f3 | awk '{{print $1 / 1000000}}' | {age}"
    ))
    .trim()
    .parse()
    .unwrap();
    assert!((-1.0..60.0).contains(&age), "{age} s");
    // A buffer that is too small; the end; the beginning again.
    let small = r#"perl -e 'use Fcntl ":seek"; use Fcntl; sysopen(F, "/dev/kmsg", O_RDONLY|O_NONBLOCK) or die;
        print defined sysread(F, $_, 4) ? "read " : $!{EINVAL} ? "EINVAL " : "$! ";
        sysseek(F, 0, SEEK_END) // die $!; print defined sysread(F, $_, 8192) ? "read " : $!{EAGAIN} ? "EAGAIN " : "$! ";
        sysseek(F, 0, SEEK_SET) // die $!; sysread(F, $_, 8192); print /^5,0,/ ? "first " : $_;
        sysread(F, $_, 8192); sysseek(F, 0, 3) // die $!; sysread(F, $_, 8192); print /^5,0,/ ? "first" : $_'"#;
    assert_eq!(on(small), "EINVAL EAGAIN first first");
    assert_eq!(
        on("setpriv --bounding-set=-syslog --inh-caps=-syslog dmesg 2>&1 || true").trim(),
        "dmesg: read kernel buffer failed: Operation not permitted"
    );
}

/// Runs a command on the machine that waits for the log, has the kernel speak when it waits, and gives what it said.
fn spoken_to(hosts: &Hosts, on: &impl Fn(&str) -> String, command: &str, says: &str) -> String {
    on("rm -f /run/ready /run/said");
    on(&format!(
        "systemd-run --quiet --unit=listener --collect sh -c '{} >/run/said 2>&1; echo ended >>/run/said'",
        command.replace('\'', r"'\''")
    ));
    until("the listener listens", || {
        on("test -e /run/ready && echo yes || true").contains("yes")
    });
    hosts.kernel_log(HOST, says).unwrap();
    until("the listener has heard it", || {
        on("cat /run/said 2>/dev/null || true").contains(says)
    });
    on("cat /run/said")
}

fn waiting(hosts: &Hosts, on: &impl Fn(&str) -> String) {
    let open = r#"use Fcntl; use Fcntl ":seek"; $| = 1; sysopen(F, "/dev/kmsg", O_RDONLY) or die $!; sysseek(F, 0, SEEK_END) // die $!;"#;
    let ready = r#"open(R, ">", "/run/ready"); close(R);"#;
    let read = format!("perl -e '{open} {ready} sysread(F, $_, 8192) // die $!; print'");
    assert!(spoken_to(hosts, on, &read, "to a read").starts_with("4,"));
    // One empty read first: a seek alone moves no place that poll knows of.
    let select = format!(
        "perl -e '{open} fcntl(F, F_SETFL, O_NONBLOCK); sysread(F, $_, 8192); vec($in, fileno(F), 1) = 1; {ready}
         print scalar select($ready = $in, undef, undef, 20), \" \"; sysread(F, $_, 8192) // die $!; print'"
    );
    let said = spoken_to(hosts, on, &select, "to a select");
    assert!(said.starts_with("1 4,"), "{said}");
    let follow = "touch /run/ready; timeout 20 dmesg --follow";
    assert!(spoken_to(hosts, on, follow, "to a follower").contains("Linux version"));
    // Who waits can be ended, by a signal that can be caught and by the one that cannot.
    on("timeout 20 systemctl stop listener");
    assert_eq!(on("pgrep -x dmesg || echo none").trim(), "none");
    for (signal, status) in [("TERM", "143"), ("KILL", "137")] {
        let ended = format!("cat /dev/kmsg >/dev/null & sleep 0.3; kill -{signal} $!; wait $!; echo $?");
        let ended = on(&format!("timeout 20 bash -c '{ended}' 2>/dev/null"));
        assert_eq!(ended.trim(), status);
    }
}

fn writing(on: &impl Fn(&str) -> String) {
    on("echo '<0>forged' >/dev/kmsg; printf '<30>from a daemon' >>/dev/kmsg");
    let log = on(RAW);
    let of = |text: &str| {
        log.lines()
            .find(|line| line.ends_with(text))
            .expect("written")
            .to_owned()
    };
    assert!(of(";forged").starts_with("8,"), "{log}");
    assert!(of(";from a daemon").starts_with("30,"), "{log}");
    assert_eq!(on("dmesg --facility kern").matches("forged").count(), 0);
    let long = "head -c 1025 /dev/zero | tr '\\0' x >/run/long; dd if=/run/long of=/dev/kmsg bs=2048 2>&1 | grep -o 'Invalid argument'";
    assert_eq!(on(long).trim(), "Invalid argument");
}
