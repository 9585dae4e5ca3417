//! One plan on one host: send what it lacks, hand the plan over, follow it to its end, through lost connections.

use super::StageReport;
use super::lane::{CONNECT_LIMIT, Lane, lost};
use crate::config::NamedFile;
use crate::progress::Progress;
use bedplate_protocol::artifacts::{INDEX_FILE, Index};
use bedplate_protocol::message::Values;
use bedplate_protocol::{EventKind, Finding, NodePlan, Severity, Sha256Hex};
use bedplate_ssh::{AgentBinary, Connection, SshError};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often a follower connects again before it gives up; each try may take [`CONNECT_LIMIT`].
const RECONNECTS: u32 = 5;

/// Where an artifact's file lies on this machine, by the hash of the file.
pub type ArtifactFiles = BTreeMap<Sha256Hex, PathBuf>;

/// Carries out `plan` on the lane's host. What the host says in the end is in the report; a host that was lost on the way has
/// a finding there.
pub async fn carry_out(
    lane: &mut Lane,
    plan: &NodePlan,
    values: Option<Values>,
    files: &ArtifactFiles,
    agent: &AgentBinary,
    progress: &Progress,
) -> StageReport {
    let mut report = StageReport::default();
    if let Err(finding) = hand_over(lane, plan, values, files, progress).await {
        report.failed.push(finding);
        return report;
    }
    if let Err(finding) = follow(lane, plan, agent, progress, &mut report).await {
        report.failed.push(finding);
    }
    report
}

async fn hand_over(
    lane: &mut Lane,
    plan: &NodePlan,
    values: Option<Values>,
    files: &ArtifactFiles,
    progress: &Progress,
) -> Result<(), Finding> {
    let (name, address) = (lane.machine.name.clone(), lane.machine.target.address.clone());
    let lost = |e: SshError| lost(&name, &address, &e);
    let wanted: Vec<Sha256Hex> = plan.artifacts().into_iter().cloned().collect();
    let missing = lane.session.missing_artifacts(wanted).await.map_err(lost)?;
    if !missing.is_empty() {
        progress.line(&name, &format!("sending {} artifacts", missing.len()));
    }
    for sha256 in &missing {
        let path = files.get(sha256).ok_or_else(|| unknown_artifact(&name, sha256))?;
        lane.session.put_artifact(sha256, path, |_, _| ()).await.map_err(lost)?;
    }
    if let Some(values) = values {
        lane.session.values(values).await.map_err(lost)?;
    }
    lane.session.apply(plan.clone()).await.map_err(lost)?;
    Ok(())
}

fn unknown_artifact(host: &str, sha256: &Sha256Hex) -> Finding {
    Finding::new(
        Severity::Error,
        "artifact-unknown",
        host,
        format!(
            "the host asks for an artifact {} that the artifact directory does not have",
            sha256.short()
        ),
        "this is a fault of bedplate: please report it with the output of `bedplate up -v`",
    )
}

async fn follow(
    lane: &mut Lane,
    plan: &NodePlan,
    agent: &AgentBinary,
    progress: &Progress,
    report: &mut StageReport,
) -> Result<(), Finding> {
    let (name, address) = (lane.machine.name.clone(), lane.machine.target.address.clone());
    let mut next = 1;
    let mut ended = false;
    for attempt in 0..=RECONNECTS {
        let followed = lane
            .session
            .follow(&plan.run, next, |event| {
                next = event.seq + 1;
                ended |= matches!(event.kind, EventKind::RunFinished { .. });
                progress.event(&name, &event);
                report.add(&event);
            })
            .await;
        match followed.ended {
            Ok(()) if ended => return Ok(()),
            // The session ended without the run's last event: the same as a lost connection.
            Ok(()) => {}
            Err(e) if attempt == RECONNECTS || !e.is_connection_lost() => return Err(lost(&name, &address, &e)),
            Err(e) => progress.line(&name, &format!("{e}; the host goes on by itself, connecting again")),
        }
        let waits = progress.waits(&name);
        let connection = Connection::connect(&lane.machine.target, CONNECT_LIMIT, |what: &str, since: Duration| {
            waits(format!("waiting for {what} since {} s", since.as_secs()));
        })
        .await
        .map_err(|e| lost(&name, &address, &e))?;
        let deployed = connection
            .put_agent(agent)
            .await
            .map_err(|e| lost(&name, &address, &e))?;
        lane.session = connection
            .session(&deployed)
            .await
            .map_err(|e| lost(&name, &address, &e))?;
        lane.hello = lane.session.hello().clone();
        lane.connection = connection;
    }
    Ok(())
}

