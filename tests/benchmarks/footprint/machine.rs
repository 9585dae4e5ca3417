//! The machine that the agent sees: eight H100 whose every call takes 200 µs, a driver's files, and a kernel log of its own that
//! this benchmark can speak in. Made in a folder and in mount namespaces, which end with their processes. Called by `main`.

use crate::process::Process;
use bedplate_tests::agents_cluster::bound_token;
use bedplate_tests::api_server::{ApiServer, write_secret};
use bedplate_tests::built::program;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) const GPUS: u8 = 8;
/// The node of [`bedplate_tests::agents_cluster`] that the agent speaks for.
pub(crate) const NODE: &str = "one";
const DRIVER: &str = "580.95.05";
/// For everything that takes a moment on an idle machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A folder with everything, and the server of its kernel log.
pub(crate) struct Machine {
    folder: tempfile::TempDir,
    kernel_log: Child,
}

impl Machine {
    pub(crate) fn new() -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| format!("a folder for the machine: {error}"))?;
        let tree = folder.path();
        tree_of(tree).map_err(|error| format!("{}: {error}", tree.display()))?;
        // Ends with this process's first thread, which is the one that is here.
        let kernel_log = Command::new(program("bedplate-simulated-kmsg"))
            .arg(tree.join("log"))
            .stdin(Stdio::null())
            .spawn()
            .map_err(|error| format!("bedplate-simulated-kmsg: {error}"))?;
        let machine = Self { folder, kernel_log };
        until("the kernel's log is served", || machine.path("log/kmsg").exists())?;
        Ok(machine)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Named for its version, as the driver's own file is.
    fn library(&self) -> PathBuf {
        self.path(&format!("libnvidia-ml.so.{DRIVER}"))
    }

    /// The same library and GPUs in files of their own: whoever loads the agent's would take half of it off the agent's memory.
    pub(crate) fn another_library(&self) -> Result<PathBuf, String> {
        let folder = self.path("another");
        let (library, scenario) = (self.library(), self.path(&format!("libnvidia-ml-scenario.so.{DRIVER}")));
        let copy = |file: &Path| {
            let to = folder.join(file.file_name().unwrap_or_default());
            fs::copy(file, &to).map(|_| to)
        };
        let copies = fs::create_dir_all(&folder)
            .and_then(|()| copy(&scenario))
            .and_then(|_| copy(&library));
        copies.map_err(|error| format!("{}: {error}", folder.display()))
    }

    /// Where the kernel of this machine speaks: a record a write.
    pub(crate) fn kernel(&self) -> Result<File, String> {
        let path = self.path("log/kernel");
        let file = File::options().write(true).open(&path);
        file.map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Starts the agent as a new one, and waits until it calls this machine healthy.
    pub(crate) fn agent(&self, cluster: Option<&ApiServer>) -> Result<Agent, String> {
        let address = free_address()?;
        let state = tempfile::tempdir_in(self.folder.path()).map_err(|error| error.to_string())?;
        let mut config = format!(
            "nodeName: {NODE}\ninterval: 10s\nlisten: {address}\nnvml: {{library: {}}}\nkernelLog: {}\nstateDirectory: {}\n",
            self.library().display(),
            self.path("log/kmsg").display(),
            state.path().display(),
        );
        if let Some(cluster) = cluster {
            let token = state.path().join("token");
            write_secret(&token, &bound_token(cluster, NODE, "1h"));
            let (url, ca) = (cluster.url(), cluster.authority());
            let of_cluster = format!(
                "kubernetes: {{apiServer: '{url}', caFile: {}, tokenFile: {}}}\n",
                ca.display(),
                token.display()
            );
            config.push_str(&of_cluster);
        }
        let (file, log) = (self.path("agent.yaml"), self.path("agent.log"));
        fs::write(&file, config).map_err(|error| format!("{}: {error}", file.display()))?;
        let said = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let child = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", ENTER, "sh"])
            .arg(self.folder.path())
            .arg(program("bedplate-agent"))
            .args(["run", "--config"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(said)
            .spawn()
            .map_err(|error| format!("the agent: {error}"))?;
        let agent = Agent {
            child,
            address,
            _state: state,
        };
        let healthy = || agent.get("/v1/state").is_ok_and(|state| is_healthy(&state));
        until("the agent calls the machine healthy", healthy)
            .map_err(|error| format!("{error}\n{}", fs::read_to_string(&log).unwrap_or_default()))?;
        Ok(agent)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // One that has ended already is as good. Its mount goes with the namespace that tests/benchmarks/agent made.
        let _ = self.kernel_log.kill();
        let _ = self.kernel_log.wait();
    }
}

/// Puts the tree $1 over what the machine has, in a mount namespace of this process, and becomes the rest of the command line.
/// A file stands for a device node, which only NVML itself would open.
const ENTER: &str = r#"set -e; tree=$1; shift
mount -t tmpfs tmpfs /sys/bus && cp -a "$tree/bus/." /sys/bus/
mount -t tmpfs tmpfs /sys/module && cp -a "$tree/module/." /sys/module/
mount --bind /dev/null "$tree/dev/null" && mount --rbind "$tree/dev" /dev
[ ! -d /proc/driver ] || mount --bind "$tree/driver" /proc/driver
exec "$@""#;

/// A driver that is loaded and works, and the scenario of its GPUs.
fn tree_of(tree: &Path) -> io::Result<()> {
    let write = |name: String, text: &str| {
        let path = tree.join(name);
        path.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(path, text))
    };
    let mut scenario = format!(
        "driver_version: {DRIVER}\nnvml_version: 13.{DRIVER}\ncuda_version: '13.0'\nlatency: {{microseconds: 200}}\ngpus:\n"
    );
    fs::create_dir_all(tree.join("bus/pci/drivers/nvidia"))?;
    fs::create_dir_all(tree.join("log"))?;
    for gpu in 0..GPUS {
        let address = address_of(gpu);
        let device = format!("bus/pci/devices/{address}");
        for (name, value) in [("vendor", "0x10de"), ("device", "0x2330"), ("class", "0x030200")] {
            write(format!("{device}/{name}"), value)?;
        }
        symlink("../../drivers/nvidia", tree.join(&device).join("driver"))?;
        symlink(
            format!("../../devices/{address}"),
            tree.join("bus/pci/drivers/nvidia").join(&address),
        )?;
        write(format!("dev/nvidia{gpu}"), "")?;
        let one = format!(
            "- {{profile: h100-80gb-hbm3, pci_address: '{address}', minor: {gpu}, uuid: GPU-5b0d91a7-4e1c-4c6a-9f00-00000000000{gpu}}}\n"
        );
        scenario.push_str(&one);
    }
    for node in ["null", "nvidiactl", "nvidia-uvm", "nvidia-uvm-tools"] {
        write(format!("dev/{node}"), "")?;
    }
    write("module/nvidia/version".to_owned(), DRIVER)?;
    let banner = format!("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {DRIVER}\n");
    write("driver/nvidia/version".to_owned(), &banner)?;
    write(format!("libnvidia-ml-scenario.so.{DRIVER}"), &scenario)?;
    fs::copy(
        program("libnvidia_ml.so"),
        tree.join(format!("libnvidia-ml.so.{DRIVER}")),
    )?;
    Ok(())
}

/// `0000:18:00.0`, `0000:28:00.0`, …
pub(crate) fn address_of(gpu: u8) -> String {
    format!("0000:{}8:00.0", gpu + 1)
}

/// Whether each condition is known and none is a problem.
fn is_healthy(state: &str) -> bool {
    let state: serde_json::Value = serde_json::from_str(state).unwrap_or_default();
    let conditions = state["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    state["verdict"]["health"] == "healthy" && conditions.iter().all(|condition| condition["status"] == "False")
}

/// A running agent. It is asked to end when this is dropped.
pub(crate) struct Agent {
    child: Child,
    address: SocketAddr,
    _state: tempfile::TempDir,
}

impl Agent {
    pub(crate) fn process(&self) -> Process {
        Process(self.child.id())
    }

    /// Its NVML worker.
    pub(crate) fn worker(&self) -> Result<Process, String> {
        let worker = self.process().child("nvml-worker");
        worker.ok_or_else(|| "the agent has no NVML worker".to_owned())
    }

    /// The body of an answer of its endpoints.
    pub(crate) fn get(&self, path: &str) -> Result<String, String> {
        get(self.address, path)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // SIGTERM, upon which it ends its worker; one that has ended already is as good.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// One GET over HTTP, closed by the server.
pub(crate) fn get(address: SocketAddr, path: &str) -> Result<String, String> {
    let fetch = || -> io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = fetch().map_err(|error| format!("http://{address}{path}: {error}"))?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200 ") => Ok(body.to_owned()),
        _ => Err(format!(
            "http://{address}{path}: {}",
            answer.lines().next().unwrap_or_default()
        )),
    }
}

/// A loopback port that was free a moment ago.
pub(crate) fn free_address() -> Result<SocketAddr, String> {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    listener.map_err(|error| format!("a loopback port: {error}"))
}

/// Waits until something is so.
pub(crate) fn until(what: &str, met: impl Fn() -> bool) -> Result<(), String> {
    let since = Instant::now();
    while !met() {
        if since.elapsed() > PATIENCE {
            return Err(format!("not within {PATIENCE:?}: {what}"));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}
