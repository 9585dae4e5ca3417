//! The clock and whether a time service keeps it. Called by [`crate::host`] only; never sets the clock.

use super::Tree;
use bedplate_protocol::facts::{ServiceFacts, TimeFacts};
use jiff::Timestamp;

/// Units of time services that make no file of their own when the clock is set.
pub(super) const UNITS: &[&str] = &[
    "chrony.service",
    "chronyd.service",
    "ntp.service",
    "ntpd.service",
    "ntpsec.service",
    "ptp4l.service",
];

/// Now, and whether the clock is kept. systemd-timesyncd makes its file once the clock is set (systemd-timesyncd.service(8)).
pub(super) fn read(tree: &Tree, services: &[ServiceFacts]) -> TimeFacts {
    let kept = services
        .iter()
        .any(|unit| UNITS.contains(&unit.name.as_str()) && unit.active_state == "active");
    let synchronized = if tree.exists("run/systemd/timesync/synchronized") || kept {
        Some(true)
    } else if services.is_empty() && !tree.exists("run/systemd") {
        // Nobody could say which services run.
        None
    } else {
        Some(false)
    };
    TimeFacts {
        now: Timestamp::now(),
        nvml_asked: None,
        synchronized,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(name: &str, active_state: &str) -> ServiceFacts {
        ServiceFacts {
            name: name.into(),
            active_state: active_state.into(),
            enabled_state: "enabled".into(),
        }
    }

    #[test]
    fn a_time_service_keeps_the_clock_only_while_it_is_active() {
        let root = tempfile::tempdir().unwrap();
        let tree = Tree::new(root.path());
        assert_eq!(
            read(&tree, &[unit("chrony.service", "active")]).synchronized,
            Some(true)
        );
        assert_eq!(
            read(&tree, &[unit("chrony.service", "failed")]).synchronized,
            Some(false)
        );
        assert_eq!(read(&tree, &[]).synchronized, None);
    }
}
