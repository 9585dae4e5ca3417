//! The agents' pods as Prometheus reads them, configured as `manifests/agent/podmonitor.yaml` says. A part of the life in
//! `main.rs`.

use super::daemonset::{NAMESPACE, apply, pod_on, ready};
use super::{Cluster, HOSTS, eventually};
use bedplate_tests::built::{self, run};
use serde_json::json;
use std::process::Command;
use std::time::Instant;

/// What podmonitor.yaml tells a site to add to the agent's configuration.
const SERVE: &str = "listen: 0.0.0.0:9479
serve:
  tls: {certificateFile: /run/bedplate/serve/tls.crt, keyFile: /run/bedplate/serve/tls.key}
  tokenFile: /run/bedplate/serve/token
";
/// The name that podmonitor.yaml expects in the certificate.
const SERVER: &str = "bedplate-agent.bedplate-system.svc";
const TOKEN: &str = "a-scrape-token-of-this-test-only";

/// Certificate and key of the agents, as a site makes them once.
fn certificate(cluster: &Cluster<'_>) {
    let request = format!("subjectAltName=DNS:{SERVER}");
    let mut openssl = Command::new("openssl");
    openssl
        .current_dir(cluster.folder)
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    openssl.args([
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=bedplate-agent",
        "-addext",
        &request,
    ]);
    let made = run(openssl.args(["-keyout", "tls.key", "-out", "tls.crt"]));
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    std::fs::copy(cluster.folder.join("tls.crt"), cluster.folder.join("ca.crt")).expect("it is its own authority");
    std::fs::write(cluster.folder.join("token"), TOKEN).expect("the token can be written");
    for (secret, files) in [
        ("bedplate-agent-serve", &["tls.crt", "tls.key", "token"][..]),
        ("bedplate-agent-scrape", &["token", "ca.crt"]),
    ] {
        let files: Vec<String> = files.iter().map(|file| format!("--from-file={file}")).collect();
        let mut words = vec!["-n", NAMESPACE, "create", "secret", "generic", secret];
        words.extend(files.iter().map(String::as_str));
        cluster.kubectl(&words);
    }
}

/// From the pod network, as Prometheus would, with nothing but the secret that it has.
pub(super) fn prometheus_reads_the_pods(cluster: &Cluster<'_>) {
    certificate(cluster);
    let path = "jsonpath={.data.agent\\.yaml}";
    let config = cluster.kubectl(&["-n", NAMESPACE, "get", "configmap", "bedplate-agent", "-o", path]);
    let patch = json!({"data": {"agent.yaml": format!("{config}\n{SERVE}")}}).to_string();
    cluster.kubectl(&[
        "-n",
        NAMESPACE,
        "patch",
        "configmap",
        "bedplate-agent",
        "--type=merge",
        "-p",
        &patch,
    ]);
    let since = Instant::now();
    cluster.kubectl(&[
        "-n",
        NAMESPACE,
        "delete",
        "pods",
        "-l",
        "app.kubernetes.io/name=bedplate-agent",
        "--wait=true",
    ]);
    let took = since.elapsed();
    println!("    three pods ended within {:.1} s", took.as_secs_f32());
    assert!(
        took.as_secs() < 20,
        "they end by themselves, long before their grace period does: {took:?}"
    );
    ready(cluster);

    let scrapes = HOSTS.map(|host| {
        let address = pod_on(cluster, host, "status.podIP");
        format!(
            "printf 'oauth2-bearer = \"%s\"' \"$(cat /scrape/token)\" | curl --silent --show-error --fail --config - \
             --retry 5 --retry-all-errors --retry-delay 1 --cacert /scrape/ca.crt \
             --connect-to {SERVER}:9479:{address}:9479 https://{SERVER}:9479/metrics"
        )
    });
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "prometheus", "namespace": NAMESPACE}, "spec": {
        "restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "nodeSelector": {"kubernetes.io/hostname": "gpu-2"},
        "containers": [{"name": "prometheus", "image": built::image("docker.io/curlimages/curl:"),
            "command": ["sh", "-c", scrapes.join(" && ")], "volumeMounts": [{"name": "scrape", "mountPath": "/scrape"}]}],
        "volumes": [{"name": "scrape", "secret": {"secretName": "bedplate-agent-scrape"}}]}});
    apply(cluster, "prometheus.json", &pod.to_string());
    let logs = || cluster.kubectl(&["-n", NAMESPACE, "logs", "prometheus"]);
    let phase = || {
        cluster.kubectl(&[
            "-n",
            NAMESPACE,
            "get",
            "pod",
            "prometheus",
            "-o",
            "jsonpath={.status.phase}",
        ])
    };
    let text = eventually("the pods are read", || match phase().as_str() {
        "Succeeded" => Ok(logs()),
        "Failed" => panic!("{}", logs()),
        other => Err(other.to_owned()),
    });
    for (host, gpus, health) in [
        ("gpu-1", 2, "healthy"),
        ("gpu-2", 1, "healthy"),
        ("gpu-3", 1, "problem"),
    ] {
        let told = text.lines().filter(|line| {
            let it = line.starts_with("bedplate_gpu_health{") && line.contains(&format!("Hostname=\"{host}\""));
            it && line.contains(&format!("health=\"{health}\"")) && line.ends_with(" 1")
        });
        assert_eq!(told.count(), gpus, "GPUs of {host} that are {health}: {text}");
    }
    cluster.kubectl(&["-n", NAMESPACE, "delete", "pod", "prometheus", "--now"]);
}
