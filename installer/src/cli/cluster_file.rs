//! Reading everything a run needs from this machine before any other is touched: the cluster file, the files it names, the
//! agent, the artifacts. All mistakes at once.

use super::Common;
use crate::config::{self, ClusterSpec, NamedFiles, Surroundings};
use crate::execute::stage::{ArtifactFiles, read_artifacts};
use crate::preflight;
use bedplate_protocol::artifacts::Index;
use bedplate_protocol::{Finding, Severity};
use bedplate_ssh::{AgentBinary, SshError};
use std::path::{Path, PathBuf};

/// A cluster file and the agent that goes with it.
pub(crate) struct Loaded {
    /// What the file says.
    pub(crate) spec: ClusterSpec,
    /// What its author should know.
    pub(crate) warnings: Vec<Finding>,
    /// The agent to put on hosts.
    pub(crate) agent: AgentBinary,
}

/// The artifacts of a cluster file, every hash checked.
pub(crate) struct Artifacts {
    /// What there is.
    pub(crate) index: Index,
    /// Where it lies.
    pub(crate) files: ArtifactFiles,
}

/// Where the private key comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    /// The file that the cluster file names.
    Named,
    /// bedplate makes it.
    Made,
}

/// Reads and checks the cluster file, the key that it names, and the agent.
pub(crate) fn load(path: &Path, common: &Common, key: Key) -> Result<Loaded, Vec<Finding>> {
    let (loaded, _) = read(path, common, key);
    loaded
}

/// The same with the artifacts, whose mistakes are told together with the others.
pub(crate) fn load_with_artifacts(path: &Path, common: &Common, key: Key) -> Result<(Loaded, Artifacts), Vec<Finding>> {
    match read(path, common, key) {
        (Ok(loaded), Some(files)) => Ok((loaded, artifacts(&files)?)),
        (loaded, files) => {
            let mut findings = loaded.err().unwrap_or_default();
            findings.extend(files.and_then(|files| artifacts(&files).err()).unwrap_or_default());
            Err(findings)
        }
    }
}

/// The artifacts of a cluster file.
pub(crate) fn artifacts(files: &NamedFiles) -> Result<Artifacts, Vec<Finding>> {
    read_artifacts(&files.artifacts).map(|(index, files)| Artifacts { index, files })
}

/// What the cluster file says or what is wrong with it, and the files that it names as far as it can be read.
pub(crate) fn read(path: &Path, common: &Common, key: Key) -> (Result<Loaded, Vec<Finding>>, Option<NamedFiles>) {
    let mut findings = Vec::new();
    let shown = path.display().to_string();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) => {
            let finding = Finding::new(
                Severity::Error,
                "config-unreadable-file",
                &shown,
                format!("the cluster file cannot be read: {e}"),
                format!("ls -l {shown}"),
            );
            return (Err(vec![finding]), None);
        }
    };
    let home = std::env::var_os("HOME").map_or_else(|| PathBuf::from("/root"), PathBuf::from);
    let folder = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."));
    let codes = preflight::codes();
    let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
    let around = Surroundings {
        home: &home,
        folder,
        sections: bedplate_substrates::SECTIONS,
        codes: &codes,
    };
    let (parsed, files) = match config::parse(&shown, &text, &around) {
        Ok(parsed) => {
            let files = parsed.spec.files.clone();
            (Some(parsed), Some(files))
        }
        Err(mistakes) => {
            findings.extend(mistakes.findings);
            (None, mistakes.files)
        }
    };
    if let Some(files) = files.as_ref().filter(|_| key == Key::Named) {
        findings.extend(config::check_key(&files.key));
    }
    let agent = match AgentBinary::load(agent_path(common)) {
        Ok(agent) => Some(agent),
        Err(e) => {
            let (message, cure) = match e {
                SshError::LocalFile { detail, cure, .. } => (detail, cure),
                other => (other.to_string(), "name the program with --agent FILE".to_owned()),
            };
            let shown = agent_path(common).display().to_string();
            findings.push(Finding::new(Severity::Error, "agent-binary", shown, message, cure));
            None
        }
    };
    let broken = findings.iter().any(|finding| finding.severity == Severity::Error);
    let loaded = match (parsed, agent) {
        (Some(parsed), Some(agent)) if !broken => {
            findings.extend(parsed.warnings);
            Ok(Loaded {
                spec: parsed.spec,
                warnings: findings,
                agent,
            })
        }
        _ => Err(findings),
    };
    (loaded, files)
}

fn agent_path(common: &Common) -> PathBuf {
    common.agent.clone().unwrap_or_else(|| {
        std::env::current_exe()
            .ok()
            .and_then(|exe| Some(exe.parent()?.join("bedplate-agent")))
            .unwrap_or_else(|| "bedplate-agent".into())
    })
}
