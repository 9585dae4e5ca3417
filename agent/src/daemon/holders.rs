//! Who holds the GPUs at the moment at which something about one of them begins to hold. Asks the kubelet once for each question,
//! within a deadline, and holds nobody up. Called by [`super::run`] only.

use super::observer::Report;
use crate::pods;
use std::path::Path;
use std::sync::mpsc::SyncSender;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;

/// How long the kubelet has for its answer. Events wait for it a little longer, conditions not at all.
pub(super) const DEADLINE: Duration = Duration::from_secs(1);
/// No second question sooner: a storm of faults is no storm of questions.
const REST: Duration = Duration::from_secs(1);

/// Until nobody asks any more.
pub(super) async fn answer(mut questions: Receiver<()>, socket: &Path, reports: &SyncSender<Report>) {
    while questions.recv().await.is_some() {
        let answer = pods::list(socket, DEADLINE).await.map_err(|error| error.to_string());
        // Whoever asked does not wait for ever, so an answer that finds the mailbox full may be lost.
        let _ = reports.try_send(Report::Holders(answer));
        tokio::time::sleep(REST).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[tokio::test]
    async fn a_kubelet_that_is_not_there_is_an_answer_too() {
        let (asks, questions) = tokio::sync::mpsc::channel(1);
        let (reports, mailbox) = mpsc::sync_channel(1);
        asks.try_send(()).unwrap();
        drop(asks);
        answer(questions, Path::new("/nonexistent/kubelet.sock"), &reports).await;
        let Ok(Report::Holders(Err(why))) = mailbox.try_recv() else {
            panic!("no answer")
        };
        assert!(why.contains("/nonexistent/kubelet.sock"), "{why}");
    }
}
