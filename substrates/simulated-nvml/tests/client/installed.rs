//! The shared library installed as NVIDIA's driver installs its own, with a scenario beside it.

use std::path::PathBuf;

use nvidia_ml::Scenario;
use nvidia_ml::profiles::ProfileName;
use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;

pub(crate) const VERSION: &str = "580.95.05";

/// A driver's library directory with a scenario.
pub(crate) struct Installed {
    pub(crate) directory: tempfile::TempDir,
}

impl Installed {
    pub(crate) fn with(scenario: &Scenario) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(format!("libnvidia-ml.so.{VERSION}"));
        std::fs::copy(built(), &file).unwrap();
        std::os::unix::fs::symlink(&file, directory.path().join("libnvidia-ml.so.1")).unwrap();
        let installed = Self { directory };
        installed.set(scenario);
        installed
    }

    pub(crate) fn set(&self, scenario: &Scenario) {
        scenario
            .write(
                &self
                    .directory
                    .path()
                    .join(format!("libnvidia-ml-scenario.so.{VERSION}")),
            )
            .unwrap();
    }

    pub(crate) fn library(&self) -> PathBuf {
        self.directory.path().join("libnvidia-ml.so.1")
    }

    pub(crate) fn init(&self) -> Result<Nvml, NvmlError> {
        Nvml::builder().lib_path(self.library().as_os_str()).init()
    }
}

/// The shared library that cargo built for this package, beside the test binary.
pub(crate) fn built() -> PathBuf {
    let directory = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    [directory.join("libnvidia_ml.so"), directory.join("../libnvidia_ml.so")]
        .into_iter()
        .find(|path| path.exists())
        .expect("cargo builds the cdylib with its tests")
}

pub(crate) fn two_h100() -> Scenario {
    Scenario::for_host("gpu-1", VERSION, "13.0", &[(ProfileName::H100, 2)])
}
