//! From a request to its answer. Called by [`super::listener`]; the loop that feeds it is [`watch_turns`].

use super::exposition::Format;
use super::{metrics, token};
use crate::daemon::State;
use crate::pods::{self, Attribution};
use crate::publish::Published;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, watch};

/// How long a scrape waits for the kubelet: well within Prometheus' 10 s.
const KUBELET: Duration = Duration::from_secs(2);
/// How long the kubelet's answer serves scrapes that come together, so that many scrapers do not become many questions.
const TOGETHER: Duration = Duration::from_secs(1);
/// The daemon's loop is alive while it turned within this many of its intervals.
const INTERVALS: u64 = 3;

type Answer = Response<Full<Bytes>>;

/// What all requests look at.
pub(super) struct Shared {
    states: watch::Receiver<Arc<State>>,
    /// How publishing stands; none without a cluster.
    published: Option<watch::Receiver<Published>>,
    token_file: Option<PathBuf>,
    kubelet: PathBuf,
    /// The kubelet's newest answer and when it came; none says that it did not answer.
    attribution: Mutex<Option<(Instant, Option<Attribution>)>>,
    since: Instant,
    /// Milliseconds from `since` to the daemon's last turn, by the monotonic clock: the wall clock may jump.
    turned: AtomicU64,
}

impl Shared {
    /// Nothing asked, no turn seen but the one that made the state at hand.
    pub(super) fn new(
        states: watch::Receiver<Arc<State>>,
        published: Option<watch::Receiver<Published>>,
        token_file: Option<PathBuf>,
        kubelet: PathBuf,
    ) -> Self {
        Self {
            states,
            published,
            token_file,
            kubelet,
            attribution: Mutex::new(None),
            since: Instant::now(),
            turned: AtomicU64::new(0),
        }
    }

    fn state(&self) -> Arc<State> {
        Arc::clone(&self.states.borrow())
    }

    /// How long ago the daemon's loop turned.
    fn idle(&self) -> Duration {
        let turned = Duration::from_millis(self.turned.load(Ordering::Relaxed));
        self.since.elapsed().saturating_sub(turned)
    }

    /// Who holds which GPU, at most [`TOGETHER`] ago; none when the kubelet does not say.
    async fn attribution(&self) -> Option<Attribution> {
        let mut kept = self.attribution.lock().await;
        if let Some((at, said)) = kept.as_ref()
            && at.elapsed() < TOGETHER
        {
            return said.clone();
        }
        let before = kept.as_ref().map(|(_, said)| said.is_some());
        let said = match pods::list(&self.kubelet, KUBELET).await {
            Ok(said) => {
                if before == Some(false) {
                    tracing::info!("kubelet says again which pods hold which GPUs");
                }
                Some(said)
            }
            Err(error) => {
                // Once, not at every scrape.
                if before != Some(false) {
                    tracing::warn!(%error, "which pods hold which GPUs is not known");
                }
                None
            }
        };
        *kept = Some((Instant::now(), said.clone()));
        said
    }
}

/// Notes each turn of the daemon's loop; ends when the daemon does.
pub(super) async fn watch_turns(shared: &Shared, mut states: watch::Receiver<Arc<State>>) {
    while states.changed().await.is_ok() {
        let turned = u64::try_from(shared.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        shared.turned.store(turned, Ordering::Relaxed);
    }
}

/// Answers one request.
pub(super) async fn answer(request: &Request<Incoming>, shared: &Shared) -> Answer {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        refused
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match request.uri().path() {
        // Whoever starts the agent asks these two and can hold no token; they say nothing of the node.
        "/livez" => livez(shared),
        "/readyz" => readyz(shared),
        path @ ("/metrics" | "/v1/state") => match refused(request, shared) {
            Some(refused) => refused,
            None if path == "/metrics" => scrape(request, shared).await,
            None => state(shared),
        },
        _ => text(
            StatusCode::NOT_FOUND,
            "here are /metrics, /livez, /readyz and /v1/state\n",
        ),
    }
}

/// Why a request without the token is not answered.
fn refused(request: &Request<Incoming>, shared: &Shared) -> Option<Answer> {
    let path = shared.token_file.as_deref()?;
    let token = match token::read(path) {
        Ok(token) => token,
        Err(error) => {
            tracing::warn!(%error, "requests are refused");
            return Some(text(
                StatusCode::SERVICE_UNAVAILABLE,
                "the token file cannot be used; see the agent's log\n",
            ));
        }
    };
    let shown = request.headers().get(AUTHORIZATION);
    if shown.is_some_and(|shown| token::shown(shown.as_bytes(), &token)) {
        return None;
    }
    let mut refused = text(
        StatusCode::UNAUTHORIZED,
        "send Authorization: Bearer and the agent's token\n",
    );
    refused
        .headers_mut()
        .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    Some(refused)
}

async fn scrape(request: &Request<Incoming>, shared: &Shared) -> Answer {
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
    let format = Format::accepted(accept.unwrap_or_default());
    let attribution = shared.attribution().await;
    // After the kubelet had its say, so that the ages are those of the moment.
    let published = shared.published.as_ref().map(|published| published.borrow().clone());
    let written = metrics::text(
        &shared.state(),
        attribution.as_ref(),
        published.as_ref(),
        Timestamp::now(),
        format,
    );
    body(StatusCode::OK, format.content_type(), written)
}

fn state(shared: &Shared) -> Answer {
    match serde_json::to_vec(&*shared.state()) {
        Ok(json) => body(StatusCode::OK, "application/json", json),
        Err(error) => {
            tracing::error!(%error, "the state is no JSON");
            text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the state could not be written; see the agent's log\n",
            )
        }
    }
}

fn livez(shared: &Shared) -> Answer {
    let idle = shared.idle();
    let interval = shared.state().interval_seconds;
    let said = format!(
        "the daemon's loop turned {:.1} s ago; its interval is {interval} s\n",
        idle.as_secs_f32()
    );
    let alive = idle <= Duration::from_secs(interval.saturating_mul(INTERVALS));
    text(
        if alive {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        },
        said,
    )
}

fn readyz(shared: &Shared) -> Answer {
    match shared.state().last_pass {
        Some(at) => text(StatusCode::OK, format!("the last pass ended at {at}\n")),
        None => text(StatusCode::SERVICE_UNAVAILABLE, "no pass has ended yet\n"),
    }
}

fn text(status: StatusCode, said: impl Into<Bytes>) -> Answer {
    body(status, "text/plain; charset=utf-8", said)
}

fn body(status: StatusCode, content_type: &'static str, said: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(said.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
