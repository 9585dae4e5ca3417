//! TLS 1.3 for a port that other machines reach. Called by [`super::settings`] at start and by [`super::listener`] for each
//! connection.

use super::token::open_to_all;
use crate::daemon::Tls;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// Why certificate and key serve nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// A file cannot be read.
    #[error("{}: {source}; name files that exist in serve.tls", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Others may read the key.
    #[error("key {} can be read by every user of this host; run: chmod 0600 {}", path.display(), path.display())]
    OpenKey {
        /// The file.
        path: PathBuf,
    },
    /// A file holds no PEM of its kind.
    #[error("{}: {source}; it must hold {what} in PEM", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What should be there.
        what: &'static str,
        /// Why.
        source: pem::Error,
    },
    /// They do not fit each other.
    #[error("{} and {}: {source}; the key must be the certificate's own", certificate.display(), key.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

impl TlsError {
    /// Whether it is about this file alone.
    pub(super) fn is_of(&self, file: &Path) -> bool {
        match self {
            Self::Read { path, .. } | Self::OpenKey { path } | Self::Pem { path, .. } => path == file,
            Self::Pair { .. } => false,
        }
    }
}

/// The certificate and key of two files, read again when one of them has changed.
pub(super) struct Acceptor {
    files: Tls,
    loaded: Option<[SystemTime; 2]>,
    config: Arc<ServerConfig>,
}

impl Acceptor {
    /// Reads both files.
    pub(super) fn load(files: &Tls) -> Result<Self, TlsError> {
        let loaded = changed(files);
        Ok(Self {
            config: config(files)?,
            files: files.clone(),
            loaded,
        })
    }

    /// For the next connection. While new files do not fit each other (one of the two has been replaced so far), the old ones
    /// serve.
    pub(super) fn current(&mut self) -> TlsAcceptor {
        let now = changed(&self.files);
        if now != self.loaded {
            self.loaded = now;
            match config(&self.files) {
                Ok(config) => self.config = config,
                Err(error) => tracing::warn!(%error, "the certificate in use stays"),
            }
        }
        TlsAcceptor::from(Arc::clone(&self.config))
    }
}

/// When both files were last changed; none while one is missing.
fn changed(files: &Tls) -> Option<[SystemTime; 2]> {
    let of = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    Some([of(&files.certificate_file)?, of(&files.key_file)?])
}

fn config(files: &Tls) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = certificate(files)?;
    let key = key(files)?;
    let paired = |source| TlsError::Pair {
        certificate: files.certificate_file.clone(),
        key: files.key_file.clone(),
        source,
    };
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(paired)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(paired)?;
    Ok(Arc::new(config))
}

fn certificate(files: &Tls) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(&files.certificate_file)?;
    CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(no_pem(&files.certificate_file, "a certificate and its chain"))
}

/// The private key, if it is one and nobody else's business.
pub(super) fn key(files: &Tls) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = read(&files.key_file)?;
    let open = fs::metadata(&files.key_file).map_err(unreadable(&files.key_file))?;
    if open_to_all(&open) {
        return Err(TlsError::OpenKey {
            path: files.key_file.clone(),
        });
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(no_pem(&files.key_file, "a private key"))
}

fn no_pem(path: &Path, what: &'static str) -> impl FnOnce(pem::Error) -> TlsError {
    let path = path.to_owned();
    move |source| TlsError::Pem { path, what, source }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(unreadable(path))
}

fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> TlsError {
    let path = path.to_owned();
    move |source| TlsError::Read { path, source }
}
