//! Neither agent nor installer can tell a simulated machine from another: the same program is started with the same words
//! and the same environment as on a plain sshd that no substrate made. Needs root, and says what else it needs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]

use bedplate_protocol::{Epoch, Mode, NodePlan, RunId};
use bedplate_ssh::{AgentBinary, Connection, HostKeyTrust, Target};
use bedplate_tests::built::program;
use bedplate_tests::one_host::{HOST, RemoveAtEnd, remove, target, up};
use std::collections::BTreeMap;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const NAME: &str = "same-test";
const SOON: Duration = Duration::from_secs(30);
const RUN: &str = "20261121t000000z-same";
const TEMPLATE: &str = "/etc/systemd/system/bedplate-apply@.service";

/// The login of both machines: sshd's own, without the distribution's PAM modules, of which this machine may have others.
const LOGIN: &str = "UsePAM no\nPermitRootLogin prohibit-password\n";

/// sshd on this machine's loopback. What the agent writes goes to file systems of its own, which end with it.
struct Plain {
    folder: tempfile::TempDir,
    port: u16,
    daemon: Child,
}

impl Drop for Plain {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

impl Plain {
    fn start() -> Self {
        assert!(
            Path::new("/usr/sbin/sshd").exists(),
            "a real sshd is needed: apt-get install -y openssh-server"
        );
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for key in ["host", "client"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-N", "", "-t", "ed25519", "-f"])
                .arg(at(key))
                .status();
            assert!(made.unwrap().success());
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\n{LOGIN}",
            at("host").display(),
            at("client.pub").display(),
        );
        fs::write(at("config"), config).unwrap();
        // /root: a person's shell start files are theirs. /run: no systemd of this machine can be asked for anything.
        let script = "for place in /root /run /usr/local/lib /var/lib /etc/systemd/system; do mount -t tmpfs -o mode=755 tmpfs $place || exit 1; done
            chmod 700 /root; mkdir /run/sshd; exec /usr/sbin/sshd -D -e -f \"$1\"";
        let daemon = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"])
            .arg(at("config"))
            .stdin(Stdio::null())
            .stderr(fs::File::create(at("log")).unwrap())
            .spawn();
        let plain = Self {
            port,
            daemon: daemon.unwrap(),
            folder,
        };
        let since = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = || fs::read_to_string(plain.folder.path().join("log")).unwrap_or_default();
            assert!(since.elapsed() < SOON, "sshd did not listen: {}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
        plain
    }

    fn target(&self) -> Target {
        let host_key = fs::read_to_string(self.folder.path().join("host.pub")).unwrap();
        Target {
            name: HOST.to_owned(),
            address: "127.0.0.1".to_owned(),
            port: self.port,
            user: "root".to_owned(),
            key: self.folder.path().join("client"),
            trust: HostKeyTrust::Known(vec![host_key]),
        }
    }

    /// A file as its sshd sees it.
    fn file(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.daemon.id()))
    }
}

/// One running agent, from /proc.
#[derive(Debug, PartialEq, Eq)]
struct Started {
    sha256: String,
    words: Vec<String>,
    environment: BTreeMap<String, String>,
}

/// sshd names both ends of the connection, in these two variables (sshd's `do_setup_env`, session.c of OpenSSH 9.2): the
/// addresses and ports of two machines differ. Nothing else may.
const ENDS: [&str; 2] = ["SSH_CLIENT", "SSH_CONNECTION"];

impl Started {
    fn new(sha256: &str, words: &str, environment: &str) -> Self {
        let parts = |text: &str| -> Vec<String> { text.split_terminator('\0').map(str::to_owned).collect() };
        let environment = parts(environment)
            .into_iter()
            .map(|variable| {
                let (name, value) = variable.split_once('=').expect("name=value");
                let value = if ENDS.contains(&name) {
                    format!("{} words", value.split(' ').count())
                } else {
                    value.to_owned()
                };
                (name.to_owned(), value)
            })
            .collect();
        Self {
            sha256: sha256.trim().to_owned(),
            words: parts(words),
            environment,
        }
    }
}

