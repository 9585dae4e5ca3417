//! The way of a user who is not root: `sudo -n` on a machine with a real sudo, refused and allowed. Needs root here.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]

use bedplate_ssh::{AgentBinary, Connection, SshError, Target};
use bedplate_tests::built::program;
use bedplate_tests::one_host::{HOST, RemoveAtEnd, remove, target, up};
use std::time::Duration;

const NAME: &str = "sudo-test";
const SOON: Duration = Duration::from_secs(30);

async fn connect(target: &Target) -> Connection {
    Connection::connect(target, SOON, |_, _| {})
        .await
        .expect("the user can log in")
}

/// What sudo's refusal says, and the line that it says to add.
fn remedy(error: &SshError) -> (String, String) {
    assert!(matches!(error, SshError::SudoRefused { .. }), "{error}");
    let text = error.to_string();
    let line = text.lines().last().unwrap_or_default().trim().to_owned();
    (text, line)
}

#[test]
fn a_user_becomes_root_by_exactly_the_line_that_the_refusal_prints() {
    let _end = RemoveAtEnd(NAME);
    let hosts = up(NAME, 82);
    let on = |line: &str| hosts.ssh(HOST, line).unwrap_or_else(|e| panic!("{line}: {e}"));
    on(
        "useradd --create-home --shell /bin/bash admin && install -d -m 700 -o admin /home/admin/.ssh && \
        install -m 600 -o admin /root/.ssh/authorized_keys /home/admin/.ssh/",
    );
    let as_admin = Target {
        user: "admin".to_owned(),
        ..target(&hosts)
    };
    let agent = AgentBinary::load(program("bedplate-agent")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let connection = connect(&as_admin).await;
        let error = connection.put_agent(&agent).await.expect_err("no line allows it yet");
        let (text, line) = remedy(&error);
        assert!(text.contains("visudo -f /etc/sudoers.d/bedplate"), "{text}");
        assert!(text.contains("sudo: a password is required"), "{text}");
        assert!(line.starts_with("admin ALL=(root) NOPASSWD: "), "{line}");
        let error = connection
            .ephemeral_session(&agent)
            .await
            .err()
            .expect("nor a lent agent");
        assert_eq!(remedy(&error).1, line);
        assert_eq!(
            on("ls -d /usr/local/lib/bedplate 2>/dev/null || echo none").trim(),
            "none"
        );

        // Half of the line puts the agent and does not start it; the refusal names the whole line again.
        let half = line.split(", ").next().unwrap();
        allow(&hosts, half);
        let deployed = connection.put_agent(&agent).await.unwrap();
        let error = connection
            .session(&deployed)
            .await
            .err()
            .expect("the agent is not in the line");
        assert_eq!(remedy(&error).1, line);

        allow(&hosts, &line);
        let mut session = connection.session(&deployed).await.unwrap();
        assert_eq!(session.hello().uid, 0);
        assert_eq!(session.facts().await.unwrap().os.id, "debian");
        on(&format!("rm {}", deployed.path));
        let lent = connection.ephemeral_session(&agent).await.unwrap();
        assert_eq!(lent.hello().uid, 0);
    });
    drop(hosts);
    remove(NAME);
}

fn allow(hosts: &bedplate_substrates::simulated::Hosts, line: &str) {
    let command =
        format!("echo '{line}' >/etc/sudoers.d/bedplate && chmod 440 /etc/sudoers.d/bedplate && visudo --check");
    hosts.ssh(HOST, &command).unwrap_or_else(|e| panic!("{line}: {e}"));
}
