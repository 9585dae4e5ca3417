//! What is wrong with a configuration that can be read: settings that exclude each other, overrides that do nothing, and, where
//! somebody asks, files that it names and that are not as they must be. Called by [`super::read`] and [`Config::check`].
//!
//! Only what the file alone decides stops the daemon: a file that is not there now may be there in a minute.

use super::Config;
use crate::serve::{exposed, unusable_files};
use bedplate_protocol::Severity;
use http::Uri;
use jiff::Timestamp;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

/// Longer files are neither certificates nor tokens.
const LARGEST: u64 = 1 << 20;

/// One mistake and where it stands.
#[derive(Debug)]
pub(super) struct Mistake {
    /// The key, with those above it.
    pub(super) place: Vec<String>,
    /// Tables that it was concluded from: where a mistake in one of them has been told, this may be none.
    pub(super) from: &'static [&'static str],
    /// Whether the file can be used in spite of it.
    pub(super) severity: Severity,
    /// `config-mistake`, or what the daemon's notices call it.
    pub(super) code: String,
    pub(super) message: String,
    pub(super) cure: String,
}

fn mistake(place: &[&str], message: String, cure: impl Into<String>) -> Mistake {
    Mistake {
        place: place.iter().map(|key| (*key).to_owned()).collect(),
        from: &[],
        severity: Severity::Error,
        code: super::yaml::CODE.to_owned(),
        message,
        cure: cure.into(),
    }
}

/// What the file alone decides.
pub(super) fn of_settings(config: &Config) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    if let Some(missing) = exposed(&config.serve, config.listen) {
        mistakes.push(Mistake {
            from: &["serve", "listen"],
            ..mistake(
                &["listen"],
                format!(
                    "`listen` is {}, which other machines reach, and {missing} not set",
                    config.listen
                ),
                "set serve.tls.certificateFile, serve.tls.keyFile and serve.tokenFile, or listen on 127.0.0.1",
            )
        });
    }
    if let Some(kubernetes) = &config.kubernetes
        && let Err(why) = api_server(&kubernetes.api_server)
    {
        mistakes.push(mistake(
            &["kubernetes", "apiServer"],
            format!("`kubernetes.apiServer` is {:?}: {why}", kubernetes.api_server),
            "write the address of the API server, like https://10.0.0.1:6443",
        ));
    }
    let now = Timestamp::now();
    for (index, wanted) in config.checks.iter().enumerate() {
        mistakes.extend(wanted.does_nothing(now).into_iter().map(|notice| Mistake {
            severity: notice.severity,
            code: notice.code,
            ..mistake(&["checks", &index.to_string()], notice.message, notice.remedy)
        }));
    }
    mistakes
}

/// The agent sends its token there: never in the clear, and to nobody who cannot show the cluster's certificate.
fn api_server(text: &str) -> Result<(), String> {
    let address: Uri = text.parse().map_err(|error| format!("it is no address: {error}"))?;
    match address.scheme_str() {
        Some("https") => {}
        Some(other) => return Err(format!("{other} is not https")),
        None => return Err("it does not begin with https://".to_owned()),
    }
    if address.host().is_none_or(str::is_empty) {
        return Err("it names no host".to_owned());
    }
    Ok(())
}

/// What the files that it names are now.
pub(super) fn of_files(config: &Config) -> Vec<Mistake> {
    const CURE: &str = "put the file in order, or name another one";
    let mut mistakes: Vec<Mistake> = unusable_files(&config.serve)
        .into_iter()
        .map(|(place, why)| mistake(place, why, CURE))
        .collect();
    let mut readable = |place: &[&str], path: &Path| match File::open(path) {
        Ok(file) => Some(file),
        Err(error) => {
            mistakes.push(mistake(place, format!("{}: {error}", path.display()), CURE));
            None
        }
    };
    if let Some(library) = &config.nvml.library {
        readable(&["nvml", "library"], library);
    }
    // Opened and not read: the kernel's log would wait for its next record.
    readable(&["kernelLog"], &config.kernel_log);
    if let Some(kubernetes) = &config.kubernetes {
        let ca = readable(&["kubernetes", "caFile"], &kubernetes.ca_file);
        readable(&["kubernetes", "tokenFile"], &kubernetes.token_file);
        if let Some(ca) = ca
            && let Err(why) = certificates(ca)
        {
            let path = kubernetes.ca_file.display();
            let cure = "name the file with the cluster's certificate authority: /etc/kubernetes/pki/ca.crt on a control-plane node";
            mistakes.push(mistake(&["kubernetes", "caFile"], format!("{path}: {why}"), cure));
        }
    }
    if let Some(socket) = &config.serve.pod_resources_socket
        && let Err(error) = std::fs::metadata(socket)
    {
        mistakes.push(Mistake {
            // kubelet makes it when it starts, and may not run now.
            severity: Severity::Warning,
            ..mistake(
                &["serve", "podResourcesSocket"],
                format!("{}: {error}", socket.display()),
                "look whether kubelet runs (systemctl status kubelet) and where its root directory is",
            )
        });
    }
    mistakes
}

fn certificates(file: File) -> Result<(), String> {
    let mut text = Vec::new();
    file.take(LARGEST)
        .read_to_end(&mut text)
        .map_err(|error| error.to_string())?;
    let mut found = CertificateDer::pem_slice_iter(&text);
    match found.next() {
        Some(Ok(_)) => Ok(()),
        Some(Err(error)) => Err(format!("it holds no certificate in PEM: {error}")),
        None => Err("it holds no certificate in PEM".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn every_file_that_is_named_and_cannot_be_used_is_told_at_once_at_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        for (name, text, mode) in [("open", "0123456789abcdef", 0o644), ("empty", "", 0o600)] {
            fs::write(at(name), text).unwrap();
            fs::set_permissions(at(name), Permissions::from_mode(mode)).unwrap();
        }
        let text = format!(
            "nvml:\n  library: {absent}\nkernelLog: {absent}\nserve:\n  tls: {{certificateFile: {absent}, keyFile: {open}}}\n  tokenFile: \
             {open}\n  podResourcesSocket: {absent}\nkubernetes:\n  apiServer: https://a\n  caFile: {empty}\n  tokenFile: {absent}\n",
            absent = at("absent"),
            open = at("open"),
            empty = at("empty"),
        );
        fs::write(at("agent.yaml"), &text).unwrap();
        let told = match Config::check(Path::new(&at("agent.yaml"))).unwrap_err() {
            super::super::ConfigError::Mistakes { findings, .. } => findings,
            unreadable @ super::super::ConfigError::Unreadable { .. } => panic!("{unreadable}"),
        };
        let lines: Vec<String> = told
            .iter()
            .map(|finding| {
                let line = finding.subject.rsplit(':').nth(1).unwrap_or_default();
                format!("{line} {}", finding.severity)
            })
            .collect();
        let expected = [
            "2 error",
            "3 error",
            "5 error",
            "5 error",
            "6 error",
            "7 warning",
            "10 error",
            "11 error",
        ];
        assert_eq!(lines, expected, "{told:#?}");
        assert!(told.iter().all(|finding| !finding.remedy.is_empty()));
        // The daemon itself waits for them, or says so where it needs them.
        assert!(super::super::read(Path::new(&at("agent.yaml"))).is_ok());
    }

    #[test]
    fn a_default_that_nobody_wrote_is_no_mistake_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.yaml");
        fs::write(&path, "nodeName: gpu-1\n").unwrap();
        assert_eq!(Config::check(&path).unwrap(), []);
    }
}
