//! Waiting for the cluster: bounded, and always saying for what and since when.

use super::{ClusterError, causes};
use std::time::{Duration, Instant};

/// How often a condition is asked again. The API server answers a read in about a millisecond; a tenth of a second between
/// reads keeps a wait's overhead below what a person notices.
const BETWEEN_READS: Duration = Duration::from_millis(100);

/// What a look at the cluster gave.
pub enum Seen<T> {
    /// The condition holds.
    Yes(T),
    /// Not yet: what there is instead.
    NotYet(String),
}

/// Looks again and again until the condition holds or `limit` has passed. API errors count as "not yet": the API of a young
/// cluster comes and goes. `tell` hears what is waited for, what was last seen and for how long, about once a second.
pub async fn until<T, F, L>(
    what: &str,
    limit: Duration,
    tell: &(dyn Fn(String) + Send + Sync),
    mut look: L,
) -> Result<T, ClusterError>
where
    F: Future<Output = Result<Seen<T>, kube::Error>>,
    L: FnMut() -> F,
{
    let begun = Instant::now();
    let mut told = Instant::now();
    loop {
        let last = match look().await {
            Ok(Seen::Yes(value)) => return Ok(value),
            Ok(Seen::NotYet(last)) => last,
            Err(e) => causes(&e).join(": "),
        };
        if begun.elapsed() >= limit {
            return Err(ClusterError::TimedOut {
                what: what.to_owned(),
                seconds: limit.as_secs(),
                last,
            });
        }
        if told.elapsed() >= Duration::from_secs(1) {
            tell(format!(
                "waiting for {what} since {} s: {last}",
                begun.elapsed().as_secs()
            ));
            told = Instant::now();
        }
        tokio::time::sleep(BETWEEN_READS).await;
    }
}
