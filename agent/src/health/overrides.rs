//! What an operator wants otherwise than the checks and the reasons' table have it, for a time. Data and its rules; read from
//! the configuration, applied by [`super::Fold`].

use super::Fold;
use super::reasons::reason;
use super::sight::{gpu_of, is_about};
use crate::checks::codes;
use bedplate_protocol::{Finding, GpuVerdict, RecommendedAction, Severity};
use jiff::Timestamp;
use serde::Deserialize;
use std::borrow::Cow;

/// What becomes of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mode {
    /// Nothing: it is not looked at.
    Off,
    /// It is shown and counted, and changes neither a condition nor the verdict.
    Monitor,
    /// It counts.
    On,
}

/// One decision of an operator: whose, why and until when. Made by [`Written`]'s rules only.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub(crate) struct Override {
    /// A finding's code, or the beginning of several: `xid-*`.
    pub(crate) code: String,
    /// Of this GPU only: a UUID or a PCI address.
    pub(crate) gpu: Option<String>,
    /// Of this XID only.
    pub(crate) xid: Option<u32>,
    /// What becomes of it; as the table has it where absent.
    pub(crate) mode: Option<Mode>,
    /// How much it weighs; as the check has it where absent.
    pub(crate) severity: Option<Severity>,
    /// What should be done about it; as the check has it where absent.
    pub(crate) action: Option<RecommendedAction>,
    /// Whom to ask.
    pub(crate) owner: String,
    /// Why.
    pub(crate) reason: String,
    /// From then on it is ignored, and that is said.
    pub(crate) expires: Timestamp,
}

/// As it stands in the configuration.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    code: Option<String>,
    gpu: Option<String>,
    xid: Option<u32>,
    mode: Option<Mode>,
    severity: Option<Severity>,
    action: Option<RecommendedAction>,
    owner: String,
    reason: String,
    expires: Timestamp,
}

/// Why it is none.
#[derive(Debug, thiserror::Error)]
enum WrittenError {
    /// About what? In serde's words, for a key that was wrong and taken out is not missing.
    #[error("missing field `code`, or `xid`: what the override is about")]
    About,
    /// What is to change?
    #[error("missing field `mode`, `severity` or `action`: what the override changes")]
    Nothing,
    /// An XID of something else.
    #[error("xid goes with the codes of XIDs, and {code} is none; leave code out, or write xid-*")]
    NoXid {
        /// The code.
        code: String,
    },
    /// No name of a GPU.
    #[error("gpu is neither a UUID (GPU-…) nor a PCI address (0000:17:00.0)")]
    Gpu,
}

const XIDS: &str = "xid-*";

impl TryFrom<Written> for Override {
    type Error = WrittenError;

    fn try_from(written: Written) -> Result<Self, WrittenError> {
        let code = match (written.code, written.xid) {
            (Some(code), Some(_)) if !code.starts_with("xid-") => return Err(WrittenError::NoXid { code }),
            (Some(code), _) => code,
            (None, Some(_)) => XIDS.to_owned(),
            (None, None) => return Err(WrittenError::About),
        };
        if written.mode.is_none() && written.severity.is_none() && written.action.is_none() {
            return Err(WrittenError::Nothing);
        }
        let gpu = match written.gpu {
            Some(gpu) if gpu.starts_with("GPU-") => Some(gpu),
            Some(gpu) => Some(crate::xid::normalise(&gpu).ok_or(WrittenError::Gpu)?),
            None => None,
        };
        Ok(Self {
            code,
            gpu,
            xid: written.xid,
            mode: written.mode,
            severity: written.severity,
            action: written.action,
            owner: written.owner,
            reason: written.reason,
            expires: written.expires,
        })
    }
}

impl Override {
    /// Whether it still counts.
    pub(crate) fn holds(&self, at: Timestamp) -> bool {
        at < self.expires
    }

    /// Whether it is about this finding, on a node with these GPUs.
    pub(super) fn is_of(&self, finding: &Finding, gpus: &[GpuVerdict]) -> bool {
        covers(&self.code, &finding.code)
            && self.xid.is_none_or(|xid| finding.xid == Some(xid))
            && self.gpu.as_deref().is_none_or(|name| {
                gpu_of(&finding.subject) == Some(name)
                    || gpus.iter().any(|gpu| is(name, gpu) && is_about(&finding.subject, gpu))
            })
    }

