//! Check 10: kernel module and library have one version. NVML refuses to start otherwise ("Driver/library version
//! mismatch", `NVML_ERROR_LIB_RM_VERSION_MISMATCH`), as happens when packages were updated and the machine was not rebooted.

use bedplate_protocol::{Finding, NodeFacts, Severity};

pub(super) fn check(node: &str, facts: &NodeFacts) -> Option<Finding> {
    let module = facts.nvidia.module_version.as_deref()?;
    let Some(library) = facts.nvidia.library_version.as_deref() else {
        return facts.nvidia.library_path.is_none().then(|| {
            Finding::new(
                Severity::Error,
                "driver-library-missing",
                node,
                format!("the NVIDIA kernel module {module} is loaded and libnvidia-ml.so.1 is not installed"),
                "Install the user-space part of the same version; with NVIDIA's packages: \
                 apt-get install --yes nvidia-driver-cuda",
            )
        });
    };
    (module != library).then(|| {
        Finding::new(
            Severity::Error,
            "driver-library-mismatch",
            node,
            format!("the loaded NVIDIA kernel module is {module}, the installed library {library}"),
            "reboot; if they still differ: dkms autoinstall, then reboot",
        )
        .with_evidence(format!("/sys/module/nvidia/version: {module}"))
        .with_evidence(format!(
            "{}: {library}",
            facts.nvidia.library_path.as_deref().unwrap_or("libnvidia-ml.so.1")
        ))
    })
}
