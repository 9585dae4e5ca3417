//! The bearer token that a scraper must show. Called by [`super::settings`] at start and by [`super::route`] for each request.

use bedplate_protocol::SecretString;
use sha2::{Digest, Sha256};
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use subtle::ConstantTimeEq;

/// Shorter ones could be guessed.
const LEAST_BYTES: usize = 16;
/// Longer files are no token.
const MOST_BYTES: u64 = 4096;

/// Why a file holds no token to compare with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    /// It cannot be read.
    #[error("token file {}: {source}; make one: (umask 077; openssl rand -hex 32 > {})", path.display(), path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Others may read it.
    #[error("token file {} can be read by every user of this host; run: chmod 0600 {}", path.display(), path.display())]
    Open {
        /// The file.
        path: PathBuf,
    },
    /// It is no token.
    #[error("token file {}: not one line of {LEAST_BYTES} to {MOST_BYTES} printable characters; make one: openssl rand -hex 32", path.display())]
    NoToken {
        /// The file.
        path: PathBuf,
    },
}

/// Reads the token, so that one that was changed counts from the next request on.
pub(super) fn read(path: &Path) -> Result<SecretString, TokenError> {
    let failed = |source| TokenError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    if open_to_all(&file.metadata().map_err(failed)?) {
        return Err(TokenError::Open { path: path.to_owned() });
    }
    let mut text = String::new();
    file.take(MOST_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    let token = text.trim_end_matches(['\r', '\n']);
    let printable = token.bytes().all(|byte| byte.is_ascii_graphic());
    if token.len() < LEAST_BYTES || text.len() as u64 > MOST_BYTES || !printable {
        return Err(TokenError::NoToken { path: path.to_owned() });
    }
    Ok(SecretString::new(token))
}

/// Whether every user of the host may read a file. Its group may: so systemd hands credentials to a unit (`LoadCredential`).
pub(super) fn open_to_all(file: &Metadata) -> bool {
    file.permissions().mode() & 0o007 != 0
}

/// Whether an `Authorization` header shows the token. Takes as long for a wrong one as for the right one, whatever their
/// lengths: hashes are compared.
pub(super) fn shown(authorization: &[u8], token: &SecretString) -> bool {
    let Some((scheme, shown)) = authorization.split_at_checked("Bearer ".len()) else {
        return false;
    };
    scheme.eq_ignore_ascii_case(b"Bearer ") && bool::from(Sha256::digest(shown).ct_eq(&Sha256::digest(token.expose())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn file(content: &str, mode: u32) -> (tempfile::TempDir, Result<SecretString, TokenError>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let read = read(&path);
        (folder, read)
    }

    #[test]
    fn a_token_is_one_private_line() {
        assert_eq!(file(&format!("{TOKEN}\n"), 0o600).1.unwrap().expose(), TOKEN);
        assert_eq!(file(TOKEN, 0o440).1.unwrap().expose(), TOKEN);
        assert!(matches!(file(TOKEN, 0o604).1, Err(TokenError::Open { .. })));
        for content in ["", "\n", "short", &format!("{TOKEN}\n{TOKEN}"), &"a".repeat(5000)] {
            assert!(
                matches!(file(content, 0o600).1, Err(TokenError::NoToken { .. })),
                "{content}"
            );
        }
        assert!(matches!(read(Path::new("/nowhere")), Err(TokenError::Read { .. })));
    }

    #[test]
    fn only_the_token_itself_opens() {
        let token = SecretString::new(TOKEN);
        assert!(shown(format!("Bearer {TOKEN}").as_bytes(), &token));
        assert!(shown(format!("bearer {TOKEN}").as_bytes(), &token));
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            TOKEN,
            &format!("Basic {TOKEN}"),
            &format!("Bearer {TOKEN}0"),
            &format!("Bearer {}", &TOKEN[1..]),
            &format!("Bearer  {TOKEN}"),
        ] {
            assert!(!shown(wrong.as_bytes(), &token), "{wrong}");
        }
    }
}
