//! No swap in use, now (`/proc/swaps`) or after a boot (`/etc/fstab`).

use super::{Context, State, StepError};
use crate::command::Command;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

const FSTAB: &str = "/etc/fstab";
const BACKUP: &str = "/etc/fstab.before-bedplate";
const MARK: &str = "# bedplate turned swap off: ";

pub(super) fn inspect(context: &Context<'_>) -> Result<State, StepError> {
    let swaps = in_use(&read(&context.at("/proc/swaps"))?);
    let mounts = read(&context.at(FSTAB))?;
    let declared = mounts.lines().filter(|line| is_swap(line)).count();
    if swaps.is_empty() && declared == 0 {
        return Ok(State::Holds);
    }
    let active = if swaps.is_empty() {
        "none in use".to_owned()
    } else {
        format!("in use: {}", swaps.join(", "))
    };
    Ok(State::differs(format!("{active}; {declared} in {FSTAB}"), "no swap"))
}

pub(super) fn change(context: &Context<'_>) -> Result<(), StepError> {
    let fstab = context.at(FSTAB);
    let text = read(&fstab)?;
    if text.lines().any(is_swap) {
        let mode = fs::metadata(&fstab)
            .map_err(StepError::io(&fstab, "read"))?
            .permissions()
            .mode()
            & 0o7777;
        let backup = context.at(BACKUP);
        // The first backup is the one without our hand in it.
        if !backup.exists() {
            crate::durable::write(&backup, text.as_bytes(), mode).map_err(StepError::io(&backup, "written"))?;
        }
        crate::durable::write(&fstab, without_swap(&text).as_bytes(), mode)
            .map_err(StepError::io(&fstab, "written"))?;
    }
    let cure = "look at `swapon --show` and `free -m`: there must be memory for what is swapped out; then `swapoff -a`";
    for swap in in_use(&read(&context.at("/proc/swaps"))?) {
        let off = Command::new("swapoff", ["--", &swap]).deadline(Duration::from_mins(5));
        off.run().map_err(StepError::command(cure))?;
    }
    Ok(())
}

/// A kernel without swap has no `/proc/swaps`, and a machine may have no fstab.
fn read(path: &Path) -> Result<String, StepError> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        text => text.map_err(StepError::io(path, "read")),
    }
}

/// The first line is a heading; blanks in names are `\040`.
fn in_use(swaps: &str) -> Vec<String> {
    let names = swaps.lines().skip(1).filter_map(|line| line.split_whitespace().next());
    names.map(|name| name.replace("\\040", " ")).collect()
}

fn is_swap(line: &str) -> bool {
    !line.trim_start().starts_with('#') && line.split_whitespace().nth(2) == Some("swap")
}

fn without_swap(fstab: &str) -> String {
    let lines = fstab.lines().map(|line| {
        if is_swap(line) {
            format!("{MARK}{line}\n")
        } else {
            format!("{line}\n")
        }
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_swap_lines_of_fstab_become_comments() {
        let fstab = "# swap was here\nUUID=1 / ext4 defaults 0 1\nUUID=2 none swap sw 0 0\n";
        let after = without_swap(fstab);
        assert_eq!(
            after,
            format!("# swap was here\nUUID=1 / ext4 defaults 0 1\n{MARK}UUID=2 none swap sw 0 0\n")
        );
        assert_eq!(without_swap(&after), after);
    }

    #[test]
    fn the_heading_of_proc_swaps_is_no_swap() {
        assert!(in_use("Filename\tType\tSize\tUsed\tPriority\n").is_empty());
        assert_eq!(in_use("Filename\tType\n/dev/sda2 partition 1 0 -2\n"), ["/dev/sda2"]);
    }
}
