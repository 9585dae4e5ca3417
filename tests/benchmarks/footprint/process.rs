//! What a process costs, by what the kernel counts in /proc. Reads only. Called by the other files of this benchmark.

use std::fs;
use std::time::Duration;

/// Ticks of /proc/<pid>/stat a second: `USER_HZ`, which is 100 on every architecture that the agent is built for.
const TICK: Duration = Duration::from_millis(10);

/// A process that is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process(pub(crate) u32);

impl Process {
    /// The child that has this word in its command line; each thread has children of its own.
    pub(crate) fn child(self, word: &str) -> Option<Self> {
        let children = |thread: &String| self.read(&format!("task/{thread}/children")).unwrap_or_default();
        let all: Vec<String> = self.threads().iter().map(children).collect();
        let pids = all.iter().flat_map(|of_one| of_one.split_whitespace());
        let mut pids = pids.filter_map(|pid| pid.parse().ok().map(Self));
        pids.find(|child| child.read("cmdline").is_ok_and(|line| line.contains(word)))
    }

    /// Proportional set size, in KiB.
    pub(crate) fn pss(self) -> Result<u64, String> {
        kib(&self.read("smaps_rollup")?, "Pss:")
    }

    /// The part of it that is the mappings of files whose name has this in it.
    pub(crate) fn pss_of(self, file: &str) -> Result<u64, String> {
        let (mut within, mut sum) = (false, 0);
        for line in self.read("smaps")?.lines() {
            if line
                .split_whitespace()
                .next()
                .is_some_and(|first| !first.ends_with(':'))
            {
                within = line.contains(file);
            } else if within && line.starts_with("Pss:") {
                sum += kib(line, "Pss:")?;
            }
        }
        Ok(sum)
    }

    /// Resident set size, in KiB.
    pub(crate) fn rss(self) -> Result<u64, String> {
        kib(&self.read("smaps_rollup")?, "Rss:")
    }

    /// Bytes that it had written to disks.
    pub(crate) fn written(self) -> Result<u64, String> {
        let text = self.read("io")?;
        let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "));
        let number = line.and_then(|number| number.trim().parse().ok());
        number.ok_or_else(|| format!("/proc/{}/io says no write_bytes", self.0))
    }

    /// Processor time: its own, and that of its children which have ended and were waited for.
    pub(crate) fn cpu(self) -> Result<Duration, String> {
        let text = self.read("stat")?;
        // The name, in brackets, may hold anything.
        let (_, fields) = text.rsplit_once(") ").ok_or("/proc/<pid>/stat has no name")?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        // utime, stime, cutime, cstime: fields 14 to 17 of proc(5), the state being field 3.
        let ticks = fields.get(11..15).ok_or("/proc/<pid>/stat is short")?;
        let ticks: u32 = ticks.iter().filter_map(|field| field.parse::<u32>().ok()).sum();
        Ok(TICK * ticks)
    }

    /// Processor time of its threads of this name, exactly, as the scheduler has it.
    pub(crate) fn cpu_of_threads(self, name: &str) -> Result<Duration, String> {
        let named = self.threads().into_iter().filter(|thread| self.is_named(thread, name));
        named.map(|thread| self.cpu_of_thread(&thread)).sum()
    }

    /// The same of all others.
    pub(crate) fn cpu_of_other_threads(self, name: &str) -> Result<Duration, String> {
        let others = self.threads().into_iter().filter(|thread| !self.is_named(thread, name));
        others.map(|thread| self.cpu_of_thread(&thread)).sum()
    }

    fn cpu_of_thread(self, thread: &str) -> Result<Duration, String> {
        let times = self.read(&format!("task/{thread}/schedstat"))?;
        let nanos = times.split_whitespace().next().and_then(|nanos| nanos.parse().ok());
        let nanos = nanos.ok_or("this kernel keeps no /proc/<pid>/schedstat")?;
        Ok(Duration::from_nanos(nanos))
    }

    /// How often its threads, or only those of a name, have gone to sleep by themselves.
    pub(crate) fn sleeps(self, name: Option<&str>) -> u64 {
        let of = |thread: &String| -> Option<u64> {
            let text = self.read(&format!("task/{thread}/status")).ok()?;
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
            line.trim().parse().ok()
        };
        let wanted = |thread: &String| name.is_none_or(|name| self.is_named(thread, name));
        self.threads()
            .iter()
            .filter(|thread| wanted(thread))
            .filter_map(of)
            .sum()
    }

    fn is_named(self, thread: &str, name: &str) -> bool {
        let known = self.read(&format!("task/{thread}/comm"));
        known.is_ok_and(|known| known.trim_end() == name)
    }

    fn threads(self) -> Vec<String> {
        let entries = fs::read_dir(format!("/proc/{}/task", self.0))
            .into_iter()
            .flatten()
            .flatten();
        entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect()
    }

    fn read(self, file: &str) -> Result<String, String> {
        let path = format!("/proc/{}/{file}", self.0);
        fs::read_to_string(&path).map_err(|error| format!("{path}: {error}; it is measured only while it runs"))
    }
}

fn kib(text: &str, name: &str) -> Result<u64, String> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| format!("no {name} in what the kernel says"))
}