/// Reads the artifact directory's index and checks every file's hash: a wrong one is found before a host is touched.
pub fn read_artifacts(named: &NamedFile) -> Result<(Index, ArtifactFiles), Vec<Finding>> {
    let directory = &named.path;
    let index_path = directory.join(INDEX_FILE);
    let bad = |message: String| {
        vec![Finding::new(
            Severity::Error,
            "artifact-directory",
            &named.named_at,
            message,
            "tests/tools/prepare makes an artifact directory; name it as `artifacts:` in the config",
        )]
    };
    let shown = index_path.display();
    let text = std::fs::read_to_string(&index_path).map_err(|e| bad(format!("{shown} cannot be read: {e}")))?;
    let index: Index = serde_saphyr::from_str(&text).map_err(|e| bad(format!("{shown} is no artifact index: {e}")))?;
    if index.version != 1 {
        return Err(bad(format!(
            "{shown} has version {}, this bedplate reads version 1",
            index.version
        )));
    }
    let listed = index
        .programs
        .iter()
        .map(|p| (&p.file, &p.sha256))
        .chain(index.images.iter().map(|i| (&i.file, &i.sha256)));
    let mut files = ArtifactFiles::new();
    let mut findings = Vec::new();
    for (file, sha256) in listed {
        let path = directory.join(file);
        match hash_file(&path) {
            Ok(found) if found == *sha256 => {
                files.insert(sha256.clone(), path);
            }
            Ok(found) => findings.push(differs(&path, sha256, &found)),
            Err(e) => findings.extend(bad(format!("{} cannot be read: {e}", path.display()))),
        }
    }
    if findings.is_empty() {
        Ok((index, files))
    } else {
        Err(findings)
    }
}

fn differs(path: &Path, wanted: &Sha256Hex, found: &Sha256Hex) -> Finding {
    Finding::new(
        Severity::Error,
        "artifact-hash",
        path.display().to_string(),
        "the file is not the one that the index names; it will not be sent to any host",
        format!("rm {} && tests/tools/build", path.display()),
    )
    .with_evidence(format!("index: sha256 {wanted}"))
    .with_evidence(format!("file:  sha256 {found}"))
}

fn hash_file(path: &Path) -> std::io::Result<Sha256Hex> {
    use sha2::{Digest, Sha256};
    let mut hasher = Sha256::new();
    let mut file = std::fs::File::open(path)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = std::io::Read::read(&mut file, &mut buffer)?;
        if read == 0 {
            return Ok(Sha256Hex::from_hasher(hasher));
        }
        hasher.update(&buffer[..read]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_artifact_that_was_changed_is_found_with_both_hashes() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.zst"), b"changed").unwrap();
        let wanted = Sha256Hex::of(b"original");
        let index = format!(
            "version: 1\nkubernetes: v1.36.3\nimages: []\nprograms:\n- {{name: a, version: v1, file: a.zst, sha256: {wanted}, size: 8, content_sha256: {wanted}, content_size: 8, install: /usr/local/bin/a, mode: '0755', roles: [worker]}}\n"
        );
        std::fs::write(folder.path().join("index.yaml"), index).unwrap();
        let named = NamedFile {
            path: folder.path().to_owned(),
            named_at: "c.yaml:2:12".to_owned(),
        };
        let findings = read_artifacts(&named).unwrap_err();
        assert_eq!(findings[0].code, "artifact-hash");
        assert!(findings[0].evidence[0].contains(wanted.as_str()));
    }
}
