//! Machines that do not exist: real systemd, real OpenSSH and a real network, in namespaces of this machine.
//!
//! [`Hosts`] makes them, reboots them, cuts their power and removes them without a trace. What differs from a bare machine
//! is in the mount namespace that is built here; nothing that later logs in to a machine is told. It never writes outside
//! its cache folder, one named network namespace and one cgroup subtree. Called by `bedplate rehearse` and by the tests.
//!
//! | module | holds |
//! |---|---|
//! | [`spec`] | the config's `simulated` section |
//! | `tools` | what must be there first, as findings |
//! | [`rootfs`] | the Debian that all machines share |
//! | [`network`], [`cgroup`] | the namespace with its bridge; the machines' cgroups |
//! | [`host`], [`gpu`] | what makes one machine itself; its simulated GPUs |
//! | [`nspawn`], `process` | the supervisor script; ending what was started |
//! | [`census`] | what the outer machine has, before and after |
//! | `state`, [`command`] | what is kept on disk; outside programs |

pub mod census;
pub mod cgroup;
pub mod command;
pub mod gpu;
pub mod host;
pub mod network;
pub mod nspawn;
mod process;
pub mod rootfs;
pub mod spec;
pub mod state;
mod tools;

pub use gpu::SimulatedNvml;
pub use spec::Spec;

use bedplate_protocol::{Finding, Severity};
use process::Process;
use state::{HostRecord, State, StateError};
use std::fs;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A guess with room: three machines greeted 1.1 to 2.3 s after their start, beside other builds (2026-11-21, two cores).
const ANSWER_WITHIN: Duration = Duration::from_mins(2);

