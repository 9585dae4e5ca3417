use super::*;

#[test]
fn every_row_says_what_it_means_for_whom_and_where_it_was_read() {
    for row in rows() {
        assert!(
            !row.name.is_empty() && !row.meaning.is_empty() && !row.applies.is_empty(),
            "{}",
            row.number
        );
        assert!(row.source.url.starts_with("https://docs.nvidia.com/"), "{}", row.number);
        assert_eq!(row.source.read.len(), "2026-11-21".len(), "{}", row.number);
        assert_eq!(self::row(row.number).map(|found| found.name), Some(row.name));
    }
    assert_eq!(row(61), None);
    assert_eq!(row(100_000), None);
}

#[test]
fn severity_follows_from_the_bucket() {
    for row in rows() {
        let right = match row.immediate {
            Some(Bucket::RestartApp) => row.severity == Severity::App,
            // 156: what is retired takes effect with the reset; until then the GPU is usable.
            Some(Bucket::ResetGpu) => row.severity == Severity::Fatal || row.number == 156,
            Some(Bucket::RestartBm | Bucket::RestartVm | Bucket::WorkflowXid48 | Bucket::WorkflowNvlinkErr) => {
                row.severity == Severity::Fatal
            }
            Some(_) => row.severity != Severity::Fatal,
            None => true,
        };
        assert!(right, "{row:?}");
    }
}

#[test]
fn nothing_fatal_is_left_without_something_to_do() {
    for row in rows().iter().filter(|row| row.severity == Severity::Fatal) {
        assert!(
            action(row.immediate, row.severity) >= Some(RecommendedAction::ResetGpu),
            "{row:?}"
        );
    }
    assert_eq!(action(Some(Bucket::Ignore), Severity::Info), None);
}
