//! Before anything is made: every finding at once, and the machines that an earlier run has left.

use super::process::Process;
use super::state::{self, HostRecord, Lock, State, StateError};
use super::{Hosts, HostsError, Options, Spec, gpu, inotify, network, rootfs, tools};
use bedplate_protocol::{Finding, Severity};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

fn cache(options: &Options) -> PathBuf {
    let from_environment = || std::env::var_os("BEDPLATE_CACHE").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(".cache/bedplate");
    options.cache.clone().or_else(from_environment).unwrap_or_else(home)
}

fn rehearsal(cache: &Path, name: &str) -> PathBuf {
    cache.join("rehearsals").join(name)
}

fn lock(cache: &Path, name: &str) -> Result<Lock, StateError> {
    let rehearsals = cache.join("rehearsals");
    state::private_directory(&rehearsals)?;
    Lock::take(&rehearsals.join(name))
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
        let runs = |host: &str| {
            let supervisor = rehearsal(&cache, name).join("hosts").join(host).join("supervisor.pid");
            Process::read(&supervisor).is_some_and(Process::runs)
        };
        findings.extend(inotify::few(nodes.iter().filter(|(host, _)| !runs(host)).count()));
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
        if !options.kernel_log.program.is_file() {
            findings.push(error(
                "simulated-kmsg-missing",
                format!(
                    "the program that serves the machines' kernel logs is not at {}",
                    options.kernel_log.program.display()
                ),
                "cargo build --release -p bedplate-substrates",
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
            kernel_log: options.kernel_log.clone(),
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
            kernel_log: options.kernel_log.clone(),
            _lock: lock,
        }))
    }
}
