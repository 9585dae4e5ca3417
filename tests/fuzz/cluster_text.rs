//! What holds of every text that is given as a cluster file. Called by the fuzz target and by the tests of the configuration, on the
//! same terms.

use bedplate::config::{self, Surroundings};
use bedplate::preflight;
use bedplate_protocol::Severity;
use std::path::Path;

const FILE: &str = "c.yaml";

/// Panics where it does not hold: a text either is a cluster with one control plane and tells nothing graver than a warning, or it says
/// what is wrong with it, each mistake with its place in the text and its cure. The same text says the same again.
pub(crate) fn holds(text: &str) {
    let codes = preflight::codes();
    let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
    let around = Surroundings {
        home: Path::new("/home/anna"),
        folder: Path::new("/site"),
        sections: bedplate_substrates::SECTIONS,
        codes: &codes,
    };
    let parsed = config::parse(FILE, text, &around);
    let findings = match &parsed {
        Ok(parsed) => {
            assert!(parsed.spec.control_plane().is_some(), "a cluster without control plane");
            assert!(!parsed.spec.name.is_empty(), "a cluster without name");
            assert!(
                parsed
                    .warnings
                    .iter()
                    .all(|warning| warning.severity != Severity::Error)
            );
            &parsed.warnings
        }
        Err(mistakes) => {
            let errors = mistakes
                .findings
                .iter()
                .filter(|finding| finding.severity == Severity::Error);
            assert!(errors.count() > 0, "refused without a reason");
            &mistakes.findings
        }
    };
    // A carriage return ends a line of YAML too (YAML 1.2.2, section 5.4). A mistake may be behind the last line: what is missing is.
    let lines = text.split(['\n', '\r']).count() + 1;
    for finding in findings {
        let mut place = finding.subject.split(':');
        assert_eq!(place.next(), Some(FILE), "{}", finding.subject);
        let mut number = || {
            place
                .next()
                .and_then(|number| number.parse::<usize>().ok())
                .unwrap_or(0)
        };
        let (line, column) = (number(), number());
        assert!(
            (1..=lines).contains(&line) && column >= 1,
            "{} of {lines} lines",
            finding.subject
        );
        assert!(
            !finding.message.is_empty() && !finding.remedy.is_empty(),
            "{}",
            finding.subject
        );
    }
    assert_eq!(
        config::parse(FILE, text, &around),
        parsed,
        "the same text says something else"
    );
}
