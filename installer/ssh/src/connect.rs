//! One authenticated connection to one host: TCP, host key, key authentication, keep-alive. The installer opens one a host.
//!
//! Waits for a host that is not there yet, within a deadline. Never waits when the answer is no: a wrong host key and a
//! refused login end at once.

use crate::error::SshError;
use crate::target::Target;
use crate::trust::{self, TrustError};
use russh::client::{self, AuthResult, DisconnectReason, Handle};
use russh::keys::{Algorithm, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// A silent host is noticed after this much silence, asked so many times: `KEEP_ALIVE × (KEEP_ALIVES + 1)` is 20 s.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
const KEEP_ALIVES: usize = 3;
/// Covers what keep-alive cannot see: a send that blocks because the other side reads nothing.
const SILENCE: Duration = Duration::from_secs(30);
/// One attempt: a host that drops packets must not use up the whole deadline.
const ATTEMPT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(500);

/// An authenticated connection. Dropping it, and all sessions made from it, closes it.
pub struct Connection {
    pub(crate) target: Target,
    pub(crate) handle: Arc<Handle<Client>>,
    pub(crate) notes: Notes,
}

/// What the connection's own task found out, for the errors of those who use the connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notes {
    refused: Arc<Mutex<Option<TrustError>>>,
    lost: Arc<Mutex<Option<String>>>,
}

impl Notes {
    /// Why the connection ended, in one phrase.
    pub(crate) fn why_lost(&self) -> String {
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        lost.clone().unwrap_or_else(|| "closed by the host".into())
    }

    fn take_refusal(&self) -> Option<TrustError> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

pub(crate) struct Client {
    target: Target,
    notes: Notes,
}

impl client::Handler for Client {
    type Error = russh::Error;

    async fn check_server_key(&mut self, presented: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        match trust::judge(&self.target, &presented.public_key()) {
            Ok(()) => Ok(true),
            Err(error) => {
                *self.notes.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Ok(false)
            }
        }
    }

