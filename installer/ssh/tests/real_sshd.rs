//! Against Debian's own sshd with its default limits, on a loopback port of the test's own. Fails, and says how to install
//! it, where sshd is missing. Needs root, as sshd does to start a session for root.

// The allowance of clippy.toml reaches test functions, not the functions that they share.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use bedplate_ssh::{AgentBinary, Connection, HostKeyTrust, Layout, SshError, Target, TrustError};
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(20);

struct Sshd {
    dir: tempfile::TempDir,
    port: u16,
    daemon: Child,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // Those that serve connections first: a stopped one would stay. They may end meanwhile, which is as good.
        for child in self.children() {
            let _ = Command::new("kill")
                .args(["-KILL", &child])
                .stderr(Stdio::null())
                .status();
        }
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

fn keygen(path: &Path, kind: &str) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-N", "", "-t", kind, "-f"])
        .arg(path)
        .status();
    assert!(
        made.is_ok_and(|s| s.success()),
        "ssh-keygen is missing: apt-get install openssh-client"
    );
}

impl Sshd {
    fn start() -> Self {
        let sshd = Path::new("/usr/sbin/sshd");
        assert!(
            sshd.exists(),
            "these tests need a real sshd: apt-get install -y openssh-server"
        );
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        keygen(&at("host"), "ed25519");
        keygen(&at("client"), "ed25519");
        keygen(&at("client-rsa"), "rsa");
        let keys = ["client.pub", "client-rsa.pub"].map(|name| fs::read_to_string(at(name)).unwrap());
        fs::write(at("authorized_keys"), keys.concat()).unwrap();
        fs::create_dir_all("/run/sshd").unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {host}\nAuthorizedKeysFile {keys}\nPidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin prohibit-password\n",
            host = at("host").display(),
            keys = at("authorized_keys").display(),
        );
        fs::write(at("config"), config).unwrap();
        let log = fs::File::create(at("log")).unwrap();
        let daemon = Command::new(sshd)
            .args(["-D", "-e", "-f"])
            .arg(at("config"))
            .stderr(log)
            .stdin(Stdio::null())
            .spawn();
        let sshd = Self {
            port,
            daemon: daemon.unwrap(),
            dir,
        };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                began.elapsed() < SOON,
                "sshd did not listen: {}",
                fs::read_to_string(sshd.path("log")).unwrap()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        sshd
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn host_key(&self) -> String {
        fs::read_to_string(self.path("host.pub")).unwrap()
    }

    fn target(&self, trust: HostKeyTrust) -> Target {
        let (address, user) = ("127.0.0.1".into(), "root".into());
        Target {
            name: "gpu-1".into(),
            address,
            port: self.port,
            user,
            key: self.path("client"),
            trust,
        }
    }

    fn trusted(&self) -> Target {
        self.target(HostKeyTrust::Known(vec![self.host_key()]))
    }

