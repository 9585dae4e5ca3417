//! How a constant script becomes a remote command, through `sudo -n` where the user is not root. Called by whatever starts
//! something on a host. Never asks for a password and never puts one anywhere.

use crate::error::{Said, SshError};
use crate::target::Target;

/// The command line that runs `script` as root with these arguments. Scripts are constants of this crate without single
/// quotes and on one line, so that every login shell (dash, bash, zsh, fish, csh) passes them on unchanged; arguments are
/// hashes, numbers and paths that [`crate::Layout`] has checked.
pub(crate) fn as_root(target: &Target, script: &str, arguments: &[&str]) -> String {
    debug_assert!(!script.contains(['\'', '\n', '!']));
    let sudo = if target.needs_sudo() { "sudo -n -- " } else { "" };
    format!("{sudo}/bin/sh -c '{script}' bedplate {}", arguments.join(" "))
}

/// The command line that starts a program as root.
pub(crate) fn program(target: &Target, path: &str, verb: &str) -> String {
    let sudo = if target.needs_sudo() { "sudo -n -- " } else { "" };
    format!("{sudo}{path} {verb}")
}

/// The sudoers line that everything in this crate needs. Putting a program that runs as root is root's power in full, and
/// a narrower line would only look safer.
pub(crate) fn sudoers_line(user: &str) -> String {
    format!("{user} ALL=(root) NOPASSWD: /bin/sh, /usr/local/lib/bedplate/*/bedplate-agent")
}

/// Whether a command failed because of sudo rather than itself: sudo's own messages begin with its name, and a shell that
/// does not find it says so.
pub(crate) fn refusal(target: &Target, said: &Said) -> Option<SshError> {
    let text = said.as_str();
    let by_sudo = text.lines().any(|line| line.starts_with("sudo:")) || text.contains("sudo: not found");
    (target.needs_sudo() && by_sudo).then(|| SshError::SudoRefused {
        host: target.label(),
        user: target.user.clone(),
        line: sudoers_line(&target.user),
        said: said.clone(),
    })
}