    async fn disconnected(&mut self, reason: DisconnectReason<Self::Error>) -> Result<(), Self::Error> {
        let (why, result) = match reason {
            DisconnectReason::ReceivedDisconnect(info) => (format!("the host said: {}", info.message), Ok(())),
            DisconnectReason::Error(error) => (error.to_string(), Err(error)),
        };
        *self.notes.lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
        result
    }
}

enum Attempt {
    /// May pass with time.
    Again(String),
    /// Will not.
    Never(SshError),
}

impl From<SshError> for Attempt {
    fn from(error: SshError) -> Self {
        Self::Never(error)
    }
}

impl Connection {
    /// Connects and authenticates, trying again until `deadline` has passed while nothing listens, packets get lost, or sshd
    /// drops the connection (`MaxStartups`). `on_wait` hears what is waited for and since when, after each failed attempt.
    pub async fn connect(
        target: &Target,
        deadline: Duration,
        on_wait: impl Fn(&str, Duration) + Send + Sync,
    ) -> Result<Self, SshError> {
        let key = load_key(target)?;
        let began = Instant::now();
        loop {
            let left = deadline.saturating_sub(began.elapsed());
            let attempt = tokio::time::timeout(left.min(ATTEMPT), attempt(target, &key)).await;
            let last = match attempt {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(Attempt::Never(error))) => return Err(error),
                Ok(Err(Attempt::Again(why))) => why,
                Err(_) => "no answer".into(),
            };
            let waited = began.elapsed();
            if waited + PAUSE >= deadline {
                let Target {
                    key,
                    port,
                    user,
                    address,
                    ..
                } = target;
                return Err(SshError::Unreachable {
                    host: target.label(),
                    seconds: waited.as_secs(),
                    last,
                    command: format!("ssh -i {} -p {port} {user}@{address} true", key.display()),
                });
            }
            on_wait(&format!("SSH on {}: {last}", target.label()), waited);
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The host this leads to.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    pub(crate) fn lost(&self, during: &str) -> SshError {
        SshError::ConnectionLost {
            host: self.target.label(),
            during: during.into(),
            why: self.notes.why_lost(),
            said: crate::Said::default(),
        }
    }
}

fn load_key(target: &Target) -> Result<Arc<PrivateKey>, SshError> {
    let path = &target.key;
    russh::keys::load_secret_key(path, None).map(Arc::new).map_err(|error| {
        let cure = match &error {
            russh::keys::Error::KeyIsEncrypted => format!(
                "use a key without a passphrase: ssh-keygen -t ed25519 -N '' -f ~/.ssh/bedplate && ssh-copy-id -f -i ~/.ssh/bedplate -p {} {}@{}",
                target.port, target.user, target.address
            ),
            _ => format!("set ssh.key in the config to a private key file in OpenSSH or PEM format: ls -l {}", path.display()),
        };
        SshError::Key { path: path.clone(), detail: error.to_string(), cure }
    })
}

/// russh's preferences, with the algorithms of known keys in front: a host has several keys, and the known one must be asked for.
fn config(target: &Target) -> Result<client::Config, SshError> {
    let known = trust::known_algorithms(target)?;
    let is_known = |a: &Algorithm| {
        known
            .iter()
            .any(|k| k == a || (k.clone().is_rsa() && a.clone().is_rsa()))
    };
    let mut config = client::Config {
        keepalive_interval: Some(KEEP_ALIVE),
        keepalive_max: KEEP_ALIVES,
        inactivity_timeout: Some(SILENCE),
        nodelay: true,
        ..client::Config::default()
    };
    let (mut keys, others): (Vec<_>, Vec<_>) = config.preferred.key.iter().cloned().partition(is_known);
    keys.extend(others);
    config.preferred.key = keys.into();
    Ok(config)
}

async fn attempt(target: &Target, key: &Arc<PrivateKey>) -> Result<Connection, Attempt> {
    let config = Arc::new(config(target)?);
    let tcp = TcpStream::connect((target.address.as_str(), target.port))
        .await
        .map_err(|e| Attempt::Again(e.to_string()))?;
    // Only costs latency when it fails.
    let _ = tcp.set_nodelay(true);
    let notes = Notes::default();
    let client = Client {
        target: target.clone(),
        notes: notes.clone(),
    };
    let mut handle = client::connect_stream(config, tcp, client)
        .await
        .map_err(|e| during_key_exchange(target, &notes, e))?;
    authenticate(target, &mut handle, key).await?;
    Ok(Connection {
        target: target.clone(),
        handle: Arc::new(handle),
        notes,
    })
}

fn during_key_exchange(target: &Target, notes: &Notes, error: russh::Error) -> Attempt {
    if let Some(refused) = notes.take_refusal() {
        return Attempt::Never(refused.into());
    }
    match error {
        russh::Error::NoCommonAlgo { .. } => Attempt::Never(SshError::NoCommonAlgorithm {
            host: target.label(),
            detail: error.to_string(),
        }),
        // sshd closes the connection before or during the key exchange while MaxStartups is reached or while it starts.
        other => Attempt::Again(format!("key exchange ended: {other}")),
    }
}

async fn authenticate(target: &Target, handle: &mut Handle<Client>, key: &Arc<PrivateKey>) -> Result<(), Attempt> {
    let again = |e: russh::Error| Attempt::Again(format!("login ended: {e}"));
    let hash = if key.algorithm().is_rsa() {
        // Never ssh-rsa with SHA-1, which OpenSSH has refused since 8.8 (release notes of 2021-09-26).
        handle
            .best_supported_rsa_hash()
            .await
            .map_err(again)?
            .flatten()
            .or(Some(HashAlg::Sha512))
    } else {
        None
    };
    let signer = PrivateKeyWithHashAlg::new(Arc::clone(key), hash);
    match handle
        .authenticate_publickey(target.user.as_str(), signer)
        .await
        .map_err(again)?
    {
        AuthResult::Success => Ok(()),
        AuthResult::Failure { remaining_methods, .. } => Err(Attempt::Never(SshError::AuthenticationRefused {
            host: target.label(),
            key: format!("{} ({})", target.key.display(), key.fingerprint(HashAlg::Sha256)),
            methods: format!("{remaining_methods:?}"),
            cure: format!(
                "ssh-copy-id -f -i {} -p {} {}@{}",
                target.key.display(),
                target.port,
                target.user,
                target.address
            ),
        })),
    }
}
