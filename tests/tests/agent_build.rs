//! The agent as it leaves this repository: the program that is copied to hosts, and its container image.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "test helpers stand outside #[test]"
)]

use bedplate_protocol::Sha256Hex;
use bedplate_ssh::{AgentBinary, Architecture, GlibcVersion};
use bedplate_tests::built::{artifacts, program, repository, run};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// Debian 10's and RHEL 8's.
const FLOOR: GlibcVersion = GlibcVersion { major: 2, minor: 28 };

fn read(command: &mut Command) -> String {
    let ran = run(command);
    assert_eq!(ran.code, Some(0), "{command:?}: {}", ran.stderr);
    ran.stdout
}

#[test]
fn the_agent_that_is_copied_to_hosts_runs_with_glibc_2_28() {
    // The one that `bedplate up` takes, in the artifacts that tests/tools/prepare made.
    let path = repository().join("target/release/bedplate-agent");
    let agent = AgentBinary::load(&path).expect("tests/tools/prepare has built it");
    assert_eq!(agent.architecture(), Architecture::X86_64);
    assert!(
        agent.glibc_floor() <= FLOOR,
        "{} needs glibc {}: run agent/linker/install, then touch agent/src/main.rs and build it again",
        path.display(),
        agent.glibc_floor()
    );
    // The same by the linker's own table, in which alone the loader looks.
    let needs = read(Command::new("readelf").args(["--wide", "--version-info"]).arg(&path));
    let versions = needs.split_whitespace().filter_map(|word| word.strip_prefix("GLIBC_"));
    let newest = versions
        .filter_map(GlibcVersion::parse)
        .max()
        .expect("it needs a glibc");
    assert!(newest <= FLOOR, "{newest}");
    // Dynamic, because NVML is loaded when it runs.
    let dynamic = read(Command::new("readelf").args(["--wide", "--dynamic"]).arg(&path));
    assert!(dynamic.contains("[libc.so.6]"), "{dynamic}");
    for needed in dynamic.lines().filter(|line| line.contains("(NEEDED)")) {
        let of_glibc = [
            "libc.so.6",
            "libm.so.6",
            "libdl.so.2",
            "libpthread.so.0",
            "librt.so.1",
            "ld-linux-x86-64.so.2",
        ];
        let known = of_glibc.iter().any(|name| needed.contains(&format!("[{name}]")));
        assert!(
            known || needed.contains("[libgcc_s.so.1]"),
            "a host need not have {needed}"
        );
    }
}

/// What an agent for aarch64 would be compiled and linked with; its Rust is for where the standard library can be had.
#[test]
fn the_compiler_for_aarch64_makes_programs_that_run_with_glibc_2_28() {
    let folder = tempfile::tempdir().unwrap();
    let (source, built) = (folder.path().join("try.c"), folder.path().join("try"));
    // fcntl64 is of glibc 2.28, and what a newer glibc would name is of 2.33 (stat) and 2.34 (pthread_create).
    let text = "#define _FILE_OFFSET_BITS 64\n#include <fcntl.h>\n#include <pthread.h>\n#include <sys/stat.h>\n\
                static void *work(void *at) { return at; }\n\
                int main(void) { struct stat s; pthread_t t; return stat(\"/\", &s) + fcntl(0, F_GETFD) + pthread_create(&t, 0, work, 0); }\n";
    std::fs::write(&source, text).unwrap();
    let compiler = repository().join("agent/linker/cc-aarch64");
    read(
        Command::new(compiler)
            .arg("-pthread")
            .arg("-o")
            .arg(&built)
            .arg(&source),
    );
    let head = read(Command::new("readelf").arg("--file-header").arg(&built));
    assert!(head.contains("AArch64"), "{head}");
    let needs = read(Command::new("readelf").args(["--wide", "--version-info"]).arg(&built));
    let versions = needs.split_whitespace().filter_map(|word| word.strip_prefix("GLIBC_"));
    let newest = versions
        .filter_map(GlibcVersion::parse)
        .max()
        .expect("it needs a glibc");
    assert_eq!(newest, FLOOR);
}

/// One file out of a tar file.
fn member(archive: &Path, name: &str, into: &Path) {
    read(
        Command::new("tar")
            .arg("-xf")
            .arg(archive)
            .arg("-C")
            .arg(into)
            .arg(name),
    );
}

fn digest(path: &Path) -> String {
    Sha256Hex::of(&std::fs::read(path).expect("it can be read")).to_string()
}

#[test]
fn the_agents_image_has_the_digests_that_it_names_and_the_agent_as_its_entrypoint() {
    artifacts();
    let agent = program("bedplate-agent");
    let folder = tempfile::tempdir().unwrap();
    let into = folder.path().join("artifacts");
    read(
        Command::new(repository().join("tests/tools/build"))
            .arg("--agent")
            .arg(&agent)
            .args(["--agent-version", "0.0.0-test", "--into"])
            .arg(&into),
    );
    let index = std::fs::read_to_string(into.join("index.yaml")).unwrap();
    let entries = index
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("- ")?).ok());
    let mut images = entries.filter(|entry| entry["name"] == "ghcr.io/bedplate/bedplate-agent:0.0.0-test");
    let image = images.next().expect("the index has the image");

    let archive = folder.path().join("image.tar");
    let packed = into.join(image["file"].as_str().expect("it has a file"));
    assert_eq!(digest(&packed), image["sha256"].as_str().expect("it has a hash"));
    read(
        Command::new("zstd")
            .args(["--quiet", "--decompress"])
            .arg(&packed)
            .arg("-o")
            .arg(&archive),
    );
    let unpacked = folder.path().join("image");
    std::fs::create_dir(&unpacked).unwrap();
    read(Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(&unpacked));
    let manifest: Value = serde_json::from_slice(&std::fs::read(unpacked.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest.as_array().map(Vec::len), Some(1), "one image");
    let manifest = &manifest[0];
    assert_eq!(manifest["RepoTags"][0], "ghcr.io/bedplate/bedplate-agent:0.0.0-test");

    let config_file = unpacked.join(manifest["Config"].as_str().unwrap());
    assert_eq!(
        format!("sha256:{}", digest(&config_file)),
        image["config_digest"].as_str().unwrap()
    );
    let config: Value = serde_json::from_slice(&std::fs::read(config_file).unwrap()).unwrap();
    assert_eq!(config["config"]["Entrypoint"], serde_json::json!(["/bedplate-agent"]));
    assert_eq!(
        (&config["os"], &config["architecture"]),
        (&"linux".into(), &"amd64".into())
    );
    let layers = manifest["Layers"].as_array().expect("it has layers");
    let named = config["rootfs"]["diff_ids"]
        .as_array()
        .expect("the layers have digests");
    assert_eq!((layers.len(), named.len()), (1, 1));
    let layer = unpacked.join(layers[0].as_str().unwrap());
    assert_eq!(named[0], format!("sha256:{}", digest(&layer)));

    member(&layer, "bedplate-agent", folder.path());
    assert_eq!(
        digest(&folder.path().join("bedplate-agent")),
        digest(&agent),
        "another program"
    );
}
