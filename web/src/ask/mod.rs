//! The question endpoint: reads the request and responds with the answer.

mod completion;
mod stream;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ask_core::access::{check_token, parse_address};
use ask_core::completion::{CompletionInfo, budget};
use ask_core::lang::Localized;
use ask_core::query::Query;
use ask_core::request::RequestContext;
use ask_core::response::Responder;
use ask_core::{Answer, AskRequest, Failure, Format, Settings};
use http::{HeaderMap, Request, Response, request};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout, timeout_at};

use crate::downstream::{ClientBody, ReplyBody, RequestInfo};
use crate::state::AppState;
use completion::{Completion, CompletionResult, PendingCompletion, complete};
use stream::{AnswerStream, KEEP_ALIVE_INTERVAL, Phase};

/// Maximum size of a request and of a response, in bytes: what the platform carries.
/// <https://cloud.tencent.com/document/product/583/11637>
const MAX_MESSAGE: usize = 6 << 20;

/// Maximum size of a request without a token, in bytes. A widget may ask for its history so. Larger
/// bodies of strangers would fill the memory.
const MAX_UNAUTHORIZED: usize = 64 << 10;

/// Read timeout between two chunks of a request body.
const BODY_READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Responds to a request to the question endpoint.
pub(crate) async fn respond(
    state: Arc<AppState>,
    info: RequestInfo,
    request: Request<Incoming>,
) -> Response<ReplyBody> {
    match answer(&state, info, request).await {
        Ok(response) => response,
        Err(response) => response.map(ReplyBody::full),
    }
}

async fn answer(
    state: &Arc<AppState>,
    info: RequestInfo,
    request: Request<Incoming>,
) -> Result<Response<ReplyBody>, Box<Response<Vec<u8>>>> {
    let (parts, body) = request.into_parts();
    let time = time_limit(state, &parts.headers);
    let deadline = time.and_then(|time| info.received.checked_add(time));
    if let Some(deadline) = deadline {
        info.client.set_deadline(deadline);
    }
    let context =
        RequestContext { request_id: &info.id, local: state.local, now: SystemTime::now() };
    let authorized = is_authorized(&state.settings, &parts);
    let max = if authorized.is_ok() { MAX_MESSAGE } else { MAX_UNAUTHORIZED };
    let body = ClientBody::new(body, info.client.clone());
    let body = read_body(body, max, deadline).await.map_err(|failure| {
        let failure = match authorized {
            Err(unauthorized) if failure == Failure::BodyTooLarge => unauthorized,
            _ => failure,
        };
        let responder = AskRequest::head_responder(&state.settings, &parts.headers, context);
        Box::new(responder.failure(&failure))
    })?;
    let request = Request::from_parts(parts, body);
    let ask = AskRequest::from_request(&state.settings, &request, context)?;
    let responder = ask.responder.clone();
    let address = client_address(state, &info, request.headers());
    state.check_rate(address).map_err(|failure| Box::new(responder.failure(&failure)))?;
    if state.settings.log_text {
        info.stats.set_question(&ask.question());
    }
    let stats = info.stats.clone();
    let mut pending: PendingCompletion =
        Box::pin(complete(state.clone(), stats.clone(), ask, deadline));
    let result = match responder.format {
        // Proxies close idle connections. Send the status line now, before the first text.
        Format::Sse => match timeout(KEEP_ALIVE_INTERVAL, &mut pending).await {
            Ok(result) => result,
            Err(_) => {
                let phase = Phase::Waiting(pending);
                let stream = AnswerStream::new(phase, responder, deadline, state.clone(), stats);
                return Ok(stream.into_response(&CompletionInfo::default(), ""));
            }
        },
        Format::Text | Format::Json | Format::Ndjson => pending.await,
    };
    let CompletionResult { completion, model } = result;
    match completion.map_err(|failure| Box::new(responder.failure(&failure)))? {
        Completion::Buffered(answer) => {
            let text = state.settings.log_text.then(|| answer.text.clone());
            let completion_info = answer.info.clone();
            let response = buffered(&responder, answer, &model)?;
            stats.set_completion(&completion_info, &model);
            text.iter().for_each(|text| stats.add_answer(text));
            Ok(response)
        }
        Completion::Streaming(streaming) => {
            let completion_info = streaming.decoder.info().clone();
            let phase = Phase::FirstChunk(streaming);
            let stream = AnswerStream::new(phase, responder, deadline, state.clone(), stats);
            Ok(stream.into_response(&completion_info, &model))
        }
    }
}

