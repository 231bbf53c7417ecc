//! The runtime API, through which a function fetches events and posts replies:
//! <https://cloud.tencent.com/document/product/583/47274>.

use std::sync::Arc;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header,
    request::Parts,
};
use http_body_util::{BodyExt, Full};
use tokio::net::TcpListener;

use crate::{
    body::{self, BodyError, Reply, RequestBody},
    buffer::Buffer,
    control::Control,
    guard::Guard,
    log::Log,
    server,
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
    /// Serves the function until the platform stops.
    pub(crate) async fn serve(self, listener: TcpListener, control: Control) {
        let log = self.log.clone();
        let respond = move |request, _| {
            let api = self.clone();
            async move { api.respond(request).await }
        };
        server::serve(listener, log, control, respond).await;
    }

    async fn respond(&self, request: Request<RequestBody>) -> Reply {
        let Rejection(status, error) = match self.call(request).await {
            Ok(response) => return response,
            Err(rejection) => rejection,
        };
        self.log.platform(format!("rejected with {status}: {error}"));
        body::text(status, error + "\n")
    }

    /// Handles one call.
    async fn call(&self, request: Request<RequestBody>) -> Result<Reply, Rejection> {
        let (head, body) = request.into_parts();
        Guard::default().check(&head).map_err(|error| Rejection(StatusCode::FORBIDDEN, error))?;
        // A navigation passes the guard, but would fetch the function's event. Only browsers send
        // this header.
        if head.headers.contains_key("sec-fetch-site") {
            let error = "request of a browser is not allowed".to_owned();
            return Err(Rejection(StatusCode::FORBIDDEN, error));
        }
        if head.method == Method::POST && !has_length(&head) {
            let path = head.uri.path();
            let error = format!("POST {path}: missing Content-Length (send a body)");
            if path == READY {
                self.state.reject_ready(&error);
            }
            return Err(Rejection(StatusCode::LENGTH_REQUIRED, error));
        }
        match (&head.method, head.uri.path()) {
            (&Method::POST, READY) => self.ready(body).await,
            (&Method::GET, NEXT) => Ok(self.next().await),
            (&Method::POST, RESPONSE) => self.response(body).await,
            (&Method::POST, ERROR) => self.error(body).await,
            (method, path @ (READY | RESPONSE | ERROR)) => Err(wrong_method(method, path, "POST")),
            (method, path @ NEXT) => Err(wrong_method(method, path, "GET")),
            (method, path) => {
                let hint = match path.starts_with("/2018-06-01/") {
                    true => "that is the API of AWS Lambda; SCF has ",
                    false => "use ",
                };
                Err(Rejection(
                    StatusCode::NOT_FOUND,
                    format!(
                        "{method} {path}: unknown call ({hint}POST {READY}, GET {NEXT}, \
                         POST {RESPONSE} and POST {ERROR})"
                    ),
                ))
            }
        }
    }

    async fn ready(&self, body: RequestBody) -> Result<Reply, Rejection> {
        let body = read(body, READY).await?;
        match self.state.mark_ready() {
            false => {
                self.log.platform(format!("POST {READY} ignored: the function is already ready"));
            }
            true if body.is_empty() => {
                let warning = "accepted with an empty body; send a space to be safe";
                self.log.platform(format!("POST {READY} {warning}"));
            }
            true => {}
        }
        Ok(ok())
    }

    /// Waits for an event, without a timeout.
    async fn next(&self) -> Reply {
        if !self.state.record_next() {
            self.log.platform(format!("GET {NEXT} before POST {READY}: no event until then"));
        }
        let (head, event) = self.state.next().await;
        let mut response = Response::new(Full::new(event).map_err(Into::into).boxed_unsync());
        *response.headers_mut() = head;
        response
    }

    async fn response(&self, body: RequestBody) -> Result<Reply, Rejection> {
        match body.read().await {
            Ok(reply) => self.post(RESPONSE, Outcome::Response(reply.to_vec())),
            Err(BodyError::Incomplete) => Err(incomplete(RESPONSE)),
            Err(BodyError::TooLarge) => {
                self.post(RESPONSE, Outcome::ResponseTooLarge)?;
                Err(too_large(RESPONSE))
            }
        }
    }

    async fn error(&self, body: RequestBody) -> Result<Reply, Rejection> {
        let report = read(body, ERROR).await?;
        self.post(ERROR, Outcome::Error(report.to_vec()))
    }

    fn post(&self, path: &str, outcome: Outcome) -> Result<Reply, Rejection> {
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
        Ok(ok())
    }
}

/// The error response for a call that the platform's documents do not allow.
struct Rejection(StatusCode, String);

fn ok() -> Reply {
    body::full(StatusCode::OK, "")
}

/// Returns whether the request says how long its body is. A request without body may say 0.
fn has_length(head: &Parts) -> bool {
    [header::CONTENT_LENGTH, header::TRANSFER_ENCODING]
        .iter()
        .any(|name| head.headers.contains_key(name))
}

async fn read(body: RequestBody, path: &str) -> Result<Buffer, Rejection> {
    body.read().await.map_err(|error| match error {
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
