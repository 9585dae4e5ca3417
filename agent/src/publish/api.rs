//! Requests to the API server: one at a time, each with a deadline and the newest token, and what their failures mean.
//!
//! Decides nothing about what is written and retries nothing. Called by the other files of [`super`].

use super::refusal::{ApiError, causes};
use super::token::Token;
use kube::core::Request;
use kube::core::params::{GetParams, Patch, PatchParams, PostParams};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// How long one request may take, connecting included.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);
/// Who we are in an object's `managedFields`.
const MANAGER: &str = "bedplate-agent";
/// Only an object's metadata comes back: a Node has tens of kilobytes of images (kubernetes.io/docs/reference/using-api/api-concepts,
/// "Metadata-only fetches", read 2026-11).
const METADATA_ONLY: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// The API server. A clone uses the same connections.
#[derive(Clone)]
pub(super) struct Api {
    client: kube::Client,
}

impl Api {
    /// Connects to nothing yet. The certificate authority's file is read again when it changes. Must be called on the runtime.
    pub(super) fn new(address: &str, ca: &Path) -> Result<Self, ApiError> {
        let unusable = |cause: String| ApiError::Configuration {
            ca: ca.to_owned(),
            cause,
        };
        let mut config = kube::Config::new(
            address
                .parse::<http::Uri>()
                .map_err(|error| unusable(format!("{address}: {error}")))?,
        );
        // Retries are ours: only we know what is still worth writing.
        config.default_retry = false;
        config.connect_timeout = Some(DEADLINE);
        config.root_cert_file = Some(ca.to_owned());
        // That file decides alone. Without a list here, be it an empty one, the system's authorities would be loaded and then not
        // asked; and a container, which has none, would get no client at all (`rustls_client_config` of kube-client 5.0.0).
        config.root_cert = Some(Vec::new());
        let client = kube::Client::try_from(config).map_err(|error| unusable(causes(&error)))?;
        Ok(Self { client })
    }

    /// An object.
    pub(super) async fn get(
        &self,
        token: &Token,
        what: &'static str,
        path: &str,
        name: &str,
    ) -> Result<Value, ApiError> {
        self.send(token, what, Request::new(path).get(name, &GetParams::default()))
            .await
    }

    /// A new object.
    pub(super) async fn create(
        &self,
        token: &Token,
        what: &'static str,
        path: &str,
        body: &Value,
    ) -> Result<Value, ApiError> {
        let request = Request::new(path).create(&posted(), body.to_string().into_bytes());
        self.send(token, what, request).await
    }

    /// A new object beneath another one.
    pub(super) async fn create_beneath(
        &self,
        token: &Token,
        what: &'static str,
        (path, name, subresource): (&str, &str, &str),
        body: &Value,
    ) -> Result<Value, ApiError> {
        let body = body.to_string().into_bytes();
        let request = Request::new(path).create_subresource(subresource, name, &PostParams::default(), body);
        self.send(token, what, request).await
    }

    /// An object in place of the one that has the same `resourceVersion`.
    pub(super) async fn replace(
        &self,
        token: &Token,
        what: &'static str,
        (path, name): (&str, &str),
        body: &Value,
    ) -> Result<Value, ApiError> {
        let request = Request::new(path).replace(name, &posted(), body.to_string().into_bytes());
        self.send(token, what, request).await
    }

    /// Conditions, merged into the others by their type. Answers with the object's metadata only.
    pub(super) async fn patch_status(
        &self,
        token: &Token,
        what: &'static str,
        name: &str,
        body: &Value,
    ) -> Result<Value, ApiError> {
        let parameters = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let request = Request::new(NODES).patch_subresource("status", name, &parameters, &Patch::Strategic(body));
        self.send(token, what, metadata_only(request)).await
    }

    /// Server-side apply. Somebody else's field is a [`ApiError::Conflict`], or is taken from them with `force`. Answers with
    /// metadata only.
    pub(super) async fn apply(
        &self,
        token: &Token,
        what: &'static str,
        (name, force): (&str, bool),
        body: &Value,
    ) -> Result<Value, ApiError> {
        let parameters = PatchParams {
            force,
            ..PatchParams::apply(MANAGER)
        };
        let request = Request::new(NODES).patch(name, &parameters, &Patch::Apply(body));
        self.send(token, what, metadata_only(request)).await
    }

    /// A JSON merge patch. Answers with metadata only.
    pub(super) async fn merge(
        &self,
        token: &Token,
        what: &'static str,
        (path, name): (&str, &str),
        body: &Value,
    ) -> Result<Value, ApiError> {
        let parameters = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let request = Request::new(path).patch(name, &parameters, &Patch::Merge(body));
        self.send(token, what, metadata_only(request)).await
    }

    async fn send<E>(
        &self,
        token: &Token,
        what: &'static str,
        request: Result<http::Request<Vec<u8>>, E>,
    ) -> Result<Value, ApiError> {
        let malformed = ApiError::Malformed { what };
        let Ok(mut request) = request else {
            return Err(malformed);
        };
        let Ok(mut bearer) = http::HeaderValue::from_str(&format!("Bearer {}", token.text.expose())) else {
            return Err(ApiError::Unauthorized { what });
        };
        // Out of every Debug and out of HTTP/2's compression tables.
        bearer.set_sensitive(true);
        request.headers_mut().insert(http::header::AUTHORIZATION, bearer);
        let answered = tokio::time::timeout(DEADLINE, self.client.request_text(request)).await;
        let text = answered
            .map_err(|_| ApiError::TimedOut { what })?
            .map_err(|error| ApiError::of(what, error))?;
        serde_json::from_str(&text).map_err(|_| malformed)
    }
}

/// Nodes.
pub(super) const NODES: &str = "/api/v1/nodes";

fn posted() -> PostParams {
    PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    }
}

fn metadata_only<E>(request: Result<http::Request<Vec<u8>>, E>) -> Result<http::Request<Vec<u8>>, E> {
    request.map(|mut request| {
        let accepted = http::HeaderValue::from_static(METADATA_ONLY);
        request.headers_mut().insert(http::header::ACCEPT, accepted);
        request
    })
}