fn is_agent(words: &str, path: &str) -> bool {
    words.split('\0').next() == Some(path)
}

/// The agent that this path was started as, on the plain machine: by this machine's /proc, in which it is too.
fn on_plain(plain: &Plain, path: &str) -> Started {
    let namespace = fs::read_link(format!("/proc/{}/ns/mnt", plain.daemon.id())).unwrap();
    let found = fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let process = entry.path();
        let words = fs::read_to_string(process.join("cmdline")).ok()?;
        (is_agent(&words, path) && fs::read_link(process.join("ns/mnt")).ok()? == namespace).then_some((process, words))
    });
    let (process, words) = found.expect("the agent runs");
    let sha256 = Command::new("sha256sum").arg(process.join("exe")).output().unwrap();
    let sha256 = String::from_utf8(sha256.stdout).unwrap();
    let environment = fs::read_to_string(process.join("environ")).unwrap();
    Started::new(sha256.split(' ').next().unwrap(), &words, &environment)
}

fn plan() -> NodePlan {
    NodePlan {
        protocol: bedplate_protocol::PROTOCOL_MAX,
        run: RunId::new(RUN).unwrap(),
        epoch: Epoch(1),
        node: HOST.to_owned(),
        mode: Mode::Change,
        steps: Vec::new(),
    }
}

#[test]
fn the_agent_is_started_on_a_simulated_machine_as_on_any_other() {
    let agent = AgentBinary::load(program("bedplate-agent")).unwrap();
    let plain = Plain::start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (elsewhere, unit, link, words) = runtime.block_on(async {
        let connection = Connection::connect(&plain.target(), SOON, |_, _| {}).await.unwrap();
        let deployed = connection.put_agent(&agent).await.unwrap();
        let mut session = connection.session(&deployed).await.unwrap();
        let started = on_plain(&plain, &deployed.path);
        // It has no systemd that could start the unit; what is compared is what was installed for it.
        let refused = session
            .apply(plan())
            .await
            .expect_err("there is no systemd")
            .to_string();
        assert!(refused.contains("systemctl"), "{refused}");
        let unit = fs::read_to_string(plain.file(TEMPLATE)).unwrap();
        let link = fs::read_link(plain.file(&format!("/var/lib/bedplate/runs/{RUN}/bedplate-agent"))).unwrap();
        (started, unit, link, deployed.path)
    });
    assert_eq!(elsewhere.words, [words.as_str(), "session"]);
    assert_eq!(elsewhere.sha256, agent.sha256().as_str());

    let _end = RemoveAtEnd(NAME);
    // From here on this thread is in the simulated machine's network.
    let hosts = up(NAME, 83);
    let on = |line: &str| hosts.ssh(HOST, line).unwrap_or_else(|e| panic!("{line}: {e}"));
    on(&format!(
        "printf '{}' >/etc/ssh/sshd_config.d/login.conf && systemctl reload ssh",
        LOGIN.replace('\n', "\\n")
    ));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let connection = Connection::connect(&target(&hosts), SOON, |_, _| {}).await.unwrap();
        let deployed = connection.put_agent(&agent).await.unwrap();
        let mut session = connection.session(&deployed).await.unwrap();
        let pid = on("pgrep -x bedplate-agent");
        let pid = pid.trim();
        let read = |name: &str| on(&format!("cat /proc/{pid}/{name}"));
        let sha256 = on(&format!("sha256sum </proc/{pid}/exe"));
        let here = Started::new(sha256.split(' ').next().unwrap(), &read("cmdline"), &read("environ"));
        assert_eq!(here, elsewhere);

        session.apply(plan()).await.unwrap();
        assert_eq!(on(&format!("cat {TEMPLATE}")), unit);
        let at = on(&format!("readlink /var/lib/bedplate/runs/{RUN}/bedplate-agent"));
        assert_eq!(at.trim(), link.to_str().unwrap());
        let begun = "ExecStart=/var/lib/bedplate/runs/%i/bedplate-agent apply --run %i\n";
        assert!(unit.contains(begun), "{unit}");
    });
    drop(hosts);
    remove(NAME);
}
