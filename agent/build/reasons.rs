//! Makes the table of reasons that the agent carries from `src/health/reasons.yaml`, so that the program needs no file and no
//! YAML for it, and a mistake in the table stops the build.

use serde::Deserialize;
use std::fmt::Write as _;
use std::path::Path;

const TABLE: &str = "src/health/reasons.yaml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    conditions: Vec<ConditionType>,
    reasons: Vec<Reason>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConditionType {
    r#type: String,
    sense: Sense,
    fine: Fine,
    says: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fine {
    reason: String,
    message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    code: String,
    condition: String,
    sense: Sense,
    #[serde(default)]
    unread: bool,
    #[serde(default)]
    warns: bool,
    mode: Mode,
    raise: u32,
    clear: Clear,
    runbook: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Sense {
    Host,
    WholeHost,
    Nvml,
    Gpu,
    KernelLog,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Mode {
    Off,
    Monitor,
    On,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Clear {
    Observations(u32),
    Evidence(Evidence),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Evidence {
    Driver,
    Reboot,
}

/// Writes `reasons.rs` to the build's own folder.
pub(super) fn generate() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed={TABLE}");
    let text = std::fs::read_to_string(TABLE)?;
    let table: Table = serde_saphyr::from_str(&text)?;
    check(&table);
    let out = std::env::var_os("OUT_DIR").ok_or("cargo gives a build script OUT_DIR")?;
    std::fs::write(Path::new(&out).join("reasons.rs"), code(&table))?;
    Ok(())
}

fn check(table: &Table) {
    for (place, reason) in table.reasons.iter().enumerate() {
        let code = &reason.code;
        let known = table.conditions.iter().any(|kind| kind.r#type == reason.condition);
        assert!(known, "{TABLE}: {code}: there is no condition {}", reason.condition);
        assert!(reason.raise > 0, "{TABLE}: {code}: raise is at least 1");
        let positive = !matches!(reason.clear, Clear::Observations(0));
        assert!(positive, "{TABLE}: {code}: clear is at least 1");
        assert!(
            !(reason.unread && reason.warns),
            "{TABLE}: {code}: what could not be read is no warning of what is wrong"
        );
        let twice = table.reasons[..place].iter().any(|other| other.code == *code);
        assert!(!twice, "{TABLE}: {code} is there twice");
    }
    assert!(
        table.reasons.iter().any(|reason| reason.code == "*"),
        "{TABLE}: there is no row for a code that is new"
    );
}

fn code(table: &Table) -> String {
    let mut text = String::from(
        "/// The types of conditions, in the order of the table.\npub(crate) static CONDITIONS: &[ConditionType] = &[\n",
    );
    for kind in &table.conditions {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "    ConditionType {{ name: {:?}, sense: Sense::{:?}, fine_reason: {:?}, fine_message: {:?}, says: {:?} }},",
            kind.r#type, kind.sense, kind.fine.reason, kind.fine.message, kind.says
        );
    }
    text.push_str(
        "];\n/// What becomes of each code, in the order of the table.\npub(crate) static REASONS: &[Reason] = &[\n",
    );
    for reason in &table.reasons {
        let clear = match &reason.clear {
            Clear::Observations(count) => format!("Observations({count})"),
            Clear::Evidence(evidence) => format!("{evidence:?}"),
        };
        let _ = writeln!(
            text,
            "    Reason {{ code: {:?}, condition: {:?}, sense: Sense::{:?}, unread: {}, warns: {}, mode: Mode::{:?}, raise: {}, \
             clear: Clear::{clear}, runbook: {:?} }},",
            reason.code,
            reason.condition,
            reason.sense,
            reason.unread,
            reason.warns,
            reason.mode,
            reason.raise,
            reason.runbook
        );
    }
    text.push_str("];\n");
    text
}
