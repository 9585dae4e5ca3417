//! The table of codes, and the page that is made from it.

use crate::checks::codes::ALL;
use bedplate_protocol::Severity;
use std::fmt::Write as _;
use std::path::Path;

#[test]
fn every_code_is_stable_kebab_case_listed_once_and_every_fault_has_an_action() {
    for (place, code) in ALL.iter().enumerate() {
        let kebab = code
            .name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        assert!(
            kebab && !code.name.starts_with('-') && !code.name.ends_with('-'),
            "{}",
            code.name
        );
        assert!(
            ALL[..place].iter().all(|other| other.name != code.name),
            "{} is listed twice",
            code.name
        );
        assert!(code.meaning.ends_with('.'), "{}", code.name);
        let fault = code.severity == Severity::Error && !code.unread;
        assert!(!fault || code.action.is_some(), "{} recommends nothing", code.name);
        assert!(
            !code.unread || code.action.is_none(),
            "{} recommends without knowing",
            code.name
        );
    }
}

/// The rest of the page is the installer's and has the same test there.
#[test]
fn the_page_of_findings_ends_with_every_code_of_the_checks() {
    let mut section = String::from(
        "## GPUs and nodes\n\nWhat `bedplate-agent check` says, by `BEDPLATE_BLESS=1 cargo test -p bedplate-agent the_page_of_findings`. An error \
         that is *unread* says that something could not be read; it makes the verdict unknown and recommends nothing.\n\n\
         | code | severity | what should be done | what it says |\n|---|---|---|---|\n",
    );
    for code in ALL {
        let unread = if code.unread { ", unread" } else { "" };
        let action = code.action.map_or_else(|| "–".to_owned(), |action| action.to_string());
        let _ = writeln!(
            section,
            "| `{}` | {}{unread} | {action} | {} |",
            code.name, code.severity, code.meaning
        );
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/findings.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let begin = page.find("## GPUs and nodes").unwrap_or(page.len());
    if std::env::var_os("BEDPLATE_BLESS").is_some() {
        std::fs::write(&path, format!("{}\n\n{section}", page[..begin].trim_end())).unwrap();
        return;
    }
    assert_eq!(page[begin..], section);
}
