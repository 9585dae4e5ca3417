//! Where the agent listens and what a scraper must show there. Read from the daemon's configuration; checked before the port
//! is opened. Called by [`super::run`].

use super::tls::{Acceptor, TlsError};
use super::token::{self, TokenError};
use serde::Deserialize;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// The port, unless told otherwise.
const PORT: u16 = 9479;

/// The part `serve` of the daemon's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Settings {
    /// Speak TLS; without it HTTP, which only a loopback address may.
    #[serde(default)]
    pub(crate) tls: Option<Tls>,
    /// A file with the bearer token that `/metrics` and `/v1/state` ask for.
    #[serde(default)]
    pub(crate) token_file: Option<PathBuf>,
    /// The kubelet's pod-resources socket, where it is not in the usual place.
    #[serde(default)]
    pub(crate) pod_resources_socket: Option<PathBuf>,
}

/// Certificate and key, both in PEM.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Tls {
    /// The certificate, its chain after it.
    pub(crate) cert_file: PathBuf,
    /// Its key, which only the agent may read.
    pub(crate) key_file: PathBuf,
}

/// Where the agent listens unless told otherwise.
pub(crate) const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), PORT);

/// Why these settings are refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    /// Everyone could read what pods run here.
    #[error(
        "listen {listen}: other machines reach this address and {missing} not set; set serve.tls.certFile, serve.tls.keyFile \
         and serve.tokenFile, or listen on {LISTEN}"
    )]
    Exposed {
        /// The address.
        listen: SocketAddr,
        /// What is not set.
        missing: &'static str,
    },
    /// The token's file.
    #[error("serve.tokenFile: {0}")]
    Token(#[source] TokenError),
    /// Certificate or key.
    #[error("serve.tls: {0}")]
    Tls(#[source] TlsError),
}

impl Settings {
    /// Whether these settings may serve on `listen`; reads the files once, so that a mistake is told now.
    pub(super) fn check(&self, listen: SocketAddr) -> Result<Option<Acceptor>, SettingsError> {
        let missing = match (&self.tls, &self.token_file) {
            (None, None) => Some("serve.tls and serve.tokenFile are"),
            (None, Some(_)) => Some("serve.tls is"),
            (Some(_), None) => Some("serve.tokenFile is"),
            (Some(_), Some(_)) => None,
        };
        if let Some(missing) = missing
            && !listen.ip().to_canonical().is_loopback()
        {
            return Err(SettingsError::Exposed { listen, missing });
        }
        if let Some(path) = &self.token_file {
            token::read(path).map_err(SettingsError::Token)?;
        }
        self.tls.as_ref().map(Acceptor::load).transpose().map_err(SettingsError::Tls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_others_reach_needs_tls_and_token() {
        for listen in ["0.0.0.0:9479", "10.0.0.5:9479", "[::]:9479", "[::ffff:10.0.0.5]:9479"] {
            let refused = Settings::default().check(listen.parse().unwrap()).err().unwrap();
            assert!(matches!(refused, SettingsError::Exposed { .. }), "{refused}");
            assert!(refused.to_string().contains("serve.tls.certFile"), "{refused}");
        }
        let half = Settings {
            token_file: Some(PathBuf::from("/nowhere")),
            ..Settings::default()
        };
        let refused = half.check("0.0.0.0:9479".parse().unwrap()).err().unwrap();
        assert!(refused.to_string().contains("serve.tls is not set"), "{refused}");
    }

    #[test]
    fn loopback_needs_nothing() {
        for listen in ["127.0.0.1:9479", "127.8.0.1:0", "[::1]:9479", "[::ffff:127.0.0.1]:9479"] {
            assert!(Settings::default().check(listen.parse().unwrap()).is_ok(), "{listen}");
        }
    }

    #[test]
    fn a_token_file_that_is_not_there_is_told_at_start() {
        let settings = Settings {
            token_file: Some(PathBuf::from("/nowhere")),
            ..Settings::default()
        };
        let refused = settings.check(LISTEN).err().unwrap();
        assert!(matches!(refused, SettingsError::Token(_)), "{refused}");
        assert!(refused.to_string().contains("openssl rand -hex 32"), "{refused}");
    }
}
