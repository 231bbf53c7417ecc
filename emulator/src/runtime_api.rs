//! The runtime API: the four calls with which a function takes events and hands replies back (583/47274).

use std::{io, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{self, Request},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use tokio::net::TcpListener;

use crate::{
    exchange::{Exchange, Finished, Outcome},
    guard::Guard,
    http::{self, Unread},
    output::Log,
};

const READY: &str = "/runtime/init/ready";
const NEXT: &str = "/runtime/invocation/next";
const RESPONSE: &str = "/runtime/invocation/response";
const ERROR: &str = "/runtime/invocation/error";

/// The HTTP face of an [`Exchange`].
#[derive(Clone)]
pub(crate) struct RuntimeApi {
    pub(crate) exchange: Exchange,
    pub(crate) log: Arc<Log>,
}

impl RuntimeApi {
    /// Serves the function's side for ever.
    pub(crate) async fn serve(self, listener: TcpListener) -> io::Result<()> {
        http::serve(listener, Router::new().fallback(answer).with_state(self)).await
    }

    /// One call of the function's.
    async fn answer(&self, request: Request) -> Result<Response, Refusal> {
        let (head, body) = request.into_parts();
        Guard::default()
            .check(&head)
            .map_err(|sentence| Refusal(StatusCode::FORBIDDEN, sentence))?;
        // A link that is followed would take the function's event. Programs do not say where a request comes from.
        if head.headers.contains_key("sec-fetch-site") {
            return Err(Refusal(StatusCode::FORBIDDEN, "a browser is not the function".to_owned()));
        }
        match (&head.method, head.uri.path()) {
            (&Method::POST, READY) => self.take_ready(body).await,
            (&Method::GET, NEXT) => Ok(self.next().await),
            (&Method::POST, RESPONSE) => self.take_response(body).await,
            (&Method::POST, ERROR) => self.take_error(body).await,
            (method, path @ (READY | RESPONSE | ERROR)) => Err(wrong_method(method, path, "POST")),
            (method, path @ NEXT) => Err(wrong_method(method, path, "GET")),
            (method, path) => Err(Refusal(
                StatusCode::NOT_FOUND,
                format!(
                    "{method} {path}: the runtime API has POST {READY}, GET {NEXT}, POST {RESPONSE} and POST {ERROR}, \
                     and nothing else (583/47274)"
                ),
            )),
        }
    }

    async fn take_ready(&self, body: Body) -> Result<Response, Refusal> {
        let body = read(body, READY).await?;
        if body.is_empty() {
            return Err(Refusal(
                StatusCode::BAD_REQUEST,
                format!(
                    "POST {READY} with an empty body: the platform has been seen to refuse it; send a space"
                ),
            ));
        }
        if !self.exchange.say_ready() {
            self.log.say(format!("POST {READY} again: only the first one counts"));
        }
        Ok(StatusCode::OK.into_response())
    }

    /// Waits for an event, for as long as it takes.
    async fn next(&self) -> Response {
        if self.exchange.asks_early() {
            self.log.say(format!(
                "GET {NEXT} before POST {READY}: no event comes before the function is ready"
            ));
        }
        self.exchange.next().await.into_response()
    }

    async fn take_response(&self, body: Body) -> Result<Response, Refusal> {
        match http::read(body).await {
            Ok(reply) => self.finish(RESPONSE, Outcome::Response(reply)),
            Err(Unread::Broken) => Err(broken(RESPONSE)),
            Err(Unread::TooLarge) => {
                self.finish(RESPONSE, Outcome::ResponseTooLarge)?;
                Err(too_large(RESPONSE))
            }
        }
    }

    async fn take_error(&self, body: Body) -> Result<Response, Refusal> {
        let report = read(body, ERROR).await?;
        self.finish(ERROR, Outcome::Error(report))
    }

    fn finish(&self, path: &str, outcome: Outcome) -> Result<Response, Refusal> {
        match self.exchange.finish(outcome) {
            Finished::InTime => {}
            Finished::Before => self.log.say(format!(
                "POST {path}: the invocation was finished before, so this has no effect"
            )),
            Finished::NothingFetched => {
                return Err(Refusal(
                    StatusCode::BAD_REQUEST,
                    format!("POST {path} without an event: GET {NEXT} comes first"),
                ));
            }
        }
        Ok(StatusCode::OK.into_response())
    }
}

/// A call that the platform's documents do not allow, and the sentence that says so.
struct Refusal(StatusCode, String);

async fn answer(extract::State(api): extract::State<RuntimeApi>, request: Request) -> Response {
    let Refusal(status, sentence) = match api.answer(request).await {
        Ok(response) => return response,
        Err(refusal) => refusal,
    };
    api.log.say(format!("refused with {status}: {sentence}"));
    (status, sentence + "\n").into_response()
}

async fn read(body: Body, path: &str) -> Result<Bytes, Refusal> {
    http::read(body).await.map_err(|unread| match unread {
        Unread::TooLarge => too_large(path),
        Unread::Broken => broken(path),
    })
}

fn too_large(path: &str) -> Refusal {
    Refusal(StatusCode::PAYLOAD_TOO_LARGE, format!("POST {path} with more than 6 MB (583/11637)"))
}

fn broken(path: &str) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, format!("POST {path} broke off before its end"))
}

fn wrong_method(method: &Method, path: &str, right: &str) -> Refusal {
    Refusal(StatusCode::METHOD_NOT_ALLOWED, format!("{method} {path}: the call is {right} {path}"))
}

/// The headers of an event (583/47274). The API is plain HTTP, and so is its content: JSON.
pub(crate) fn event_head(request_id: &str, memory_mb: u32, time_limit_ms: u128) -> HeaderMap {
    let text =
        |text: &str| HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""));
    HeaderMap::from_iter([
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::HeaderName::from_static("request_id"), text(request_id)),
        (header::HeaderName::from_static("memory_limit_in_mb"), HeaderValue::from(memory_mb)),
        (header::HeaderName::from_static("time_limit_in_ms"), text(&time_limit_ms.to_string())),
    ])
}
