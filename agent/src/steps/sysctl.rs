//! A kernel parameter: its value now (`/proc/sys`) and after a boot (`/etc/sysctl.d`), each inspected on its own.

use super::{Context, State, StepError, file};
use std::fs;
use std::path::PathBuf;

pub(super) fn inspect(key: &str, value: &str, context: &Context<'_>) -> Result<State, StepError> {
    let running = running(key, context)?;
    if running != normal(value) {
        return Ok(State::differs(format!("{key} = {running}"), value));
    }
    file::compare(&context.at(declaration(key)), 0o644, text(key, value).as_bytes(), false)
}

pub(super) fn change(key: &str, value: &str, context: &Context<'_>) -> Result<(), StepError> {
    file::install(&context.at(declaration(key)), 0o644, text(key, value).as_bytes())?;
    // A value that is right is not written again: some are read-only, and there it is not our business.
    if running(key, context)? == normal(value) {
        return Ok(());
    }
    let path = context.at(place(key));
    fs::write(&path, value).map_err(|error| StepError::Stands {
        code: "sysctl-not-writable",
        message: format!("{key} cannot be set to {value}: {error}"),
        cure: format!("find out who owns it with `sysctl {key}`; where the kernel forbids it, set it on the machine that lends this kernel: `sysctl -w {key}={value}`"),
    })
}

fn running(key: &str, context: &Context<'_>) -> Result<String, StepError> {
    let path = context.at(place(key));
    match fs::read_to_string(&path) {
        Ok(text) => Ok(normal(&text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(StepError::Stands {
            code: "sysctl-missing",
            message: format!("this kernel has no parameter {key} ({} does not exist)", path.display()),
            cure: format!(
                "load the module that brings it (br_netfilter for net.bridge.*), then look again: `sysctl {key}`"
            ),
        }),
        Err(error) => Err(StepError::io(&path, "read")(error)),
    }
}

/// sysctl(8): the first separator decides; with `/` first, dots are part of names (`net/ipv4/conf/eth0.100/rp_filter`).
fn place(key: &str) -> PathBuf {
    let first = key.find(['.', '/']).map(|at| &key[at..=at]);
    let path = if first == Some("/") {
        key.to_owned()
    } else {
        key.chars()
            .map(|c| {
                if c == '.' {
                    '/'
                } else if c == '/' {
                    '.'
                } else {
                    c
                }
            })
            .collect()
    };
    PathBuf::from("/proc/sys").join(path)
}

fn declaration(key: &str) -> String {
    format!("/etc/sysctl.d/90-bedplate-{}.conf", key.replace('/', "."))
}

fn text(key: &str, value: &str) -> String {
    format!("{key} = {value}\n")
}

/// The kernel separates several numbers with tabs.
fn normal(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_paths_as_sysctl_reads_them() {
        assert_eq!(
            place("net.ipv4.ip_forward"),
            PathBuf::from("/proc/sys/net/ipv4/ip_forward")
        );
        assert_eq!(
            place("net/ipv4/conf/eth0.100/rp_filter"),
            PathBuf::from("/proc/sys/net/ipv4/conf/eth0.100/rp_filter")
        );
        assert_eq!(
            place("net.ipv4.conf.eth0/100.rp_filter"),
            PathBuf::from("/proc/sys/net/ipv4/conf/eth0.100/rp_filter")
        );
    }

    #[test]
    fn values_compare_whatever_the_kernel_puts_between_them() {
        assert_eq!(normal("4096\t131072\t6291456\n"), "4096 131072 6291456");
    }
}
