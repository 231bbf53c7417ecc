//! The runtime API, through which a function fetches events and posts replies:
//! <https://cloud.tencent.com/document/product/583/47274>.

use std::{io, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{self, Request},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use tokio::net::TcpListener;

use crate::{
    guard::Guard,
    http::{self, BodyError},
    log::Log,
    state::{InstanceState, Outcome, Posted},
};

const READY: &str = "/runtime/init/ready";
const NEXT: &str = "/runtime/invocation/next";
const RESPONSE: &str = "/runtime/invocation/response";
const ERROR: &str = "/runtime/invocation/error";

/// The HTTP server of the runtime API.
#[derive(Clone)]
pub(crate) struct RuntimeApi {
    pub(crate) state: InstanceState,
    pub(crate) log: Arc<Log>,
}

impl RuntimeApi {
    /// Serves the function forever.
    pub(crate) async fn serve(self, listener: TcpListener) -> io::Result<()> {
        http::serve(listener, Router::new().fallback(respond).with_state(self)).await
    }

    /// Handles one call.
    async fn call(&self, request: Request) -> Result<Response, Rejection> {
        let (head, body) = request.into_parts();
        Guard::default().check(&head).map_err(|error| Rejection(StatusCode::FORBIDDEN, error))?;
        // A navigation passes the guard, but would fetch the function's event. Only browsers send
        // this header.
        if head.headers.contains_key("sec-fetch-site") {
            let error = "request of a browser is not allowed".to_owned();
            return Err(Rejection(StatusCode::FORBIDDEN, error));
        }
        match (&head.method, head.uri.path()) {
            (&Method::POST, READY) => self.ready(body).await,
            (&Method::GET, NEXT) => Ok(self.next().await),
            (&Method::POST, RESPONSE) => self.response(body).await,
            (&Method::POST, ERROR) => self.error(body).await,
            (method, path @ (READY | RESPONSE | ERROR)) => Err(wrong_method(method, path, "POST")),
            (method, path @ NEXT) => Err(wrong_method(method, path, "GET")),
            (method, path) => Err(Rejection(
                StatusCode::NOT_FOUND,
                format!(
                    "{method} {path}: unknown call (use POST {READY}, GET {NEXT}, \
                     POST {RESPONSE} or POST {ERROR})"
                ),
            )),
        }
    }

    async fn ready(&self, body: Body) -> Result<Response, Rejection> {
        let body = read(body, READY).await?;
        if body.is_empty() {
            let error = format!("POST {READY}: empty body (send a space)");
            return Err(Rejection(StatusCode::BAD_REQUEST, error));
        }
        if !self.state.mark_ready() {
            self.log.platform(format!("POST {READY} ignored: the function is already ready"));
        }
        Ok(StatusCode::OK.into_response())
    }

    /// Waits for an event, without a timeout.
    async fn next(&self) -> Response {
        if !self.state.record_next() {
            self.log.platform(format!("GET {NEXT} before POST {READY}: no event until then"));
        }
        self.state.next().await.into_response()
    }

    async fn response(&self, body: Body) -> Result<Response, Rejection> {
        match http::read_body(body).await {
            Ok(reply) => self.post(RESPONSE, Outcome::Response(reply)),
            Err(BodyError::Incomplete) => Err(incomplete(RESPONSE)),
            Err(BodyError::TooLarge) => {
                self.post(RESPONSE, Outcome::ResponseTooLarge)?;
                Err(too_large(RESPONSE))
            }
        }
    }

    async fn error(&self, body: Body) -> Result<Response, Rejection> {
        let report = read(body, ERROR).await?;
        self.post(ERROR, Outcome::Error(report))
    }

    fn post(&self, path: &str, outcome: Outcome) -> Result<Response, Rejection> {
        match self.state.post(outcome) {
            Posted::Accepted => {}
            Posted::AlreadyFinished => self
                .log
                .platform(format!("POST {path} ignored: the invocation is already finished")),
            Posted::NotFetched => {
                let error = format!("POST {path} without an event (call GET {NEXT} first)");
                return Err(Rejection(StatusCode::BAD_REQUEST, error));
            }
        }
        Ok(StatusCode::OK.into_response())
    }
}

/// The error response for a call that the platform's documents do not allow.
struct Rejection(StatusCode, String);

async fn respond(extract::State(api): extract::State<RuntimeApi>, request: Request) -> Response {
    let Rejection(status, error) = match api.call(request).await {
        Ok(response) => return response,
        Err(rejection) => rejection,
    };
    api.log.platform(format!("rejected with {status}: {error}"));
    (status, error + "\n").into_response()
}

async fn read(body: Body, path: &str) -> Result<Bytes, Rejection> {
    http::read_body(body).await.map_err(|error| match error {
        BodyError::TooLarge => too_large(path),
        BodyError::Incomplete => incomplete(path),
    })
}

fn too_large(path: &str) -> Rejection {
    Rejection(StatusCode::PAYLOAD_TOO_LARGE, format!("POST {path}: body too large (maximum 6 MB)"))
}

fn incomplete(path: &str) -> Rejection {
    Rejection(StatusCode::BAD_REQUEST, format!("POST {path}: incomplete body"))
}

fn wrong_method(method: &Method, path: &str, allowed: &str) -> Rejection {
    let error = format!("{method} {path}: method not allowed (use {allowed} {path})");
    Rejection(StatusCode::METHOD_NOT_ALLOWED, error)
}

/// Returns the response headers of an event.
pub(crate) fn event_head(request_id: &str, memory_mb: u32, time_limit_ms: u128) -> HeaderMap {
    let text =
        |text: &str| HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""));
    HeaderMap::from_iter([
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (HeaderName::from_static("request_id"), text(request_id)),
        (HeaderName::from_static("memory_limit_in_mb"), HeaderValue::from(memory_mb)),
        (HeaderName::from_static("time_limit_in_ms"), text(&time_limit_ms.to_string())),
    ])
}
