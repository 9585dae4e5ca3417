//! `accept:`, the findings that the file's author accepts by name and with a reason. Called by the room's `mod`.

use super::nearest::nearest;
use super::reader::{Reader, Table, list};
use saphyr::MarkedYaml;

/// A finding accepted by name. It is printed in every report with this reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accept {
    /// The finding's code.
    pub code: String,
    /// Why; never empty.
    pub reason: String,
}

pub(in crate::config) fn read(node: Option<&MarkedYaml<'_>>, codes: &[&str], reader: &mut Reader<'_>) -> Vec<Accept> {
    let mut accepted: Vec<Accept> = Vec::new();
    let Some(node) = node else { return accepted };
    for (index, item) in list(node, "accept", reader).iter().enumerate() {
        let Some(table) = Table::read(item, &format!("accept[{index}]"), reader) else {
            continue;
        };
        let code = table.required_text("code", reader);
        let reason = table.required_text("reason", reader);
        let Some((code, at)) = code else { continue };
        if accepted.iter().any(|other| other.code == code) {
            reader.error(
                at,
                "config-duplicate",
                format!("`{code}` is accepted twice"),
                "Keep one of the two, with the better reason.",
            );
            continue;
        }
        let is = |known: &&str| match known.strip_suffix('*') {
            Some(beginning) => code.starts_with(beginning),
            None => *known == code,
        };
        if !codes.iter().any(is) {
            let remedy = match nearest(&code, codes) {
                Some(close) => format!("Write `{close}`, or remove it. docs/findings.md lists every code."),
                None => "Remove it. docs/findings.md lists every code.".to_owned(),
            };
            reader.warning(
                at,
                "config-unknown-code",
                format!("no check makes a finding called `{code}`"),
                remedy,
            );
        }
        if let Some((reason, _)) = reason {
            accepted.push(Accept { code, reason });
        }
    }
    accepted
}