/// Returns the response with a complete answer. Fails if the platform cannot carry it.
fn buffered(
    responder: &Responder,
    answer: Answer,
    model: &str,
) -> Result<Response<ReplyBody>, Box<Response<Vec<u8>>>> {
    let response = responder.answer(answer, model);
    match response.body().len() > MAX_MESSAGE {
        true => Err(Box::new(responder.failure(&Failure::AnswerTooLarge))),
        false => Ok(response.map(ReplyBody::full)),
    }
}

/// Returns the time for an answer: by the platform's limit and `ASK_TIMEOUT`. `None` if neither is
/// set.
fn time_limit(state: &AppState, headers: &HeaderMap) -> Option<Duration> {
    let limit = headers.get("x-scf-timeout").filter(|_| state.on_scf);
    let limit =
        limit.and_then(|limit| limit.to_str().ok()?.parse().ok()).map(Duration::from_millis);
    match limit {
        Some(limit) => Some(budget(&state.settings, Some(limit))),
        None => state.settings.timeout,
    }
}

/// Returns the client's address, by the platform's header or of the connection.
///
/// <https://cloud.tencent.com/document/product/583/96099>
fn client_address(state: &AppState, info: &RequestInfo, headers: &HeaderMap) -> IpAddr {
    let header = headers.get("x-scf-remote-addr").filter(|_| state.on_scf);
    let address = header.and_then(|address| parse_address(address.to_str().ok()?));
    address.unwrap_or(info.client.peer)
}

/// Checks the token or the link in the head of a request.
fn is_authorized(settings: &Settings, parts: &request::Parts) -> Result<(), Failure> {
    let query = Query::parse(parts.uri.query().unwrap_or_default().as_bytes())?;
    check_token(settings, &parts.headers, parts.uri.path(), &query, SystemTime::now())
}

/// Reads the body of a request, up to `max` bytes.
async fn read_body(
    body: ClientBody,
    max: usize,
    deadline: Option<Instant>,
) -> Result<Vec<u8>, Failure> {
    if body.size_hint().lower() > max as u64 {
        return Err(Failure::BodyTooLarge);
    }
    let mut body = Limited::new(body, max);
    let mut bytes = Vec::new();
    loop {
        let read_timeout = Instant::now() + BODY_READ_TIMEOUT;
        let until = deadline.map_or(read_timeout, |deadline| deadline.min(read_timeout));
        match timeout_at(until, body.frame()).await {
            // Trailers have no data.
            Ok(Some(Ok(frame))) => bytes.extend_from_slice(&frame.into_data().unwrap_or_default()),
            Ok(Some(Err(error))) if error.is::<LengthLimitError>() => {
                return Err(Failure::BodyTooLarge);
            }
            Ok(Some(Err(_))) => {
                let reason = Localized::new("its body is incomplete", "请求体不完整");
                return Err(Failure::BodyUnreadable(reason));
            }
            Ok(None) => return Ok(bytes),
            Err(_) if deadline == Some(until) => return Err(Failure::Deadline),
            Err(_) => {
                let seconds = BODY_READ_TIMEOUT.as_secs();
                return Err(Failure::BodyUnreadable(Localized::new(
                    format!("reading its body timed out after {seconds} s"),
                    format!("请求体有 {seconds} 秒没有新数据"),
                )));
            }
        }
    }
}
