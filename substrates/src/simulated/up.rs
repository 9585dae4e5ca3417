//! Making the machines, starting them, and waiting until they answer.

use super::process::Process;
use super::state::{self, HostRecord};
use super::{Hosts, HostsError, cgroup, host, network, nspawn, rootfs};
use std::fs;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

/// A guess with room: three machines greeted 1.1 to 2.3 s after their start, beside other builds (2026-11-21, two cores).
pub(super) const ANSWER_WITHIN: Duration = Duration::from_mins(2);

impl Hosts {
    /// Makes and starts every machine that does not run yet, and waits until each one's sshd greets. `progress` gets one
    /// line for each thing that is done. Moves the calling thread into the rehearsal's network: see [`Hosts::enter`].
    pub fn up(&self, mut progress: impl FnMut(&str)) -> Result<(), HostsError> {
        if !self.state.rootfs.is_dir() {
            progress("making the machines' root file system (Debian packages, once a machine)");
        }
        let cache = self.state.rootfs.parent().unwrap_or(Path::new("/"));
        rootfs::ensure(cache, self.mirror.as_deref(), &mut progress)?;
        state::private_directory(&self.directory)?;
        // Recorded before anything is made, so that `down` finds all of it after a kill.
        self.state.write(&self.directory)?;
        // Looked at each time: a run that was killed may have left half of it.
        if let Some(first) = self.state.hosts.first() {
            network::create(&self.name, network::gateway(first.address))?;
        }
        let authorized = host::ssh_key(&self.directory.join("key"), &self.name)?;
        for record in &self.state.hosts {
            let directory = self.host(record);
            if !directory.join("prepared").exists() {
                host::prepare(record, &self.state.hosts, &directory, &authorized, &self.nvml)?;
                state::write(&directory.join("prepared"), 0o600, "")?;
            }
            self.start(record)?;
        }
        self.enter()?;
        for record in &self.state.hosts {
            self.wait_for_sshd(record)?;
            progress(&format!("{} answers at {}", record.name, record.address));
        }
        Ok(())
    }

    pub(super) fn start(&self, record: &HostRecord) -> Result<(), HostsError> {
        let directory = self.host(record);
        if Process::read(&directory.join("supervisor.pid")).is_some_and(Process::runs) {
            return Ok(());
        }
        let cgroups = cgroup::create(&self.name, &record.machine())?;
        Ok(nspawn::start(
            &self.name,
            record,
            &directory,
            &self.state.rootfs,
            &cgroups,
            &self.kernel_log,
        )?)
    }

    pub(super) fn wait_for_sshd(&self, record: &HostRecord) -> Result<(), HostsError> {
        let since = Instant::now();
        while !greets(record.address) {
            if since.elapsed() > ANSWER_WITHIN {
                return Err(self.silent(record, "answer on port 22"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    pub(super) fn silent(&self, record: &HostRecord, what: &'static str) -> HostsError {
        let console = fs::read(self.host(record).join("console.log")).unwrap_or_default();
        let console = String::from_utf8_lossy(&console);
        let tail: Vec<&str> = console.lines().rev().take(8).collect();
        HostsError::Silent {
            name: record.name.clone(),
            address: record.address,
            what,
            seconds: ANSWER_WITHIN.as_secs(),
            console: tail.into_iter().rev().collect::<Vec<_>>().join(" | "),
        }
    }
}

/// Whether an SSH server greets there: a port that only accepts is not up yet.
fn greets(address: Ipv4Addr) -> bool {
    let limit = Duration::from_secs(1);
    let Ok(mut stream) = TcpStream::connect_timeout(&SocketAddr::from((address, 22)), limit) else {
        return false;
    };
    let mut greeting = [0; 4];
    stream.set_read_timeout(Some(limit)).is_ok() && stream.read_exact(&mut greeting).is_ok() && &greeting == b"SSH-"
}
