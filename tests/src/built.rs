//! The built programs and artifacts, and running them. Called by every whole-system test.

use bedplate_substrates::simulated::{KernelLogServer, Options, SimulatedNvml};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The repository's root.
pub fn repository() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().expect("the workspace is above this crate")
}

/// A built program or library by its file name, of the release build if there is one.
pub fn program(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from);
    // One profile for all: a release `bedplate` is never tried with an agent of another build.
    let profile = if target.join("release/bedplate").is_file() {
        "release"
    } else {
        "debug"
    };
    existing(target.join(profile).join(name))
}

/// Where bedplate keeps what is made once a machine, as it finds it itself.
pub fn cache() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(".cache/bedplate");
    std::env::var_os("BEDPLATE_CACHE").map_or_else(home, PathBuf::from)
}

/// The artifact directory that `tests/tools/prepare` makes.
pub fn artifacts() -> PathBuf {
    let directory = cache().join("rehearsal");
    existing(directory.join("index.yaml"));
    directory
}

/// The reference of the first image in the artifact directory that begins like this.
pub fn image(beginning: &str) -> String {
    let index =
        std::fs::read_to_string(artifacts().join("index.yaml")).expect("tests/tools/prepare has made the index");
    // Each entry is one line of JSON behind a dash.
    let entries = index
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line.strip_prefix("- ")?).ok());
    let mut names = entries.filter_map(|entry| Some(entry["name"].as_str()?.to_owned()));
    names
        .find(|name| name.starts_with(beginning))
        .expect("the artifact directory has this image")
}

/// An outside program that `tests/tools/build` made, of the newest set if there are several.
pub fn outside_program(name: &str) -> PathBuf {
    let folders = std::fs::read_dir(cache()).into_iter().flatten().flatten();
    let sets = folders.filter(|folder| folder.file_name().to_string_lossy().starts_with("programs-"));
    let made = |path: PathBuf| {
        let at = path
            .join(".complete")
            .metadata()
            .and_then(|data| data.modified())
            .ok()?;
        Some((at, path))
    };
    let newest = sets.filter_map(|folder| made(folder.path())).max();
    existing(newest.map_or_else(cache, |(_, path)| path).join(name))
}

/// What simulated machines are made with: the built library and the built server of kernel logs.
pub fn host_options() -> Options {
    Options {
        cache: None,
        nvml: SimulatedNvml {
            library: program("libnvidia_ml.so"),
        },
        kernel_log: KernelLogServer {
            program: program("bedplate-simulated-kmsg"),
        },
    }
}

fn existing(path: PathBuf) -> PathBuf {
    assert!(path.is_file(), "{} is missing: run tests/tools/prepare", path.display());
    path
}

/// How a program ended.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

/// Runs a program to its end, without input.
pub fn run(command: &mut Command) -> Ran {
    let output = command
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran {
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// Runs `bedplate` in a folder.
pub fn bedplate(folder: &Path, arguments: &[&str]) -> Ran {
    run(Command::new(program("bedplate")).args(arguments).current_dir(folder))
}
