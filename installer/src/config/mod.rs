//! From the text of a cluster file to a [`ClusterSpec`]: every mistake at once, each with file, line, column and cure.
//!
//! Pure: it reads no file (that is [`check_key`], apart) and no environment. Called by the verbs in `cli/`.

mod accept;
mod agent;
mod codes;
mod files;
mod gpu;
mod keys;
mod kubernetes;
mod names;
mod nearest;
mod nodes;
mod reader;
mod section;
mod ssh;
mod subnet;

pub use accept::Accept;
pub use agent::AgentSpec;
pub use codes::CODES;
pub use files::{NamedFile, NamedFiles, check_key};
pub use gpu::{GpuSpec, TimeSlicing};
pub use keys::{Key, keys};
pub use kubernetes::{Conntrack, ContainerdSpec, KubeletSpec, KubernetesSpec};
pub use nodes::{NodeRole, NodeSpec};
pub use section::Section;
pub use ssh::SshSpec;
pub use subnet::Subnet;

use bedplate_protocol::{Finding, Severity};
use reader::{Reader, Table};
use saphyr::{LoadableYamlNode, MarkedYaml, Marker};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The largest cluster file that is read, bytes. A thousand nodes with their keys take a fifth of it; it bounds what a
/// wrong file (an image, a log) can cost.
pub const MAX_BYTES: usize = 1024 * 1024;

/// The deepest nesting of brackets and indentation that is read. The deepest legal key is at 5.
const MAX_DEPTH: usize = 64;

/// Everything a cluster file says, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterSpec {
    /// Where it was read, as shown to people.
    pub file: String,
    /// The cluster's name.
    pub name: String,
    /// Kubernetes' own settings.
    pub kubernetes: KubernetesSpec,
    /// containerd's settings.
    pub containerd: ContainerdSpec,
    /// The files that it names.
    pub files: NamedFiles,
    /// How hosts are reached.
    pub ssh: SshSpec,
    /// What is done with GPUs.
    pub gpu: GpuSpec,
    /// The agent that stays on each node.
    pub agent: AgentSpec,
    /// Findings that the file's author accepts.
    pub accept: Vec<Accept>,
    /// The machines, in the file's order.
    pub nodes: Vec<NodeSpec>,
    /// Sections that only a substrate understands, by name.
    pub sections: BTreeMap<String, Section>,
}

impl ClusterSpec {
    /// The one control-plane node; [`parse`] lets no file without it pass.
    pub fn control_plane(&self) -> Option<&NodeSpec> {
        self.nodes.iter().find(|node| node.role == NodeRole::ControlPlane)
    }

    /// Why a finding of this code is accepted, if it is.
    pub fn accepts(&self, code: &str) -> Option<&str> {
        self.accept
            .iter()
            .find(|accept| accept.code == code)
            .map(|accept| accept.reason.as_str())
    }
}

/// What the text alone does not say.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// What `~` stands for.
    pub home: &'a Path,
    /// The folder of the cluster file, from which relative paths start.
    pub folder: &'a Path,
    /// Names of sections that substrates understand.
    pub sections: &'a [&'a str],
    /// Every code that `accept` may name.
    pub codes: &'a [&'a str],
}

impl Surroundings<'_> {
    /// The file that `text` names, or `default` where nothing does.
    fn named(&self, text: Option<(String, Marker)>, default: &str, key: &str, file: &str) -> NamedFile {
        match text {
            Some((text, at)) => NamedFile {
                path: self.path(&text),
                named_at: format!("{file}:{}:{}", at.line(), at.col() + 1),
            },
            None => NamedFile {
                path: self.path(default),
                named_at: format!("{file}: {key}"),
            },
        }
    }

    fn path(&self, text: &str) -> PathBuf {
        if text == "~" {
            self.home.to_path_buf()
        } else if let Some(rest) = text.strip_prefix("~/") {
            self.home.join(rest)
        } else {
            self.folder.join(text)
        }
    }
}

/// A cluster file that can be used.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// What it says.
    pub spec: ClusterSpec,
    /// What its author should know nevertheless; no errors.
    pub warnings: Vec<Finding>,
}

/// Why a cluster file can't be used.
#[derive(Debug, Clone, PartialEq)]
pub struct Mistakes {
    /// All mistakes, in the order of their lines.
    pub findings: Vec<Finding>,
    /// The files that it names, so that theirs are told at once too. Absent where the text could not be read so far.
    pub files: Option<NamedFiles>,
}

