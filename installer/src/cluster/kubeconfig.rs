//! The administrator's kubeconfig as a file: of which cluster one is, and writing it whole or not at all. Never decides what may
//! be replaced. Called by the verb `up`.

use super::ClusterError;
use bedplate_protocol::SecretString;
use std::path::Path;

/// Of which cluster a kubeconfig is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whose {
    /// The cluster's name.
    pub name: String,
    /// `https://10.0.0.11:6443`.
    pub server: String,
    /// The authority, as the file has it; absent where it names a file.
    pub authority: Option<String>,
}

/// Of which cluster this kubeconfig is; none where the text is no kubeconfig, or one of several clusters, which nobody but its
/// owner may replace.
pub fn whose(text: &str) -> Option<Whose> {
    let parsed: serde_json::Value = serde_saphyr::from_str(text).ok()?;
    let [cluster] = parsed["clusters"].as_array()?.as_slice() else {
        return None;
    };
    let field = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    Some(Whose {
        name: field(&cluster["name"])?,
        server: field(&cluster["cluster"]["server"])?,
        authority: field(&cluster["cluster"]["certificate-authority-data"]),
    })
}

/// Writes a kubeconfig where the user finds it: mode 0600 from its first byte, complete or not at all.
pub fn write(path: &Path, kubeconfig: &SecretString) -> Result<(), ClusterError> {
    use std::io::Write;
    let error = |e| ClusterError::Write(path.to_path_buf(), e);
    let folder = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."));
    // tempfile makes its files 0600.
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(error)?;
    file.write_all(kubeconfig.expose().as_bytes()).map_err(error)?;
    file.as_file().sync_all().map_err(error)?;
    file.persist(path).map_err(|e| error(e.error))?;
    Ok(())
}
