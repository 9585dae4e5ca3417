//! A function of the kernel: a module that is loaded now and will be after a boot, or one that is built in.

use super::{Context, State, StepError, file};
use crate::command::Command;
use std::fs;

pub(super) fn inspect(name: &str, context: &Context<'_>) -> Result<State, StepError> {
    if built_in(name, context) {
        return Ok(State::Holds);
    }
    if !present(name, context) {
        return Ok(State::differs("not in the kernel", "loaded"));
    }
    file::compare(&context.at(declaration(name)), 0o644, text(name).as_bytes(), false)
}

pub(super) fn change(name: &str, context: &Context<'_>) -> Result<(), StepError> {
    file::install(&context.at(declaration(name)), 0o644, text(name).as_bytes())?;
    if present(name, context) {
        return Ok(());
    }
    let cure = format!(
        "the running kernel has no module {name}: install the modules of `uname -r` (after a kernel upgrade, reboot), then `modprobe {name}`"
    );
    Command::new("modprobe", ["--", name])
        .run()
        .map(drop)
        .map_err(StepError::command(cure))
}

fn declaration(name: &str) -> String {
    format!("/etc/modules-load.d/bedplate-{name}.conf")
}

fn text(name: &str) -> String {
    format!("{name}\n")
}

/// The kernel writes `-` in module names as `_`.
fn same(a: &str, b: &str) -> bool {
    a.replace('-', "_") == b.replace('-', "_")
}

fn listed(name: &str, context: &Context<'_>) -> bool {
    let modules = fs::read_to_string(context.at("/proc/modules")).unwrap_or_default();
    modules
        .lines()
        .filter_map(|line| line.split(' ').next())
        .any(|module| same(module, name))
}

/// What the kernel shows of the function itself, for kernels without a list of modules.
fn function(name: &str, context: &Context<'_>) -> bool {
    let filesystems = fs::read_to_string(context.at("/proc/filesystems")).unwrap_or_default();
    filesystems
        .lines()
        .filter_map(|line| line.split('\t').next_back())
        .any(|kind| kind == name)
        || (name == "br_netfilter" && context.at("/proc/sys/net/bridge").is_dir())
}

fn present(name: &str, context: &Context<'_>) -> bool {
    listed(name, context)
        || context.at(format!("/sys/module/{}", name.replace('-', "_"))).is_dir()
        || function(name, context)
        || in_builtin_list(name, context)
}

/// Needs no declaration for the next boot: the kernel has it and it is not among the loaded modules.
fn built_in(name: &str, context: &Context<'_>) -> bool {
    if listed(name, context) {
        return false;
    }
    in_builtin_list(name, context) || (!context.at("/proc/modules").exists() && present(name, context))
}

/// `modules.builtin` of the running kernel: one path a line, `kernel/fs/overlayfs/overlay.ko`.
fn in_builtin_list(name: &str, context: &Context<'_>) -> bool {
    let release = fs::read_to_string(context.at("/proc/sys/kernel/osrelease")).unwrap_or_default();
    let list = context.at(format!("/lib/modules/{}/modules.builtin", release.trim()));
    let list = fs::read_to_string(list).unwrap_or_default();
    list.lines()
        .filter_map(|line| line.rsplit('/').next()?.strip_suffix(".ko"))
        .any(|module| same(module, name))
}
