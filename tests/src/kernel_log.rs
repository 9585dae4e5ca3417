//! A kernel log of a test's own, without a machine around it: the substrate's server, in a mount namespace that ends with it.
//! Called by `tests/agent_flood.rs`.

use crate::built::program;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server; the log is gone when it is dropped.
pub struct KernelLog {
    server: Child,
    kernel: File,
    device: PathBuf,
}

impl KernelLog {
    /// Serves a log that has the kernel's first words. Must be dropped on the thread that made it, with which it ends.
    pub fn start(folder: &Path) -> Self {
        let directory = folder.join("kernel-log");
        std::fs::create_dir(&directory).expect("a folder can be made");
        let server = Command::new("unshare")
            .args(["--mount", "--propagation", "private"])
            .arg(program("bedplate-simulated-kmsg"))
            .arg(&directory)
            .stdin(Stdio::null())
            .spawn()
            .expect("unshare starts");
        let mut inside = PathBuf::from(format!("/proc/{}/root", server.id())).into_os_string();
        inside.push(&directory);
        let inside = PathBuf::from(inside);
        let since = Instant::now();
        let kernel = loop {
            if let Ok(kernel) = File::options().write(true).open(inside.join("kernel")) {
                break kernel;
            }
            assert!(
                since.elapsed() < Duration::from_secs(30),
                "the kernel log is not served; these tests need root and /dev/fuse"
            );
            std::thread::sleep(Duration::from_millis(20));
        };
        Self {
            server,
            kernel,
            device: inside.join("kmsg"),
        }
    }

    /// What an agent opens as `/dev/kmsg`.
    pub fn device(&self) -> &Path {
        &self.device
    }

    /// The kernel says a line.
    pub fn says(&mut self, line: &str) {
        self.kernel.write_all(line.as_bytes()).expect("the record is taken");
    }
}

impl Drop for KernelLog {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