    /// The processes that serve connections: sshd's direct children.
    fn children(&self) -> Vec<String> {
        let id = self.daemon.id();
        let text = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn signal_children(&self, signal: &str) {
        for child in self.children() {
            assert!(Command::new("kill").args([signal, &child]).status().unwrap().success());
        }
    }
}

async fn connect(target: &Target) -> Result<Connection, SshError> {
    Connection::connect(target, SOON, |_, _| {}).await
}

async fn refusal(target: &Target) -> SshError {
    connect(target).await.err().expect("the host must be refused")
}

fn fingerprint(public_key: &Path) -> String {
    let out = Command::new("ssh-keygen").arg("-lf").arg(public_key).output().unwrap();
    String::from_utf8(out.stdout)
        .unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_known_host_is_reached_with_ed25519_and_with_rsa_keys() {
    let sshd = Sshd::start();
    connect(&sshd.trusted()).await.unwrap();
    connect(&Target {
        key: sshd.path("client-rsa"),
        ..sshd.trusted()
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn another_host_key_is_refused_and_both_fingerprints_are_shown_with_file_and_line() {
    let sshd = Sshd::start();
    keygen(&sshd.path("other"), "ed25519");
    let other = fs::read_to_string(sshd.path("other.pub")).unwrap();
    let file = sshd.path("known_hosts");
    fs::write(&file, format!("# a comment\n[127.0.0.1]:{} {other}", sshd.port)).unwrap();
    for trust in [
        HostKeyTrust::Known(vec![other.clone()]),
        HostKeyTrust::KnownHosts(file.clone()),
        HostKeyTrust::TrustNew {
            known_hosts: file.clone(),
        },
    ] {
        let by_file = !matches!(trust, HostKeyTrust::Known(_));
        let error = refusal(&sshd.target(trust)).await;
        assert!(
            matches!(&error, SshError::HostKey(e) if matches!(**e, TrustError::Mismatch { .. })),
            "{error}"
        );
        let text = error.to_string();
        assert!(text.contains(&fingerprint(&sshd.path("host.pub"))), "{text}");
        assert!(text.contains(&fingerprint(&sshd.path("other.pub"))), "{text}");
        assert!(!by_file || text.contains(&format!("{}:2", file.display())), "{text}");
    }
    assert_eq!(
        fs::read_to_string(&file).unwrap().lines().count(),
        2,
        "a refused key must not be recorded"
    );
}

#[tokio::test]
async fn an_unknown_host_is_refused_with_the_line_for_the_config() {
    let sshd = Sshd::start();
    let error = refusal(&sshd.target(HostKeyTrust::KnownHosts(sshd.path("absent")))).await;
    let text = error.to_string();
    let key: Vec<_> = sshd.host_key().split_whitespace().take(2).map(str::to_owned).collect();
    assert!(
        matches!(&error, SshError::HostKey(e) if matches!(**e, TrustError::Unknown { .. })),
        "{text}"
    );
    assert!(
        text.contains("--trust-new-host-keys") && text.contains(&key.join(" ")),
        "{text}"
    );
}

#[tokio::test]
async fn a_new_host_is_recorded_once_and_verified_from_then_on() {
    let sshd = Sshd::start();
    let file = sshd.path("new/known_hosts");
    let new = sshd.target(HostKeyTrust::TrustNew {
        known_hosts: file.clone(),
    });
    let (first, second) = tokio::join!(connect(&new), connect(&new));
    first.unwrap();
    second.unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 1);
    connect(&sshd.target(HostKeyTrust::KnownHosts(file.clone())))
        .await
        .unwrap();
    let hashed = Command::new("ssh-keygen").arg("-Hf").arg(&file).output().unwrap();
    assert!(hashed.status.success() && fs::read_to_string(&file).unwrap().starts_with("|1|"));
    connect(&sshd.target(HostKeyTrust::KnownHosts(file))).await.unwrap();
}

#[tokio::test]
async fn a_revoked_host_key_is_refused_even_where_it_is_also_listed() {
    let sshd = Sshd::start();
    let file = sshd.path("known_hosts");
    let key = sshd.host_key();
    fs::write(&file, format!("[127.0.0.1]:{} {key}@revoked * {key}", sshd.port)).unwrap();
    let error = refusal(&sshd.target(HostKeyTrust::KnownHosts(file))).await;
    assert!(
        matches!(&error, SshError::HostKey(e) if matches!(**e, TrustError::Revoked { .. })),
        "{error}"
    );
}

#[tokio::test]
async fn a_refused_login_is_not_tried_again() {
    let sshd = Sshd::start();
    keygen(&sshd.path("stranger"), "ed25519");
    let began = Instant::now();
    let error = refusal(&Target {
        key: sshd.path("stranger"),
        ..sshd.trusted()
    })
    .await;
    assert!(matches!(error, SshError::AuthenticationRefused { .. }), "{error}");
    assert!(error.to_string().contains("ssh-copy-id") && began.elapsed() < SOON / 2);
}

#[tokio::test]
async fn a_host_that_does_not_listen_is_waited_for_by_name_until_the_deadline() {
    let sshd = Sshd::start();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let heard = std::sync::Mutex::new(Vec::new());
    let target = Target {
        port: free,
        ..sshd.trusted()
    };
    let hear = |what: &str, _: Duration| heard.lock().unwrap().push(what.to_owned());
    let error = Connection::connect(&target, Duration::from_secs(2), hear)
        .await
        .err()
        .unwrap();
    assert!(matches!(error, SshError::Unreachable { .. }), "{error}");
    let heard = heard.into_inner().unwrap();
    assert!(
        heard.len() > 1 && heard[0].contains("gpu-1") && heard[0].contains("refused"),
        "{heard:?}"
    );
}

#[tokio::test]
async fn an_agent_is_put_at_its_content_address_and_not_sent_twice() {
    let sshd = Sshd::start();
    let agent = AgentBinary::load("/bin/true").unwrap();
    let root = sshd.path("agents");
    let layout = Layout::at(root.to_str().unwrap()).unwrap();
    let connection = connect(&sshd.trusted()).await.unwrap();
    let first = connection.put_agent_at(&agent, &layout).await.unwrap();
    assert!(!first.already_there);
    assert_eq!(
        first.path,
        format!("{}/{}/bedplate-agent", root.display(), agent.sha256())
    );
    assert_eq!(fs::read(&first.path).unwrap(), fs::read("/bin/true").unwrap());
    assert_eq!(fs::metadata(&first.path).unwrap().permissions().mode() & 0o777, 0o755);
    let written = fs::metadata(&first.path).unwrap().modified().unwrap();
    let second = connection.put_agent_at(&agent, &layout).await.unwrap();
    assert!(second.already_there);
    assert_eq!(fs::metadata(&first.path).unwrap().modified().unwrap(), written);
    fs::write(&first.path, "damaged").unwrap();
    assert!(!connection.put_agent_at(&agent, &layout).await.unwrap().already_there);
    assert_eq!(
        fs::read_dir(Path::new(&first.path).parent().unwrap()).unwrap().count(),
        1,
        "no temporary file stays"
    );
}

#[tokio::test]
async fn an_agent_that_ends_at_once_is_named_as_ended_and_an_ephemeral_one_leaves_nothing() {
    let sshd = Sshd::start();
    let agent = AgentBinary::load("/bin/ls").unwrap();
    let layout = Layout::at(sshd.path("agents").to_str().unwrap()).unwrap();
    let connection = connect(&sshd.trusted()).await.unwrap();
    // `ls session` starts, which is what is to be shown, complains and exits with 2.
    let error = connection.ephemeral_session_at(&agent, &layout).await.err().unwrap();
    let text = error.to_string();
    assert!(matches!(error, SshError::AgentEnded { .. }), "{text}");
    assert!(text.contains("exit status 2") && text.contains("session"), "{text}");
    assert!(!sshd.path("agents").exists());
    // Another test's upload has a directory for some milliseconds; one that stays was left behind.
    let began = Instant::now();
    while let Some(left) = left_behind() {
        assert!(began.elapsed() < SOON, "{} was left behind", left.display());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn left_behind() -> Option<PathBuf> {
    let entries = ["/run", "/dev/shm", "/tmp", "/var/tmp"]
        .into_iter()
        .filter_map(|place| fs::read_dir(place).ok());
    let mut paths = entries.flatten().filter_map(|entry| Some(entry.ok()?.path()));
    paths.find(|path| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("bedplate."))
    })
}

#[tokio::test]
async fn the_real_agent_greets_as_itself_installed_and_from_memory() {
    // Beside the tests' own directory: target/<profile>/deps/<this test>.
    let built = std::env::current_exe()
        .unwrap()
        .parent()
        .unwrap()
        .with_file_name("bedplate-agent");
    assert!(
        built.exists(),
        "{} is missing: cargo build -p bedplate-agent",
        built.display()
    );
    let sshd = Sshd::start();
    let agent = AgentBinary::load(&built).unwrap();
    let layout = Layout::at(sshd.path("agents").to_str().unwrap()).unwrap();
    let connection = connect(&sshd.trusted()).await.unwrap();
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let mut from_memory = connection.ephemeral_session_at(&agent, &layout).await.unwrap();
    assert_eq!(
        (from_memory.hello().uid, from_memory.hello().boot_id.as_str()),
        (0, boot_id.trim())
    );
    assert!(!sshd.path("agents").exists());
    assert!(!from_memory.facts().await.unwrap().kernel.release.is_empty());
    let deployed = connection.put_agent_at(&agent, &layout).await.unwrap();
    let installed = connection.session(&deployed).await.unwrap();
    assert_eq!(installed.hello().sha256, *agent.sha256());

    // A file of that place and size that is not the agent: one that runs and says another hash, and one that only ends. Preflight
    // sends its own agent then, and replaces nothing.
    let whole = fs::read(&built).unwrap();
    let mut other = whole.clone();
    *other.last_mut().unwrap() ^= 1;
    let mut ends = b"#!/bin/sh\nexit 0\n".to_vec();
    ends.resize(whole.len(), b'#');
    for damaged in [other, ends] {
        // Another file, for the one that runs cannot be written.
        fs::remove_file(&deployed.path).unwrap();
        fs::write(&deployed.path, &damaged).unwrap();
        fs::set_permissions(&deployed.path, fs::Permissions::from_mode(0o755)).unwrap();
        let from_memory = connection.ephemeral_session_at(&agent, &layout).await.unwrap();
        assert_eq!(from_memory.hello().sha256, *agent.sha256());
        assert!(fs::read(&deployed.path).unwrap() == damaged, "it was replaced");
    }
}

/// Waits for an agent that never speaks while `signal` reaches sshd's process for the connection.
async fn lose(signal: &str) -> (SshError, Duration) {
    let sshd = Sshd::start();
    let agent = AgentBinary::load("/bin/cat").unwrap();
    let layout = Layout::at(sshd.path("agents").to_str().unwrap()).unwrap();
    let connection = connect(&sshd.trusted()).await.unwrap();
    let mut deployed = connection.put_agent_at(&agent, &layout).await.unwrap();
    // A program that reads and says nothing, and that ends with its connection: `cat` without the verb and without output.
    let program = deployed.path.clone();
    deployed.path = format!("exec {program} > /dev/null #");
    let session = tokio::spawn(async move { connection.session(&deployed).await.err().unwrap() });
    let began = Instant::now();
    let running = || {
        let mut todo = sshd.children();
        while let Some(process) = todo.pop() {
            if fs::read_to_string(format!("/proc/{process}/cmdline"))
                .unwrap_or_default()
                .starts_with(program.as_str())
            {
                return true;
            }
            let more = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
            todo.extend(more.split_whitespace().map(str::to_owned));
        }
        false
    };
    while !running() {
        assert!(began.elapsed() < SOON, "the program was not started");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let began = Instant::now();
    sshd.signal_children(signal);
    let error = session.await.unwrap();
    let took = began.elapsed();
    (error, took)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_connection_is_lost_at_once() {
    let (error, took) = lose("-KILL").await;
    assert!(error.is_connection_lost(), "{error}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_falls_silent_is_lost_within_the_keep_alive_bound() {
    let (error, took) = lose("-STOP").await;
    assert!(error.is_connection_lost(), "{error}");
    assert!(took < Duration::from_secs(28), "{took:?}");
}
