//! Cluster files of the tests' own, made from the example that the README runs. Called by `tests/cluster.rs`.

use crate::built;
use bedplate_substrates::simulated::Access;

/// The example as text, with another name and network, so that a rehearsal that somebody keeps is left alone, and with the
/// artifacts of this machine's cache.
pub fn example(name: &str, network: &str) -> String {
    let path = built::repository().join("examples/three-gpu-nodes.yaml");
    let mut text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let artifacts = format!("artifacts: {}", built::artifacts().display());
    for (old, new) in [
        ("name: three-gpu-nodes", format!("name: {name}").as_str()),
        ("artifacts: ~/.cache/bedplate/rehearsal", &artifacts),
        ("10.79.0.", network),
    ] {
        assert!(text.contains(old), "{} has no {old:?}", path.display());
        text = text.replace(old, new);
    }
    text
}

/// The same cluster as a file for `bedplate up`: hosts that somebody else has made, reached with this key.
pub fn plain(example: &str, access: &[Access]) -> String {
    let (mut text, _) = example
        .split_once("\nsimulated:")
        .map(|(before, after)| (before.to_owned(), after))
        .expect("the example has a section `simulated`, its last");
    for host in access {
        let address = format!("  address: {}\n", host.address);
        assert!(text.contains(&address), "the file has no {address:?}");
        text = text.replace(&address, &format!("{address}  hostKey: {:?}\n", host.host_key));
    }
    let key = access.first().expect("there are hosts").key.display();
    format!("{text}\nssh: {{user: root, key: {key}}}\n")
}
