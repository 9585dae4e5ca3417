//! What holds of every source file: the agent and the installer do not know of simulated hosts, and unsafe code has its two
//! places. Reads the tree.

#![allow(clippy::expect_used, reason = "test helpers stand outside #[test]")]

use bedplate_tests::built::repository;
use std::path::{Path, PathBuf};

/// Every file beneath a folder of the repository.
fn files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![repository().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder can be read") {
            let path = entry.expect("the entry can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found
}

fn shown(path: &Path) -> String {
    let root = repository();
    path.strip_prefix(&root).unwrap_or(path).display().to_string()
}

#[test]
fn neither_agent_nor_installer_names_the_simulation_outside_rehearse() {
    let mut read = 0;
    let mut naming = Vec::new();
    for path in files("agent").into_iter().chain(files("installer")) {
        read += 1;
        let name = shown(&path);
        if name == "installer/src/cli/rehearse.rs" {
            continue;
        }
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).to_lowercase();
        for (number, line) in text.lines().enumerate() {
            if line.contains("simulat") {
                naming.push(format!("{name}:{}: {line}", number + 1));
            }
        }
    }
    assert!(read > 100, "only {read} files were read");
    assert_eq!(naming, Vec::<String>::new());
}

/// In two pieces, so that this file does not name it.
const KEYWORD: &str = concat!("un", "safe");
/// The library with NVML's ABI, and the agent's calls of the real one that no crate wraps.
const PLACES: [&str; 2] = ["substrates/simulated-nvml/", "agent/src/gpu/raw.rs"];

#[test]
fn memory_is_handled_by_hand_in_two_places_only() {
    let mut elsewhere = Vec::new();
    let rust = ["agent", "installer", "substrates", "tests"]
        .iter()
        .flat_map(|folder| files(folder));
    for path in rust.filter(|path| path.extension().is_some_and(|extension| extension == "rs")) {
        let name = shown(&path);
        if PLACES.iter().any(|place| name.starts_with(place)) {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let mut words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
            if words.any(|word| word == KEYWORD) {
                elsewhere.push(format!("{name}:{}: {line}", number + 1));
            }
        }
    }
    assert_eq!(elsewhere, Vec::<String>::new());
}
