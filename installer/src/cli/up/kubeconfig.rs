//! `./kubeconfig`: what `up` may replace there. A file of another cluster stops a run before it begins; one of an earlier cluster
//! of this name at this address is kept beside the new one. Called by `up`, and by `rehearse` before it makes machines.

use super::KUBECONFIG;
use crate::cluster::ClusterError;
use crate::cluster::kubeconfig::{self, whose};
use crate::config::ClusterSpec;
use crate::plan::api_server;
use bedplate_protocol::{Finding, SecretString, Severity};
use std::io::ErrorKind;
use std::path::Path;

/// Where an earlier cluster's is kept.
const EARLIER: &str = "kubeconfig.earlier";

/// What stands where the kubeconfig is to be, if it is not this cluster's.
pub(in crate::cli) fn in_the_way(spec: &ClusterSpec) -> Option<Finding> {
    foreign(Path::new(KUBECONFIG), &spec.name, &api_server(spec.control_plane()?))
}

/// What is at `path`, if it is not a kubeconfig of the cluster `name` at `server`.
fn foreign(path: &Path, name: &str, server: &str) -> Option<Finding> {
    let is = match std::fs::read_to_string(path) {
        Ok(text) => match whose(&text) {
            Some(there) if there.name == name && there.server == server => return None,
            Some(there) => format!("is of the cluster {} at {}", there.name, there.server),
            None => "is no kubeconfig, or one of several clusters".to_owned(),
        },
        Err(e) if e.kind() == ErrorKind::NotFound => return None,
        Err(e) => format!("cannot be read: {e}"),
    };
    let shown = path.display();
    Some(Finding::new(
        Severity::Error,
        "kubeconfig-foreign",
        shown.to_string(),
        format!(
            "`up` writes the kubeconfig of the cluster {name} at {server} to this file, and what is there {is}; nothing was begun"
        ),
        format!("move it away (mv {shown} {shown}.other), or run bedplate in another folder"),
    ))
}

/// Writes it, and says what it replaced.
pub(super) fn write(kubeconfig: &SecretString) -> Result<Option<Finding>, ClusterError> {
    replace(Path::new(KUBECONFIG), Path::new(EARLIER), kubeconfig)
}

fn replace(path: &Path, earlier: &Path, kubeconfig: &SecretString) -> Result<Option<Finding>, ClusterError> {
    let there = std::fs::read_to_string(path).ok();
    let another = there
        .as_deref()
        .is_some_and(|text| whose(text) != whose(kubeconfig.expose()));
    if !another {
        kubeconfig::write(path, kubeconfig)?;
        return Ok(None);
    }
    std::fs::rename(path, earlier).map_err(|e| ClusterError::Write(earlier.to_path_buf(), e))?;
    kubeconfig::write(path, kubeconfig)?;
    Ok(Some(Finding::new(
        Severity::Info,
        "kubeconfig-replaced",
        path.display().to_string(),
        format!(
            "the kubeconfig here was of another cluster, an earlier one of this name and address; it is kept as {}",
            earlier.display()
        ),
        "",
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str = "https://10.0.0.11:6443";

    fn config(name: &str, server: &str, authority: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- name: {name}\n  cluster: {{server: '{server}', certificate-authority-data: {authority}}}\n"
        )
    }

    #[test]
    fn a_kubeconfig_of_another_cluster_stops_a_run_and_this_clusters_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kubeconfig");
        let told = || foreign(&path, "rack-1", SERVER);
        assert_eq!(told(), None, "nothing is there");
        std::fs::write(&path, config("rack-1", SERVER, "QQ==")).unwrap();
        assert_eq!(told(), None);
        for (text, word) in [
            (config("rack-2", SERVER, "QQ=="), "rack-2"),
            (config("rack-1", "https://10.9.9.9:6443", "QQ=="), "10.9.9.9"),
            ("a shopping list".to_owned(), "no kubeconfig"),
            (
                config("rack-1", SERVER, "QQ==") + "- name: mine\n  cluster: {server: 'https://a:6443'}\n",
                "several",
            ),
        ] {
            std::fs::write(&path, &text).unwrap();
            let finding = told().unwrap();
            assert!(finding.blocks() && finding.message.contains(word), "{finding}");
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(told().unwrap().message.contains("cannot be read"));
    }

    #[test]
    fn an_earlier_clusters_kubeconfig_is_kept_and_the_same_ones_is_replaced_without_a_word() {
        let folder = tempfile::tempdir().unwrap();
        let (path, earlier) = (folder.path().join("kubeconfig"), folder.path().join("earlier"));
        let write = |authority: &str| {
            let text = SecretString::new(config("rack-1", SERVER, authority));
            replace(&path, &earlier, &text).unwrap()
        };
        assert_eq!(write("QQ=="), None);
        assert_eq!(write("QQ=="), None);
        assert!(!earlier.exists());
        assert_eq!(write("Qg==").unwrap().code, "kubeconfig-replaced");
        let text = std::fs::read_to_string(&earlier).unwrap();
        assert_eq!(text, config("rack-1", SERVER, "QQ=="));
    }
}
