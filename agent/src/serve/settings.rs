//! Whether the configuration may be served: what is open to other machines needs TLS and a token. Called by [`super::Server`] and by
//! the reader of the configuration.

use super::tls::{self, Acceptor, TlsError};
use super::token::{self, TokenError};
use crate::daemon::Serve;
use std::net::SocketAddr;

/// Why these settings are refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    /// Everyone could read what pods run here.
    #[error(
        "listen {listen}: other machines reach this address and {missing} not set; set serve.tls.certificateFile, \
         serve.tls.keyFile and serve.tokenFile, or listen on 127.0.0.1"
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

/// Which settings are not there without which others must not reach `listen`, in words; none where nothing is missing.
pub(crate) fn exposed(serve: &Serve, listen: SocketAddr) -> Option<&'static str> {
    if listen.ip().to_canonical().is_loopback() {
        return None;
    }
    match (&serve.tls, &serve.token_file) {
        (None, None) => Some("serve.tls and serve.tokenFile are"),
        (None, Some(_)) => Some("serve.tls is"),
        (Some(_), None) => Some("serve.tokenFile is"),
        (Some(_), Some(_)) => None,
    }
}

/// Every file of `serve` that cannot be used as it is now: its key, and why.
pub(crate) fn unusable_files(serve: &Serve) -> Vec<(&'static [&'static str], String)> {
    let mut found: Vec<(&'static [&'static str], String)> = Vec::new();
    if let Some(files) = &serve.tls
        && let Err(error) = Acceptor::load(files)
    {
        found.push((&["serve", "tls"], error.to_string()));
        // Reading stops at the certificate; the key's trouble is one of its own.
        if error.is_of(&files.certificate_file)
            && let Err(key) = tls::key(files)
        {
            found.push((&["serve", "tls", "keyFile"], key.to_string()));
        }
    }
    if let Some(path) = &serve.token_file
        && let Err(error) = token::read(path)
    {
        found.push((&["serve", "tokenFile"], error.to_string()));
    }
    found
}

/// Whether `serve` may be served on `listen`. Reads its files once, so that a mistake is told at start.
pub(super) fn check(serve: &Serve, listen: SocketAddr) -> Result<Option<Acceptor>, SettingsError> {
    if let Some(missing) = exposed(serve, listen) {
        return Err(SettingsError::Exposed { listen, missing });
    }
    if let Some(path) = &serve.token_file {
        token::read(path).map_err(SettingsError::Token)?;
    }
    serve
        .tls
        .as_ref()
        .map(Acceptor::load)
        .transpose()
        .map_err(SettingsError::Tls)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn an_address_that_others_reach_needs_tls_and_token() {
        for listen in ["0.0.0.0:9479", "10.0.0.5:9479", "[::]:9479", "[::ffff:10.0.0.5]:9479"] {
            let refused = check(&Serve::default(), listen.parse().unwrap()).err().unwrap();
            assert!(matches!(refused, SettingsError::Exposed { .. }), "{refused}");
            assert!(refused.to_string().contains("serve.tls.certificateFile"), "{refused}");
        }
        let half = Serve {
            token_file: Some(PathBuf::from("/nowhere")),
            ..Serve::default()
        };
        let refused = check(&half, "0.0.0.0:9479".parse().unwrap()).err().unwrap();
        assert!(refused.to_string().contains("serve.tls is not set"), "{refused}");
    }

    #[test]
    fn loopback_needs_nothing() {
        for listen in ["127.0.0.1:9479", "127.8.0.1:0", "[::1]:9479", "[::ffff:127.0.0.1]:9479"] {
            assert!(check(&Serve::default(), listen.parse().unwrap()).is_ok(), "{listen}");
        }
    }

    #[test]
    fn a_token_file_that_is_not_there_is_told_at_start() {
        let serve = Serve {
            token_file: Some(PathBuf::from("/nowhere")),
            ..Serve::default()
        };
        let refused = check(&serve, "127.0.0.1:0".parse().unwrap()).err().unwrap();
        assert!(matches!(refused, SettingsError::Token(_)), "{refused}");
        assert!(refused.to_string().contains("openssl rand -hex 32"), "{refused}");
    }
}
