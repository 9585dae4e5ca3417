//! Power: off, on, a reboot, and the end of all machines.

use super::process::Process;
use super::state::HostRecord;
use super::up::ANSWER_WITHIN;
use super::{Hosts, HostsError, cgroup, network, state};
use std::fs;
use std::time::{Duration, Instant};

impl Hosts {
    /// Whether any of the machines runs. None does after this machine was restarted or a rehearsal was killed outright.
    pub fn any_running(&self) -> bool {
        let runs =
            |record: &HostRecord| Process::read(&self.host(record).join("supervisor.pid")).is_some_and(Process::runs);
        self.state.hosts.iter().any(runs)
    }

    /// Cuts a machine's power: no shutdown, no closed connection. Its disk stays.
    pub fn power_off(&self, name: &str) -> Result<(), HostsError> {
        let record = self.record(name)?;
        for file in ["supervisor.pid", "machine.pid"] {
            if let Some(process) = Process::read(&self.host(record).join(file)) {
                process.kill();
            }
        }
        // After those who could wait for its answers and before their end is waited for: a dead server answers them all.
        if let Some(process) = Process::read(&self.host(record).join("kmsg.pid")) {
            process
                .end()
                .map_err(|(pid, seconds)| HostsError::Unkillable(pid, seconds))?;
        }
        Ok(cgroup::empty(&self.name, &record.machine())?)
    }

    /// Starts a machine whose power was cut, and waits for its sshd.
    pub fn power_on(&self, name: &str) -> Result<(), HostsError> {
        let record = self.record(name)?;
        self.start(record)?;
        self.enter()?;
        self.wait_for_sshd(record)
    }

    /// Asks a machine to reboot over SSH, as an administrator would, and waits until a new boot answers.
    pub fn reboot(&self, name: &str) -> Result<(), HostsError> {
        let record = self.record(name)?;
        let machine = self.host(record).join("machine.pid");
        let before = Process::read(&machine);
        // The connection may go before its answer comes, so what counts is whether the machine goes down.
        let asked = self.ssh(name, "systemctl --no-block reboot");
        let since = Instant::now();
        while Process::read(&machine) == before {
            if since.elapsed() > ANSWER_WITHIN {
                return Err(asked.err().unwrap_or_else(|| self.silent(record, "reboot")));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.wait_for_sshd(record)
    }

    /// Ends every machine and removes all that was made for them. Also what a killed run has left; twice does no harm.
    pub fn down(self) -> Result<(), HostsError> {
        for record in &self.state.hosts {
            self.power_off(&record.name)?;
        }
        cgroup::remove_all(&self.name)?;
        network::remove(&self.name, self.state.netns_directory_was_there)?;
        if self.directory.exists() {
            fs::remove_dir_all(&self.directory).map_err(state::at(&self.directory))?;
        }
        Ok(())
    }
}
