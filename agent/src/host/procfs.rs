//! Single facts of `/proc`: host name, kernel, modules, processor, memory. Called by [`crate::host`] only.

use super::Tree;
use bedplate_protocol::facts::{CpuFacts, MemoryFacts};

/// The kernel's host name.
pub(super) fn hostname(tree: &Tree) -> String {
    tree.required_word("proc/sys/kernel/hostname")
}

/// `uname -r`.
pub(super) fn kernel_release(tree: &Tree) -> String {
    tree.required_word("proc/sys/kernel/osrelease")
}

/// `uname -m`: from the system call on the running host, from `/proc/sys/kernel/arch` (Linux 6.1 and later) elsewhere.
pub(super) fn machine(tree: &Tree) -> String {
    if tree.is_running_host() {
        return rustix::system::uname().machine().to_string_lossy().into_owned();
    }
    tree.word("proc/sys/kernel/arch").unwrap_or_default()
}

/// Names in `/proc/modules`, absent on a kernel that cannot load any.
pub(super) fn modules(tree: &Tree) -> Option<Vec<String>> {
    tree.optional_text("proc/modules").map(|text| parse_modules(&text))
}

/// `/proc/cpuinfo`.
pub(super) fn cpu(tree: &Tree) -> CpuFacts {
    parse_cpuinfo(&tree.required_text("proc/cpuinfo"))
}

/// `/proc/meminfo`.
pub(super) fn memory(tree: &Tree) -> MemoryFacts {
    parse_meminfo(&tree.required_text("proc/meminfo"))
}

fn parse_modules(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

fn parse_cpuinfo(text: &str) -> CpuFacts {
    let mut cpu = CpuFacts::default();
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        match key.trim() {
            "processor" => cpu.logical = cpu.logical.saturating_add(1),
            "model name" if cpu.model.is_empty() => value.trim().clone_into(&mut cpu.model),
            _ => {}
        }
    }
    cpu
}

/// `/proc/meminfo` counts in KiB and writes `kB` behind the number.
fn parse_meminfo(text: &str) -> MemoryFacts {
    let kibibytes = |key: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))
            .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
            .unwrap_or(0)
            .saturating_mul(1024)
    };
    MemoryFacts {
        total_bytes: kibibytes("MemTotal"),
        available_bytes: kibibytes("MemAvailable"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn processors_are_counted_and_named_once() {
        let cpu = parse_cpuinfo("processor\t: 0\nmodel name\t: EPYC: 9454\n\nprocessor\t: 1\nmodel name\t: EPYC\n");
        assert_eq!((cpu.logical, cpu.model.as_str()), (2, "EPYC: 9454"));
    }

    #[test]
    fn memory_is_in_bytes() {
        let memory = parse_meminfo("MemTotal:       1024 kB\nMemFree: 1 kB\nMemAvailable:    512 kB\n");
        assert_eq!((memory.total_bytes, memory.available_bytes), (1 << 20, 1 << 19));
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "\\PC*", number in "MemTotal: [0-9]{0,30} kB") {
            parse_cpuinfo(&text);
            parse_modules(&text);
            parse_meminfo(&text);
            parse_meminfo(&number);
        }
    }
}
