//! The least that a look at some hosts over SSH can cost: russh, one connection and one `true` a host, all at once. What
//! `bedplate preflight` is compared with. Called by `tests/benchmarks/run`.
//!
//! `benchmark-exec KEY KNOWN_HOSTS ADDRESS…` exits 0 when `true` ended with 0 on every host. A host key that is not in
//! `KNOWN_HOSTS` is refused.

use futures::future::try_join_all;
use russh::ChannelMsg;
use russh::client::{self, Handler};
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate, check_known_hosts_path, load_secret_key};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// What it took on an idle machine is milliseconds; a host that is gone should not hold the benchmark.
const LIMIT: Duration = Duration::from_secs(30);

struct Client {
    address: String,
    known_hosts: PathBuf,
}

impl Handler for Client {
    type Error = russh::Error;

    async fn check_server_key(&mut self, presented: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(check_known_hosts_path(
            &self.address,
            22,
            &presented.public_key(),
            &self.known_hosts,
        )?)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [key, known_hosts, addresses @ ..] = arguments.as_slice() else {
        eprintln!("benchmark-exec KEY KNOWN_HOSTS ADDRESS…");
        return ExitCode::from(64);
    };
    let key = match load_secret_key(key, None) {
        Ok(key) => Arc::new(key),
        Err(e) => {
            eprintln!("benchmark-exec: {key}: {e}");
            return ExitCode::FAILURE;
        }
    };
    let all = try_join_all(addresses.iter().map(|address| exec(address, known_hosts.into(), &key)));
    match tokio::time::timeout(LIMIT, all).await {
        Ok(Ok(_)) => ExitCode::SUCCESS,
        Ok(Err(why)) => {
            eprintln!("benchmark-exec: {why}");
            ExitCode::FAILURE
        }
        Err(_) => {
            eprintln!("benchmark-exec: no end within {} s", LIMIT.as_secs());
            ExitCode::FAILURE
        }
    }
}

async fn exec(address: &str, known_hosts: PathBuf, key: &Arc<PrivateKey>) -> Result<(), String> {
    let failed = |e: russh::Error| format!("{address}: {e}");
    let config = client::Config {
        nodelay: true,
        ..client::Config::default()
    };
    let client = Client {
        address: address.to_owned(),
        known_hosts,
    };
    let mut handle = client::connect(Arc::new(config), (address, 22), client)
        .await
        .map_err(failed)?;
    let login = handle
        .authenticate_publickey("root", PrivateKeyWithHashAlg::new(Arc::clone(key), None))
        .await
        .map_err(failed)?;
    if !login.success() {
        return Err(format!("{address}: the key was refused"));
    }
    let mut channel = handle.channel_open_session().await.map_err(failed)?;
    channel.exec(true, "true").await.map_err(failed)?;
    let mut status = None;
    while let Some(message) = channel.wait().await {
        if let ChannelMsg::ExitStatus { exit_status } = message {
            status = Some(exit_status);
        }
    }
    match status {
        Some(0) => Ok(()),
        other => Err(format!("{address}: `true` ended with {other:?}")),
    }
}
