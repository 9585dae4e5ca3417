//! Reading everything a run needs from this machine before any other is touched: the cluster file, the files it names, the
//! agent, the artifacts. All mistakes at once.

use super::Common;
use crate::config::{self, ClusterSpec, Surroundings};
use crate::execute::stage::{ArtifactFiles, read_artifacts};
use crate::preflight;
use bedplate_protocol::artifacts::Index;
use bedplate_protocol::{Finding, Severity};
use bedplate_ssh::AgentBinary;
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

/// Reads and checks the cluster file and the agent. `check_files` is off where keys are made by bedplate itself.
pub(crate) fn load(path: &Path, common: &Common, check_files: bool) -> Result<Loaded, Vec<Finding>> {
    let mut findings = Vec::new();
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|e| {
        vec![Finding::new(
            Severity::Error,
            "config-unreadable-file",
            &shown,
            format!("the cluster file cannot be read: {e}"),
            format!("ls -l {shown}"),
        )]
    })?;
    let home = std::env::var_os("HOME").map_or_else(|| PathBuf::from("/root"), PathBuf::from);
    let folder = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."));
    let codes: Vec<&str> = preflight::CODES.iter().map(|code| code.0).collect();
    let around = Surroundings {
        home: &home,
        folder,
        sections: bedplate_substrates::SECTIONS,
        codes: &codes,
    };
    let parsed = match config::parse(&shown, &text, &around) {
        Ok(parsed) => Some(parsed),
        Err(more) => {
            findings.extend(more);
            None
        }
    };
    if let Some(parsed) = &parsed
        && check_files
    {
        findings.extend(config::check_files(&parsed.spec));
    }
    let agent = match AgentBinary::load(agent_path(common)) {
        Ok(agent) => Some(agent),
        Err(e) => {
            findings.push(Finding::new(
                Severity::Error,
                "agent-binary",
                agent_path(common).display().to_string(),
                e.to_string(),
                "cargo build --release -p bedplate-agent, or name the program with --agent FILE",
            ));
            None
        }
    };
    let broken = findings.iter().any(|finding| finding.severity == Severity::Error);
    match (parsed, agent) {
        (Some(parsed), Some(agent)) if !broken => {
            findings.extend(parsed.warnings);
            Ok(Loaded {
                spec: parsed.spec,
                warnings: findings,
                agent,
            })
        }
        _ => Err(findings),
    }
}

/// The artifacts of a cluster file, every hash checked.
pub(crate) fn artifacts(spec: &ClusterSpec) -> Result<(Index, ArtifactFiles), Vec<Finding>> {
    read_artifacts(&spec.artifacts)
}

fn agent_path(common: &Common) -> PathBuf {
    common.agent.clone().unwrap_or_else(|| {
        std::env::current_exe()
            .ok()
            .and_then(|exe| Some(exe.parent()?.join("bedplate-agent")))
            .unwrap_or_else(|| "bedplate-agent".into())
    })
}
