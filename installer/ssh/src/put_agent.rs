//! Puts the agent on a host at its content address. A newer agent never replaces a running one; the same one is never sent
//! twice. Called by the installer before it asks for a session.

use crate::agent_binary::{AgentBinary, GlibcVersion};
use crate::connect::Connection;
use crate::error::SshError;
use crate::exec;
use bedplate_protocol::Sha256Hex;

/// Arguments: layout root, hash.
const INSPECT: &str = r#"p="$1/$2/bedplate-agent"; echo "machine $(uname -m)"; echo "libc $(getconf GNU_LIBC_VERSION 2>/dev/null)"; if [ -f "$p" ] && [ -x "$p" ]; then echo "sha256 $(sha256sum < "$p")"; fi; echo end"#;

/// Arguments: layout root, hash. The file appears under its name only when it is whole, on disk and has the hash.
const INSTALL: &str = r#"set -e; umask 022; h="$2"; d="$1/$2"; mkdir -p "$d"; t=$(mktemp "$d/.bedplate-agent.XXXXXX"); trap "rm -f \"$t\"" EXIT HUP INT TERM; cat > "$t"; set -- $(sha256sum < "$t"); [ "$1" = "$h" ] || { echo "what arrived has the hash $1" >&2; exit 65; }; chmod 0755 "$t"; sync "$t"; mv -f "$t" "$d/bedplate-agent"; sync "$d"; set -- $(sha256sum < "$d/bedplate-agent"); echo "$1""#;

/// Where agents lie on hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    root: String,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            root: "/usr/local/lib/bedplate".into(),
        }
    }
}

impl Layout {
    /// Another directory: absolute, of letters, digits, `/`, `.`, `_` and `-` only, because it becomes part of a command.
    pub fn at(root: impl Into<String>) -> Result<Self, SshError> {
        let root = root.into();
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
        if root.starts_with('/') && root.chars().all(legal) {
            return Ok(Self { root });
        }
        Err(SshError::LocalFile {
            path: root.into(),
            detail: "no directory for agents".into(),
            cure: "name an absolute path of letters, digits, '/', '.', '_' and '-'".into(),
        })
    }

    /// The directory itself.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// The agent with this hash.
    pub fn agent_path(&self, sha256: &Sha256Hex) -> String {
        format!("{}/{sha256}/bedplate-agent", self.root)
    }
}

/// An agent that lies on a host, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    /// Its path on the host.
    pub path: String,
    /// Its hash.
    pub sha256: Sha256Hex,
    /// Whether it had been there, so that nothing was sent.
    pub already_there: bool,
}

impl Connection {
    /// The agent at its content address under `/usr/local/lib/bedplate`. Sends it only if it is not there, and only to a
    /// host it runs on.
    pub async fn put_agent(&self, agent: &AgentBinary) -> Result<Deployed, SshError> {
        self.put_agent_at(agent, &Layout::default()).await
    }

    /// [`Connection::put_agent`] under another directory.
    pub async fn put_agent_at(&self, agent: &AgentBinary, layout: &Layout) -> Result<Deployed, SshError> {
        if let Some(deployed) = self.find_agent(agent, layout).await? {
            return Ok(deployed);
        }
        let hash = agent.sha256().as_str();
        let doing = "putting the agent";
        let output = exec::run(self, doing, INSTALL, &[&layout.root, hash], agent.bytes()).await?;
        let installed = output.trim();
        if installed != hash {
            return Err(SshError::UnexpectedAnswer {
                host: self.target.label(),
                asked: format!("an agent with the hash {hash}"),
                answered: format!("that the installed file has {installed:?}"),
                said: crate::Said::default(),
            });
        }
        Ok(Deployed {
            path: layout.agent_path(agent.sha256()),
            sha256: agent.sha256().clone(),
            already_there: false,
        })
    }

    /// The agent if it is there; an error if this host could not run it. Copies nothing.
    async fn find_agent(&self, agent: &AgentBinary, layout: &Layout) -> Result<Option<Deployed>, SshError> {
        let hash = agent.sha256().as_str();
        let doing = "looking for the agent";
        let output = exec::run(self, doing, INSPECT, &[&layout.root, hash], &[]).await?;
        let field = |name: &str| {
            output
                .lines()
                .find_map(|l| l.strip_prefix(name)?.strip_prefix(' '))
                .unwrap_or_default()
                .trim()
                .to_owned()
        };
        judge_platform(&self.target.label(), agent, &field("machine"), &field("libc"))?;
        let found = field("sha256").split_whitespace().next() == Some(hash);
        let path = layout.agent_path(agent.sha256());
        Ok(found.then(|| Deployed {
            path,
            sha256: agent.sha256().clone(),
            already_there: true,
        }))
    }
}

pub(crate) fn judge_platform(host: &str, agent: &AgentBinary, machine: &str, libc: &str) -> Result<(), SshError> {
    if machine != agent.architecture().as_str() {
        return Err(SshError::WrongArchitecture {
            host: host.into(),
            host_machine: machine.into(),
            agent_machine: agent.architecture().as_str().into(),
        });
    }
    let version = libc.strip_prefix("glibc ").and_then(GlibcVersion::parse);
    if version.is_none_or(|version| version < agent.glibc_floor()) {
        return Err(SshError::Glibc {
            host: host.into(),
            found: if libc.is_empty() {
                "no GNU C library".into()
            } else {
                libc.into()
            },
            needed: agent.glibc_floor().to_string(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_processor_and_an_old_or_foreign_libc_are_refused_by_name() {
        let agent = AgentBinary::load("/proc/self/exe").unwrap();
        let here = agent.architecture().as_str();
        let judge = |machine, libc| judge_platform("gpu-1", &agent, machine, libc).map_err(|e| e.to_string());
        assert!(judge("riscv64", "glibc 9.9").unwrap_err().contains("riscv64"));
        assert!(judge(here, "glibc 2.1").unwrap_err().contains("glibc 2.1"));
        assert!(judge(here, "").unwrap_err().contains("no GNU C library"));
        judge(here, "glibc 9.9").unwrap();
    }

    #[test]
    fn a_layout_root_that_a_shell_would_interpret_is_refused() {
        for root in ["relative", "/with space", "/$(reboot)", "/a;b", "/a'b"] {
            assert!(Layout::at(root).is_err(), "{root}");
        }
    }
}
