//! The one shape for everything a person must hear.

use crate::RecommendedAction;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How much a finding weighs. Ordered: a later variant is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing; nothing is wrong.
    Info,
    /// The run goes on; something will be missing or slower.
    Warning,
    /// What the finding is about is stopped: a host is left out, a file is not used, a gate has failed.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// Something a person must hear: a mistake in the config, a preflight result, a health verdict, a gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable, kebab-case, for `accept:` and for scripts: `swap-enabled`.
    pub code: String,
    /// How much it weighs.
    pub severity: Severity,
    /// What it is about: `gpu-1`, `gpu-1/GPU-…`, `cluster.yaml:12:5`.
    pub subject: String,
    /// What is wrong, with the thing and the cause, one sentence.
    pub message: String,
    /// What was read, each with where it was read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// The cure: a command or an exact edit. Empty only for [`Severity::Info`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remedy: String,
    /// What `remedy` amounts to, for programs; only findings about a node's health have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<RecommendedAction>,
    /// The number of the XID that it is about; only findings about what NVIDIA's driver reported have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xid: Option<u32>,
    /// Why the config accepts this finding, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<String>,
}

impl Finding {
    /// A finding without evidence; add it with [`Finding::with_evidence`].
    pub fn new(
        severity: Severity,
        code: impl Into<String>,
        subject: impl Into<String>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            code: code.into(),
            severity,
            subject: subject.into(),
            message: message.into(),
            evidence: Vec::new(),
            remedy: remedy.into(),
            action: None,
            xid: None,
            accepted: None,
        }
    }

    /// The same finding with what should be done about it.
    #[must_use]
    pub fn with_action(mut self, action: RecommendedAction) -> Self {
        self.action = Some(action);
        self
    }

    /// The same finding with one more piece of evidence.
    #[must_use]
    pub fn with_evidence(mut self, evidence: impl Into<String>) -> Self {
        self.evidence.push(evidence.into());
        self
    }

    /// Whether this finding stops what it is about: an error that nobody accepted.
    pub fn blocks(&self) -> bool {
        self.severity == Severity::Error && self.accepted.is_none()
    }
}

impl fmt::Display for Finding {
    /// The one rendering for people: a first line that stands alone, then evidence and cure, indented.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} [{}] {}",
            self.severity, self.subject, self.code, self.message
        )?;
        for line in &self.evidence {
            write!(f, "\n    seen: {line}")?;
        }
        if let Some(reason) = &self.accepted {
            write!(f, "\n    accepted: {reason}")?;
        } else if !self.remedy.is_empty() {
            write!(f, "\n    cure: {}", self.remedy.replace('\n', "\n          "))?;
        }
        Ok(())
    }
}
