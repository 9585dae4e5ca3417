//! What holds of every text that is given as a scenario. Called by the fuzz target and by the property tests, on the same terms.

use std::path::Path;

use nvidia_ml::Scenario;

/// Panics where it does not hold: a text either names its mistake and the file that it is in, or reads as a scenario that is written and
/// read back the same.
pub(crate) fn holds(text: &str) {
    let path = Path::new("scenario-under-test.yaml");
    match Scenario::parse(text, path) {
        Err(error) => {
            let words = error.to_string();
            assert!(words.starts_with("scenario-under-test.yaml:"), "{words}");
            assert!(words.len() > "scenario-under-test.yaml: ".len(), "{words}");
        }
        Ok(scenario) => {
            let written = scenario.to_yaml(path).unwrap_or_else(|error| panic!("{error}"));
            let again = Scenario::parse(&written, path).unwrap_or_else(|error| panic!("{error}\n{written}"));
            assert_eq!(again, scenario, "{written}");
        }
    }
}
