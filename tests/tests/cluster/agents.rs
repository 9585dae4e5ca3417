//! The agents' unit and identity, as runs deliver and replace them. Parts of the life in `main.rs`.

use super::health::{condition_field, metrics};
use super::{Cluster, GATES, HOSTS, eventually, hosts};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// From here on nodes with a sick GPU are tainted, and what is said of a workstation's card is not worth saying.
const SETTINGS: &str = "
agent:
  taints: true
  checks:
  - {code: persistence-off, mode: off, owner: ops@example.org, reason: a workstation's card, expires: 2100-01-01T00:00:00Z}
";

pub(super) fn another_setting_replaces_the_agents(cluster: &Cluster<'_>) {
    let since = || HOSTS.map(|host| condition_field(cluster, host, "GPUXidProblem", "lastTransitionTime"));
    let process = |host| {
        hosts()
            .ssh(host, "systemctl show -P MainPID bedplate-agent")
            .expect("it has one")
    };
    let said = || metrics("gpu-3").contains("code=\"persistence-off\"");
    assert!(said(), "it is worth saying until somebody says otherwise");
    for host in HOSTS {
        let version = hosts().ssh(host, "bedplate-agent --version");
        assert!(version.is_ok(), "what runbooks ask for is in PATH: {version:?}");
    }
    let (known, before) = (since(), HOSTS.map(process));
    let report = cluster.up_with(SETTINGS).ended(0);
    let changes = HOSTS.map(|host| {
        [
            format!("{host} file:/etc/bedplate/agent.yaml"),
            format!("{host} unit:bedplate-agent.service"),
        ]
    });
    assert_eq!(report.changes(), changes.concat());
    for (host, before) in HOSTS.iter().zip(before) {
        assert_ne!(process(host), before, "{host} has another process");
    }
    eventually("the override counts", || {
        if said() { Err(metrics("gpu-3")) } else { Ok(()) }
    });
    let heard = |host: &str| condition_field(cluster, host, "GPUXidProblem", "lastHeartbeatTime");
    let earlier = HOSTS.map(heard);
    hosts()
        .ssh("gpu-1", "systemctl restart bedplate-agent")
        .expect("it starts again");
    eventually("the agent that was started again has written", || {
        let now = heard("gpu-1");
        if now == earlier[0] { Err(now) } else { Ok(()) }
    });
    assert_eq!(since(), known, "when a condition last changed outlives the agent");
}

pub(super) fn expired_token_comes_back(cluster: &Cluster<'_>) {
    const DELIVERED: &str = "/etc/bedplate/agent-token";
    let machines = hosts();
    let on = |line: &str| machines.ssh("gpu-3", line).expect("done by hand");
    // As after a week in the cellar: what the token says of itself is of the past.
    let token = on(&format!("cat {DELIVERED}"));
    let [head, claims, signature] = token.trim().split('.').collect::<Vec<_>>()[..] else {
        panic!("a token has three parts");
    };
    let claims = URL_SAFE_NO_PAD.decode(claims).expect("claims are base64");
    let mut claims: Value = serde_json::from_slice(&claims).expect("claims are JSON");
    claims["exp"] = json!(1_700_000_000);
    let expired = format!("{head}.{}.{signature}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    on(&format!(
        "echo {expired} > {DELIVERED}; rm -f /var/lib/bedplate/agent/token; systemctl restart bedplate-agent"
    ));
    let heard = || condition_field(cluster, "gpu-3", "GPUXidProblem", "lastHeartbeatTime");
    let last = heard();
    eventually("the agent says what is wrong and what cures it", || {
        let log = on("journalctl -u bedplate-agent -n 20 -o cat");
        if log.contains("the token expired at") && log.contains("`bedplate up`") {
            Ok(())
        } else {
            Err(log)
        }
    });
    assert_eq!(heard(), last, "it publishes nothing");
    drop(machines);
    let report = cluster.up_with(SETTINGS).ended(0);
    assert_eq!(report.changes(), [format!("gpu-3 service-account-token:{DELIVERED}")]);
    assert_eq!(report.gates(), GATES, "{:#}", report.json);
    eventually("the agent publishes again", || {
        let now = heard();
        if now == last { Err(now) } else { Ok(()) }
    });
}