    /// Whether any check of this version can give what it is about.
    fn is_known(&self) -> bool {
        codes::ALL.iter().any(|code| covers(&self.code, code.name))
    }

    /// Whether it is about a GPU that none of these is.
    pub(super) fn is_of_none(&self, gpus: &[GpuVerdict]) -> bool {
        self.gpu
            .as_deref()
            .is_some_and(|name| !gpus.iter().any(|gpu| is(name, gpu)))
    }

    /// Why it has no effect, whatever is found: it has expired, or no check of this version gives what it is about.
    pub(crate) fn does_nothing(&self, at: Timestamp) -> Vec<Finding> {
        let mut notices = Vec::new();
        if !self.holds(at) {
            notices.push(Finding::new(
                Severity::Warning,
                "override-expired",
                self.subject(),
                format!(
                    "the override of {} by {} expired at {} and is ignored",
                    self.name(),
                    self.owner,
                    self.expires
                ),
                "remove it from the agent's configuration, or give it a later date",
            ));
        }
        if !self.is_known() {
            notices.push(Finding::new(
                Severity::Warning,
                "override-unknown-code",
                self.subject(),
                format!(
                    "no check of this version gives {}, so its override does nothing",
                    self.code
                ),
                "write a code of docs/findings.md, or the beginning of several with a * after its last -: xid-*",
            ));
        }
        notices
    }

    /// Where it stands, for people.
    pub(super) fn subject(&self) -> String {
        format!("checks: {}", self.name())
    }

    /// What it is about, in one word for people.
    fn name(&self) -> String {
        let xid = self.xid.map(|xid| format!(" (XID {xid})")).unwrap_or_default();
        let gpu = self.gpu.as_ref().map(|gpu| format!(" of {gpu}")).unwrap_or_default();
        format!("{}{xid}{gpu}", self.code)
    }
}

impl Fold {
    /// The override that counts for a finding now: of several, the one that stands first in the configuration.
    pub(super) fn wanted(&self, at: Timestamp, finding: &Finding) -> Option<&Override> {
        let mut overrides = self.overrides.iter();
        overrides.find(|wanted| wanted.holds(at) && wanted.is_of(finding, &self.memory.gpus))
    }

    /// What becomes of a finding now, and who says so if it is not the table.
    pub(super) fn mode(&self, at: Timestamp, finding: &Finding) -> (Mode, Option<&Override>) {
        let wanted = self.wanted(at, finding).filter(|wanted| wanted.mode.is_some());
        let mode = wanted.and_then(|wanted| wanted.mode);
        (mode.unwrap_or(reason(&finding.code).mode), wanted)
    }

    /// A finding with the weight and the action that an operator wants it to have now.
    pub(super) fn as_wanted<'f>(&self, at: Timestamp, finding: &'f Finding) -> Cow<'f, Finding> {
        match self.wanted(at, finding) {
            Some(wanted) if wanted.severity.is_some() || wanted.action.is_some() => Cow::Owned(Finding {
                severity: wanted.severity.unwrap_or(finding.severity),
                action: wanted.action.or(finding.action),
                ..finding.clone()
            }),
            _ => Cow::Borrowed(finding),
        }
    }

    /// Who wants it off, if anybody does.
    pub(super) fn off(&self, at: Timestamp, finding: &Finding) -> Option<String> {
        let (mode, wanted) = self.mode(at, finding);
        (mode == Mode::Off)
            .then(|| wanted.map_or_else(|| "the table of reasons".to_owned(), |wanted| wanted.owner.clone()))
    }
}

/// `xid-*` covers every code that begins so; anything else itself. A bare `*` covers nothing: nobody means everything.
fn covers(pattern: &str, code: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => beginning.ends_with('-') && code.starts_with(beginning),
        None => pattern == code,
    }
}

fn is(name: &str, gpu: &GpuVerdict) -> bool {
    gpu.uuid.as_deref() == Some(name) || gpu.pci_address.as_deref() == Some(name)
}