/// Something went wrong with machines that had passed every check.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each variant is the error of the module it is named after")]
pub enum HostsError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Rootfs(#[from] rootfs::RootfsError),
    #[error(transparent)]
    Network(#[from] network::NetworkError),
    #[error(transparent)]
    Cgroup(#[from] cgroup::CgroupError),
    #[error(transparent)]
    Host(#[from] host::HostError),
    #[error(transparent)]
    Gpu(#[from] gpu::GpuError),
    #[error(transparent)]
    Start(#[from] nspawn::StartError),
    #[error(transparent)]
    Command(#[from] command::CommandError),
    #[error(
        "there is no machine `{0}` in this rehearsal; `bedplate rehearse --keep <config>` makes those of the config"
    )]
    Unknown(String),
    #[error("{name} ({address}) did not {what} within {seconds} s; its console: {console}")]
    Silent {
        name: String,
        address: Ipv4Addr,
        what: &'static str,
        seconds: u64,
        console: String,
    },
}

/// How to reach one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Its name.
    pub name: String,
    /// Its address, inside the rehearsal's network namespace.
    pub address: Ipv4Addr,
    /// The private key that root's account accepts.
    pub key: PathBuf,
    /// The public key that its sshd shows.
    pub host_key: String,
}

/// What stands beside the config.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where the root file system and the rehearsals lie; `$BEDPLATE_CACHE`, else `~/.cache/bedplate`.
    pub cache: Option<PathBuf>,
    /// The library that stands where NVIDIA's driver puts NVML.
    pub nvml: SimulatedNvml,
}

/// The machines of one rehearsal. While it lives it holds the rehearsal's lock.
#[derive(Debug)]
pub struct Hosts {
    name: String,
    directory: PathBuf,
    state: State,
    mirror: Option<String>,
    nvml: SimulatedNvml,
    _lock: fs::File,
}

fn cache(options: &Options) -> PathBuf {
    let from_environment = || std::env::var_os("BEDPLATE_CACHE").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(".cache/bedplate");
    options.cache.clone().or_else(from_environment).unwrap_or_else(home)
}

fn rehearsal(cache: &Path, name: &str) -> PathBuf {
    cache.join("rehearsals").join(name)
}

fn lock(cache: &Path, name: &str) -> Result<fs::File, StateError> {
    let rehearsals = cache.join("rehearsals");
    state::private_directory(&rehearsals)?;
    state::lock(rehearsals.join(format!("{name}.lock")))
}

impl Hosts {
    /// Checks everything, all at once, before anything is made. Creates nothing but its lock.
    pub fn prepare(
        name: &str,
        spec: &Spec,
        nodes: &[(String, Ipv4Addr)],
        options: &Options,
    ) -> Result<Self, Vec<Finding>> {
        let cache = cache(options);
        let mut findings = spec.validate(nodes);
        let error = |code: &str, message: String, remedy: &str| {
            Finding::new(Severity::Error, code, "simulated", message, remedy)
        };
        let rootfs = rootfs::path(&cache);
        findings.extend(tools::missing(&cache, nodes.len(), rootfs.is_dir()));
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            findings.push(error(
                "simulated-name",
                format!("`{name}` cannot name a namespace"),
                "use letters, digits and `-` in `name`",
            ));
        }
        for (node, gpus) in &spec.gpus {
            if let Err(problem) = gpu::profile(&gpus.profile) {
                findings.push(error(
                    "simulated-gpu-profile",
                    format!("gpus.{node}: {problem}"),
                    "write one of these profiles",
                ));
            }
        }
        if !spec.gpus.is_empty() && !options.nvml.library.is_file() {
            findings.push(error(
                "simulated-nvml-missing",
                format!(
                    "the simulated NVML library is not at {}",
                    options.nvml.library.display()
                ),
                "cargo build --release -p bedplate-simulated-nvml",
            ));
        }
        if !findings.is_empty() {
            return Err(findings);
        }
        let lock = lock(&cache, name).map_err(|problem| {
            vec![error(
                "rehearsal-locked",
                problem.to_string(),
                "wait for the other process",
            )]
        })?;
        let directory = rehearsal(&cache, name);
        let hosts: Vec<HostRecord> = nodes
            .iter()
            .map(|(name, address)| HostRecord {
                name: name.clone(),
                address: *address,
                gpus: spec.gpus.get(name).cloned(),
            })
            .collect();
        let kept = State::read(&directory);
        if kept.as_ref().is_some_and(|kept| kept.hosts != hosts) {
            return Err(vec![error(
                "rehearsal-differs",
                format!("machines of another config are kept under the name `{name}`"),
                "bedplate rehearse --down <config>",
            )]);
        }
        let state = kept.unwrap_or_else(|| State {
            hosts,
            rootfs,
            netns_directory_was_there: network::directory_was_there(),
        });
        Ok(Self {
            name: name.to_owned(),
            directory,
            state,
            mirror: spec.mirror.clone(),
            nvml: options.nvml.clone(),
            _lock: lock,
        })
    }

    /// The machines that an earlier run has kept, or left when it was killed; none if there is no such rehearsal.
    pub fn existing(name: &str, options: &Options) -> Result<Option<Self>, HostsError> {
        let cache = cache(options);
        let directory = rehearsal(&cache, name);
        if !directory.is_dir() {
            return Ok(None);
        }
        let lock = lock(&cache, name)?;
        let Some(state) = State::read(&directory) else {
            return Ok(None);
        };
        Ok(Some(Self {
            name: name.to_owned(),
            directory,
            state,
            mirror: None,
            nvml: options.nvml.clone(),
            _lock: lock,
        }))
    }

    /// Makes and starts every machine that does not run yet, and waits until each one's sshd greets. `progress` gets one
    /// line for each thing that is done. Moves the calling thread into the rehearsal's network: see [`Hosts::enter`].
    pub fn up(&self, mut progress: impl FnMut(&str)) -> Result<(), HostsError> {
        if !self.state.rootfs.is_dir() {
            progress("making the machines' root file system (Debian packages, once a machine)");
        }
        let cache = self.state.rootfs.parent().unwrap_or(Path::new("/"));
        rootfs::ensure(cache, self.mirror.as_deref())?;
        state::private_directory(&self.directory)?;
        // Recorded before anything is made, so that `down` finds all of it after a kill.
        self.state.write(&self.directory)?;
        if !network::path(&self.name).exists()
            && let Some(first) = self.state.hosts.first()
        {
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

    /// Whether any of the machines runs. None does after this machine was restarted or a rehearsal was killed outright.
    pub fn any_running(&self) -> bool {
        let runs =
            |record: &HostRecord| Process::read(&self.host(record).join("supervisor.pid")).is_some_and(Process::runs);
        self.state.hosts.iter().any(runs)
    }

    /// Moves the calling thread, and everything it starts from now on, into the rehearsal's network namespace. Before other
    /// threads exist this is the whole process.
    pub fn enter(&self) -> Result<(), HostsError> {
        Ok(network::enter(&self.name)?)
    }

    /// How to reach each machine, in the config's order.
    pub fn access(&self) -> Vec<Access> {
        let reach = |record: &HostRecord| Access {
            name: record.name.clone(),
            address: record.address,
            key: self.directory.join("key"),
            host_key: host::host_key(&self.host(record)).unwrap_or_default(),
        };
        self.state.hosts.iter().map(reach).collect()
    }

    /// Cuts a machine's power: no shutdown, no closed connection. Its disk stays.
    pub fn power_off(&self, name: &str) -> Result<(), HostsError> {
        let record = self.record(name)?;
        for file in ["supervisor.pid", "machine.pid"] {
            if let Some(process) = Process::read(&self.host(record).join(file)) {
                process.kill();
            }
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

    /// Runs a shell command on a machine with OpenSSH's client and gives what it printed. The host key must be the recorded
    /// one. The calling thread must have entered the rehearsal's network.
    pub fn ssh(&self, name: &str, line: &str) -> Result<String, HostsError> {
        let record = self.record(name)?;
        let known = self.directory.join("known_hosts");
        let keys: Vec<String> = self
            .access()
            .iter()
            .map(|a| format!("{} {}", a.address, a.host_key))
            .collect();
        state::write(&known, 0o600, &format!("{}\n", keys.join("\n")))?;
        let mut words = vec!["60".to_owned(), "ssh".into(), "-n".into(), "-i".into()];
        words.push(self.directory.join("key").to_string_lossy().into_owned());
        for option in [
            format!("UserKnownHostsFile={}", known.display()),
            "StrictHostKeyChecking=yes".into(),
            "BatchMode=yes".into(),
            "ServerAliveInterval=5".into(),
            "ServerAliveCountMax=3".into(),
            "ConnectTimeout=10".into(),
        ] {
            words.extend(["-o".to_owned(), option]);
        }
        words.extend([format!("root@{}", record.address), line.to_owned()]);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Ok(command::run(&format!("run `{line}` on {name}"), "timeout", &words)?)
    }

    /// Changes what a machine's GPUs answer, at once, also for clients that run already.
    pub fn set_scenario(&self, name: &str, scenario: &nvidia_ml::Scenario) -> Result<(), HostsError> {
        let path = gpu::scenario_path(&self.host(self.record(name)?).join("upper"));
        scenario.write(&path).map_err(|error| HostsError::Gpu(error.into()))
    }

    /// What a machine's GPUs answer now.
    pub fn scenario(&self, name: &str) -> Result<nvidia_ml::Scenario, HostsError> {
        let path = gpu::scenario_path(&self.host(self.record(name)?).join("upper"));
        let text = fs::read_to_string(&path).map_err(state::at(&path))?;
        nvidia_ml::Scenario::parse(&text, &path).map_err(|error| HostsError::Gpu(error.into()))
    }

    /// Commands with which a person can look around, one for each machine.
    pub fn lookaround(&self) -> Vec<String> {
        let namespace = network::name(&self.name);
        let key = self.directory.join("key");
        let known = self.directory.join("known_hosts");
        self.state
            .hosts
            .iter()
            .map(|record| {
                format!(
                    "ip netns exec {namespace} ssh -i {} -o UserKnownHostsFile={} root@{}   # {}",
                    key.display(),
                    known.display(),
                    record.address,
                    record.name
                )
            })
            .collect()
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

    fn host(&self, record: &HostRecord) -> PathBuf {
        self.directory.join("hosts").join(&record.name)
    }

    fn record(&self, name: &str) -> Result<&HostRecord, HostsError> {
        self.state
            .hosts
            .iter()
            .find(|record| record.name == name)
            .ok_or_else(|| HostsError::Unknown(name.to_owned()))
    }

    fn start(&self, record: &HostRecord) -> Result<(), HostsError> {
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
        )?)
    }

    fn wait_for_sshd(&self, record: &HostRecord) -> Result<(), HostsError> {
        let since = Instant::now();
        while !greets(record.address) {
            if since.elapsed() > ANSWER_WITHIN {
                return Err(self.silent(record, "answer on port 22"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn silent(&self, record: &HostRecord, what: &'static str) -> HostsError {
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