/// Reads a cluster file's text.
///
/// # Errors
/// All mistakes of the text, in the order of their lines; each names its place as `file:line:column`, both from 1. After a
/// mistake of YAML itself nothing more can be read, so that one stands alone.
pub fn parse(file: &str, text: &str, around: &Surroundings<'_>) -> Result<Parsed, Mistakes> {
    let mut reader = Reader::new(file);
    let mut files = None;
    let spec = load(text, &mut reader).and_then(|documents| {
        let root = documents.first()?;
        cluster(root, around, &mut reader, &mut files)
    });
    let mut findings = reader.into_findings();
    let broken = findings.iter().any(|finding| finding.severity == Severity::Error);
    match spec {
        Some(spec) if !broken => Ok(Parsed {
            spec,
            warnings: findings,
        }),
        _ => {
            if !broken {
                findings.push(Finding::new(
                    Severity::Error,
                    "config-syntax",
                    format!("{file}:1:1"),
                    "the cluster file is empty",
                    "Write at least `name:` and `nodes:`; examples/three-gpu-nodes.yaml is a whole one.",
                ));
            }
            Err(Mistakes { findings, files })
        }
    }
}

fn load<'a>(text: &'a str, reader: &mut Reader<'_>) -> Option<Vec<MarkedYaml<'a>>> {
    if text.len() > MAX_BYTES || depth(text) > MAX_DEPTH {
        reader.at(
            1,
            1,
            "config-syntax",
            format!("the file has more than {MAX_BYTES} bytes or is nested deeper than {MAX_DEPTH} levels: no cluster file is"),
            "Name the cluster file, not another one.",
        );
        return None;
    }
    match MarkedYaml::load_from_str(text) {
        Ok(documents) if documents.len() > 1 => {
            reader.error(
                documents[1].span.start,
                "config-syntax",
                "a cluster file holds one YAML document; here a second one begins",
                "Remove the line `---` and what follows, or put it into a file of its own.",
            );
            None
        }
        Ok(documents) => Some(documents),
        Err(error) => {
            reader.at(
                error.marker().line(),
                error.marker().col() + 1,
                "config-syntax",
                format!("not YAML: {}", error.info()),
                "Correct the YAML at this place; often the cause is a missing space after ':', a tab, or indentation.",
            );
            None
        }
    }
}

/// The most that brackets and leading dashes can nest; the YAML parser recurses once a level.
fn depth(text: &str) -> usize {
    let mut open = 0_usize;
    let mut deepest = 0;
    for line in text.lines() {
        let dashes = line
            .split_whitespace()
            .take_while(|word| matches!(*word, "-" | "?" | ":"))
            .count();
        let indent = line.len() - line.trim_start().len();
        deepest = deepest.max(dashes + indent / 2);
        for byte in line.bytes() {
            match byte {
                b'[' | b'{' => open += 1,
                b']' | b'}' => open = open.saturating_sub(1),
                _ => {}
            }
            deepest = deepest.max(open);
        }
    }
    deepest
}

fn cluster(
    root: &MarkedYaml<'_>,
    around: &Surroundings<'_>,
    reader: &mut Reader<'_>,
    files: &mut Option<NamedFiles>,
) -> Option<ClusterSpec> {
    let table = Table::read_with(root, "", around.sections, reader)?;
    let name = table
        .required_text("name", reader)
        .and_then(|(text, at)| names::check_label(&text, "the cluster's name", at, reader).then_some(text));
    let kubernetes = kubernetes::read(table.get("kubernetes"), reader);
    let containerd = kubernetes::read_containerd(table.get("containerd"), reader);
    let artifacts = table.text("artifacts", reader);
    let (ssh, key) = ssh::read(table.get("ssh"), around, reader);
    let files = files.insert(NamedFiles {
        key,
        artifacts: around.named(artifacts, "~/.cache/bedplate/artifacts", "artifacts", reader.file()),
    });
    let gpu = gpu::read(table.get("gpu"), reader);
    let agent = agent::read(table.get("agent"), around.codes, reader);
    let accept = accept::read(table.get("accept"), around.codes, reader);
    let nodes = nodes::read(&table, &kubernetes, reader);
    let mut sections = BTreeMap::new();
    for section in around.sections {
        if let Some(node) = table.get(section) {
            sections.insert((*section).to_owned(), section::read(node, section, reader));
        }
    }
    Some(ClusterSpec {
        file: reader.file().to_owned(),
        name: name?,
        kubernetes,
        containerd,
        files: files.clone(),
        ssh,
        gpu,
        agent,
        accept,
        nodes: nodes?,
        sections,
    })
}
