//! `src/xid/catalogue.yaml` and `src/xid/nvlink5.yaml` as Rust: `xid_catalogue.rs` and `xid_nvlink5.rs` in `OUT_DIR`. Called by
//! the build script only.

use serde::Deserialize;
use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Catalogue {
    source: String,
    read: String,
    via: String,
    rows: Vec<Row>,
    unused: Vec<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Row {
    xid: u32,
    name: String,
    meaning: String,
    severity: Severity,
    immediate: Option<Bucket>,
    #[serde(default)]
    investigatory: String,
    applies: Vec<Product>,
    recovery_since: Option<u32>,
    #[serde(default)]
    note: String,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Severity {
    App,
    Info,
    Warn,
    Fatal,
}

/// NVIDIA's "resolution buckets" for what is done at once; another in the data stops the build.
#[derive(Debug, Clone, Copy, Deserialize)]
enum Bucket {
    #[serde(rename = "IGNORE")]
    Ignore,
    #[serde(rename = "RESTART_APP")]
    RestartApp,
    #[serde(rename = "RESET_GPU")]
    ResetGpu,
    #[serde(rename = "RESTART_BM")]
    RestartBm,
    #[serde(rename = "RESTART_VM")]
    RestartVm,
    #[serde(rename = "CONTACT_SUPPORT")]
    ContactSupport,
    #[serde(rename = "CHECK_MECHANICALS")]
    CheckMechanicals,
    #[serde(rename = "CHECK_UVM")]
    CheckUvm,
    #[serde(rename = "UPDATE_SWFW")]
    UpdateSwfw,
    #[serde(rename = "WORKFLOW_XID_45")]
    WorkflowXid45,
    #[serde(rename = "WORKFLOW_XID_48")]
    WorkflowXid48,
    #[serde(rename = "WORKFLOW_NVLINK_ERR")]
    WorkflowNvlinkErr,
    #[serde(rename = "WORKFLOW_NVLINK5_ERR")]
    WorkflowNvlink5Err,
    #[serde(rename = "XID_154")]
    Xid154,
    #[serde(rename = "XID_154_EVAL")]
    Xid154Eval,
}

#[derive(Debug, Clone, Copy, Deserialize)]
enum Product {
    A100,
    H100,
    B100,
    #[serde(rename = "GB200")]
    Gb200,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decode {
    source: String,
    read: String,
    via: String,
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    xid: u32,
    units: Vec<String>,
    #[serde(default)]
    reason: u32,
    status: Option<u32>,
    immediate: Bucket,
    fatality: Fatality,
    investigatory: String,
    escalates: Option<Escalates>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
enum Fatality {
    #[serde(rename = "Non-fatal")]
    NonFatal,
    #[serde(rename = "Link Fatal")]
    LinkFatal,
    Fatal,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Escalates {
    before_575: u32,
    from_575: u32,
}

/// Reads, checks and writes both.
pub(super) fn generate() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let path = "src/xid/catalogue.yaml";
    let catalogue: Catalogue = read(path)?;
    check(&catalogue).map_err(|wrong| format!("{path}: {wrong}"))?;
    std::fs::write(out.join("xid_catalogue.rs"), rows(&catalogue)?)?;
    let decode: Decode = read("src/xid/nvlink5.yaml")?;
    std::fs::write(out.join("xid_nvlink5.rs"), rules(&decode)?)?;
    Ok(())
}

fn read<T: serde::de::DeserializeOwned>(path: &str) -> Result<T, Box<dyn Error>> {
    println!("cargo:rerun-if-changed={path}");
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    Ok(serde_saphyr::from_str(&text).map_err(|error| format!("{path}: {error}"))?)
}

fn check(catalogue: &Catalogue) -> Result<(), String> {
    for text in [&catalogue.source, &catalogue.read, &catalogue.via] {
        if text.is_empty() {
            return Err("a table without source, date and way is no table".into());
        }
    }
    let numbers: Vec<u32> = catalogue.rows.iter().map(|row| row.xid).collect();
    for list in [&numbers, &catalogue.unused] {
        if !list.is_sorted_by(|a, b| a < b) {
            return Err("numbers do not ascend".into());
        }
    }
    match numbers.iter().find(|number| catalogue.unused.contains(number)) {
        Some(number) => Err(format!("{number} is a row and unused")),
        None => Ok(()),
    }
}

fn rows(catalogue: &Catalogue) -> Result<String, std::fmt::Error> {
    let mut code = source(&catalogue.source, &catalogue.read, &catalogue.via);
    writeln!(code, "static ROWS: [Row; {}] = [", catalogue.rows.len())?;
    for row in &catalogue.rows {
        let applies: Vec<String> = row
            .applies
            .iter()
            .map(|product| format!("Product::{product:?}"))
            .collect();
        let immediate = match row.immediate {
            Some(bucket) => format!("Some(Bucket::{bucket:?})"),
            None => "None".into(),
        };
        writeln!(
            code,
            "Row {{ number: {}, name: {:?}, meaning: {:?}, severity: Severity::{:?}, immediate: {immediate}, \
             investigatory: {:?}, applies: &[{}], recovery_since: {:?}, note: {:?}, source: &SOURCE }},",
            row.xid,
            row.name,
            row.meaning,
            row.severity,
            row.investigatory,
            applies.join(", "),
            row.recovery_since,
            row.note,
        )?;
    }
    writeln!(code, "];")?;
    let unused = &catalogue.unused;
    writeln!(code, "static UNUSED: [u32; {}] = {unused:?};", unused.len())?;
    Ok(code)
}

fn rules(decode: &Decode) -> Result<String, std::fmt::Error> {
    let mut code = source(&decode.source, &decode.read, &decode.via);
    writeln!(code, "static RULES: [Rule; {}] = [", decode.rules.len())?;
    for rule in &decode.rules {
        let escalates = rule.escalates.as_ref().map(|bits| (bits.before_575, bits.from_575));
        writeln!(
            code,
            "Rule {{ xid: {}, units: &{:?}, reason: {}, status: {}, immediate: Bucket::{:?}, fatality: Fatality::{:?}, \
             investigatory: {:?}, escalates: {escalates:?}, source: &SOURCE }},",
            rule.xid,
            rule.units,
            rule.reason,
            status(rule.status),
            rule.immediate,
            rule.fatality,
            rule.investigatory,
        )?;
    }
    writeln!(code, "];")?;
    Ok(code)
}

/// In the form that the linter wants of long numbers.
fn status(bits: Option<u32>) -> String {
    bits.map_or_else(
        || "None".to_owned(),
        |bits| format!("Some(0x{:04x}_{:04x})", bits >> 16, bits & 0xffff),
    )
}

fn source(url: &str, read: &str, via: &str) -> String {
    format!("static SOURCE: Source = Source {{ url: {url:?}, read: {read:?}, via: {via:?} }};\n")
}
