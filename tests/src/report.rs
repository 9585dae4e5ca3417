//! What `--output json` says, read as a stranger's program would. Called by `tests/cluster.rs`.

use crate::built::Ran;
use serde_json::Value;

/// A run's report and how the run ended.
#[derive(Debug)]
pub struct Report {
    /// The exit code.
    pub code: Option<i32>,
    /// The document.
    pub json: Value,
    /// Progress, for failure messages.
    pub stderr: String,
}

impl Report {
    /// Reads the one JSON document on stdout.
    pub fn read(ran: Ran) -> Self {
        let json = serde_json::from_str(&ran.stdout)
            .unwrap_or_else(|e| panic!("stdout is no JSON document: {e}\n{}\n{}", ran.stdout, ran.stderr));
        Self {
            code: ran.code,
            json,
            stderr: ran.stderr,
        }
    }

    /// Fails with everything that was said unless the run ended like this.
    #[must_use]
    pub fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{:#}", self.stderr, self.json);
        self
    }

    /// A host's part.
    pub fn host(&self, name: &str) -> &Value {
        let hosts = self.json["hosts"].as_array().expect("hosts is a list");
        hosts
            .iter()
            .find(|host| host["name"] == name)
            .unwrap_or_else(|| panic!("no host {name} in {:#}", self.json))
    }

    /// `gpu-1 node`, `gpu-2 left-out`, in the file's order.
    pub fn states(&self) -> Vec<String> {
        let hosts = self.json["hosts"].as_array().expect("hosts is a list");
        hosts
            .iter()
            .map(|host| format!("{} {}", text(&host["name"]), text(&host["state"])))
            .collect()
    }

    /// Everything that was not as it should have been: `gpu-2 sysctl:…`, and the cluster's objects.
    pub fn changes(&self) -> Vec<String> {
        let mut changes = Vec::new();
        for host in self.json["hosts"].as_array().expect("hosts is a list") {
            for change in host["changed"].as_array().expect("changed is a list") {
                changes.push(format!("{} {}", text(&host["name"]), text(&change[0])));
            }
        }
        let objects = self.json["cluster_changes"]
            .as_array()
            .expect("cluster_changes is a list");
        changes.extend(objects.iter().map(|object| text(object).to_owned()));
        changes
    }

    /// `gpu-allocatable passed`, in order.
    pub fn gates(&self) -> Vec<String> {
        let gates = self.json["gates"].as_array().expect("gates is a list");
        gates
            .iter()
            .map(|gate| format!("{} {}", text(&gate["name"]), text(&gate["result"])))
            .collect()
    }

    /// The codes of a host's findings that nobody accepted, without the one about the disk: all hosts share that of the
    /// machine that runs the tests, and how full it is says nothing about what is tested.
    pub fn open_findings(&self, host: &str) -> Vec<&str> {
        let findings = self.host(host)["findings"].as_array().expect("findings is a list");
        let open = findings.iter().filter(|finding| finding["accepted"].is_null());
        open.map(|finding| text(&finding["code"]))
            .filter(|code| *code != "node-disk-pressure")
            .collect()
    }
}

/// A JSON string's text.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}
