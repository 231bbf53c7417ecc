//! The runtime API: the four calls with which a function takes events and hands replies back (583/47274).

use std::{io, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{self, Request},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use tokio::{net::TcpListener, sync::watch};

use crate::{
    guard::Guard,
    http::{self, Unread},
    output::Log,
};

const READY: &str = "/runtime/init/ready";
const NEXT: &str = "/runtime/invocation/next";
const RESPONSE: &str = "/runtime/invocation/response";
const ERROR: &str = "/runtime/invocation/error";

/// How the function finished an invocation.
#[derive(Clone)]
pub(crate) enum Outcome {
    Response(Bytes),
    ResponseTooLarge,
    Error(Bytes),
}

/// What the platform and the present instance have said to each other.
#[derive(Default)]
struct Talk {
    ready: bool,
    /// The instance wants an event, though it is not ready.
    asked_early: bool,
    invocation: Option<Running>,
    /// An earlier invocation of this instance is finished, so that one more reply may be a late one.
    finished_before: bool,
}

/// An invocation that waits for its reply. Once the reply is there, the platform takes the whole.
struct Running {
    event: Bytes,
    head: HeaderMap,
    fetched: bool,
    outcome: Option<Outcome>,
}

impl Running {
    fn is_open(&self) -> bool {
        self.outcome.is_none()
    }
}

/// Both ends of the runtime API: the platform calls the methods, the function the HTTP server.
#[derive(Clone)]
pub(crate) struct RuntimeApi {
    talk: Arc<watch::Sender<Talk>>,
    log: Arc<Log>,
}

impl RuntimeApi {
    pub(crate) fn new(log: Arc<Log>) -> Self {
        Self { talk: Arc::new(watch::Sender::new(Talk::default())), log }
    }

    /// A new instance begins.
    pub(crate) fn reset(&self) {
        self.talk.send_replace(Talk::default());
    }

    /// Waits until the instance has said that it is ready.
    pub(crate) async fn ready(&self) {
        self.until(|talk| talk.ready).await;
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.talk.borrow().ready
    }

    /// Whether the instance asked for an event before it was ready.
    pub(crate) fn asked_early(&self) -> bool {
        self.talk.borrow().asked_early
    }

    /// Lays out an event for the next `next`.
    pub(crate) fn deliver(&self, event: Bytes, head: HeaderMap) {
        self.talk.send_modify(|talk| {
            talk.invocation = Some(Running { event, head, fetched: false, outcome: None });
        });
    }

    /// Waits for the reply to the event that was laid out.
    pub(crate) async fn outcome(&self) -> Outcome {
        loop {
            self.until(|talk| talk.invocation.as_ref().is_some_and(|running| !running.is_open())).await;
            if let Some(Running { outcome: Some(outcome), .. }) = self.conclude() {
                return outcome;
            }
        }
    }

    /// Takes the invocation off the table; what the function still says about it has no effect. Tells whether the
    /// function had fetched the event.
    pub(crate) fn abandon(&self) -> bool {
        self.conclude().is_some_and(|running| running.fetched)
    }

    fn conclude(&self) -> Option<Running> {
        let mut taken = None;
        self.talk.send_modify(|talk| {
            taken = talk.invocation.take();
            talk.finished_before |= taken.as_ref().is_some_and(|running| running.fetched);
        });
        taken
    }

    async fn until(&self, reached: impl FnMut(&Talk) -> bool) {
        // An error would mean that the sender is gone, and it is a part of `self`.
        let _ = self.talk.subscribe().wait_for(reached).await;
    }

    /// Serves the function's side for ever.
    pub(crate) async fn serve(self, listener: TcpListener) -> io::Result<()> {
        http::serve(listener, Router::new().fallback(answer).with_state(self)).await
    }

    /// One call of the function's.
    async fn answer(&self, request: Request) -> Result<Response, Refusal> {
        let (head, body) = request.into_parts();
        Guard::default().check(&head.headers).map_err(|sentence| Refusal(StatusCode::FORBIDDEN, sentence))?;
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
        if self.is_ready() {
            self.log.say(format!("POST {READY} again: only the first one counts"));
        }
        self.talk.send_modify(|talk| talk.ready = true);
        Ok(StatusCode::OK.into_response())
    }

    /// Waits for an event, for as long as it takes. The event stays on the table: who asks again before answering
    /// gets it again.
    async fn next(&self) -> Response {
        if !self.is_ready() {
            self.log
                .say(format!("GET {NEXT} before POST {READY}: no event comes before the function is ready"));
            self.talk.send_modify(|talk| talk.asked_early = true);
        }
        loop {
            self.until(|talk| talk.invocation.as_ref().is_some_and(Running::is_open)).await;
            let mut event = None;
            self.talk.send_modify(|talk| {
                if let Some(running) = talk.invocation.as_mut().filter(|running| running.is_open()) {
                    running.fetched = true;
                    event = Some((running.head.clone(), running.event.clone()));
                }
            });
            if let Some(event) = event {
                return event.into_response();
            }
        }
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

    /// The first reply that arrives decides; further ones for the same invocation have no effect.
    fn finish(&self, path: &str, outcome: Outcome) -> Result<Response, Refusal> {
        let mut open = false;
        let mut late = false;
        self.talk.send_modify(|talk| {
            let fetched = talk.invocation.as_mut().filter(|running| running.fetched);
            late = talk.finished_before || fetched.is_some();
            if let Some(running) = fetched.filter(|running| running.is_open()) {
                running.outcome = Some(outcome);
                open = true;
            }
        });
        match (open, late) {
            (true, _) => {}
            (false, true) => {
                self.log
                    .say(format!("POST {path}: the invocation was finished before, so this has no effect"));
            }
            (false, false) => {
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
    let text = |text: &str| HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""));
    HeaderMap::from_iter([
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::HeaderName::from_static("request_id"), text(request_id)),
        (header::HeaderName::from_static("memory_limit_in_mb"), HeaderValue::from(memory_mb)),
        (header::HeaderName::from_static("time_limit_in_ms"), text(&time_limit_ms.to_string())),
    ])
}
