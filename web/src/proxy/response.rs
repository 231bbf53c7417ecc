//! Forwards the upstream's response to the client.

use std::io::Read;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Instant, SystemTime};

use ask_core::Failure;
use ask_core::access::allow_origin;
use ask_core::lang::{Lang, Localized};
use ask_core::proxy::{ProxyError, filter_response_headers, redact_error_body, trim_to_limit};
use ask_core::settings::Secret;
use bytes::Bytes;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, CONNECTION, CONTENT_ENCODING,
    CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, UPGRADE, VARY,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode, Version, response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Limited};
use hyper::ext::ReasonPhrase;
use hyper::upgrade::OnUpgrade;

use super::error::EXPOSED_HEADERS;
use super::tunnel::run_tunnel;
use crate::downstream::{BodyError, ReplyBody, RequestInfo};
use crate::state::AppState;
use crate::upstream::UpstreamBody;

/// Maximum size of an error that is redacted, in bytes.
const MAX_ERROR: usize = 64 * 1024;

/// An upstream response on its way to the client.
pub(super) struct UpstreamResponse {
    pub(super) response: Response<UpstreamBody>,
    /// The server's key, if the request had it.
    pub(super) server_key: Option<Secret>,
    /// The client's upgrade, if it asked for one.
    pub(super) client_upgrade: Option<OnUpgrade>,
}

/// Forwards a response to a request with these headers.
pub(super) async fn forward_response(
    state: &AppState,
    info: &RequestInfo,
    request_headers: &HeaderMap,
    upstream: UpstreamResponse,
) -> Response<ReplyBody> {
    let UpstreamResponse { response, server_key, client_upgrade } = upstream;
    let (mut head, body) = response.into_parts();
    head.version = Version::HTTP_11;
    filter_response_headers(&mut head.headers, server_key.as_ref());
    if let Some(key) = &server_key {
        if head.extensions.get().is_some_and(|reason| holds_secret(state, reason)) {
            head.extensions.remove::<ReasonPhrase>();
        }
        set_aside(state, key, &head);
    }
    let may_repeat_key = server_key.is_some()
        && (refuses_key(head.status) || is_readable_error(&head))
        && !body.is_end_stream();
    let body = match (client_upgrade, head.extensions.remove::<OnUpgrade>()) {
        (Some(client_upgrade), Some(upstream_upgrade))
            if head.status == StatusCode::SWITCHING_PROTOCOLS =>
        {
            head.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            head.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            tokio::spawn(run_tunnel(info.client.clone(), client_upgrade, upstream_upgrade));
            ReplyBody::Full(None)
        }
        _ if may_repeat_key => {
            ReplyBody::full(Box::pin(redact(state, &mut head, request_headers, body)).await)
        }
        _ => ReplyBody::stream(ForwardedBody { body, ended: false }),
    };
    add_cors_headers(state, request_headers, &mut head.headers);
    trim_to_limit(&mut head.headers);
    Response::from_parts(head, body)
}

/// Sets a key aside that the upstream refused or whose rate it limits, so that others are used.
fn set_aside(state: &AppState, key: &Secret, head: &response::Parts) {
    let now = Instant::now();
    match head.status {
        StatusCode::UNAUTHORIZED => state.cooldowns().refuse_key(&state.settings, key, now),
        StatusCode::TOO_MANY_REQUESTS => {
            let after = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            let now = (now, SystemTime::now());
            state.cooldowns().limit_key(&state.settings, key, after, now);
        }
        _ => {}
    }
}

fn add_cors_headers(state: &AppState, request_headers: &HeaderMap, headers: &mut HeaderMap) {
    let origin = allow_origin(&state.settings, request_headers, state.local);
    if origin.as_ref().is_none_or(|origin| origin != "*") {
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    let exposed = HeaderValue::from_static(EXPOSED_HEADERS);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
}

/// Returns whether the reason phrase contains part of a secret.
fn holds_secret(state: &AppState, reason: &ReasonPhrase) -> bool {
    let reason = String::from_utf8_lossy(reason.as_bytes());
    state.redactor.text(&reason) != reason
}

fn refuses_key(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

/// Returns whether the response is an error in text that can be redacted.
fn is_readable_error(head: &response::Parts) -> bool {
    let content_type = head.headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let content_type = String::from_utf8_lossy(content_type).to_ascii_lowercase();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let is_text = media_type.is_empty()
        || media_type == "application/json"
        || media_type.ends_with("+json")
        || media_type.starts_with("text/");
    (head.status.is_client_error() || head.status.is_server_error()) && is_text
}

/// Returns the body of an error without parts of secrets, or an error of our own if it cannot be
/// redacted.
async fn redact(
    state: &AppState,
    head: &mut response::Parts,
    request_headers: &HeaderMap,
    body: UpstreamBody,
) -> Bytes {
    let error = match refuses_key(head.status) {
        true => ProxyError::ServerKeyRefused,
        false => {
            let message = Localized::new("", "");
            Failure::UpstreamRefused { status: head.status, message }.into()
        }
    };
    let lang = Lang::from_headers(request_headers);
    let redacted = match Limited::new(body, MAX_ERROR).collect().await {
        Ok(body) => redact_body(state, head, body.to_bytes(), &error.message(lang)),
        Err(_) => None,
    };
    redacted.unwrap_or_else(|| {
        head.headers.remove(CONTENT_LENGTH);
        head.headers.remove(CONTENT_ENCODING);
        head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        error.body(lang).into()
    })
}

/// Returns a body without parts of secrets, or `None` if it cannot be redacted. A compressed body
/// without secrets stays compressed.
fn redact_body(
    state: &AppState,
    head: &mut response::Parts,
    body: Bytes,
    replacement: &str,
) -> Option<Bytes> {
    let plain = match decompress(head.headers.get(CONTENT_ENCODING), &body) {
        Ok(plain) => plain,
        Err(Unreadable::Encoding) => return (!refuses_key(head.status)).then_some(body),
        Err(Unreadable::TooLarge) => return None,
    };
    let redacted = redact_error_body(&plain, &state.redactor, replacement)?;
    if redacted == plain {
        return Some(body);
    }
    head.headers.remove(CONTENT_LENGTH);
    head.headers.remove(CONTENT_ENCODING);
    Some(redacted.into())
}

/// The reason why a compressed body cannot be read.
enum Unreadable {
    /// The encoding is not read here.
    Encoding,
    /// The body is too large.
    TooLarge,
}

/// Reads a body with this `Content-Encoding`. A body that is not in it is returned as it is.
fn decompress(encoding: Option<&HeaderValue>, body: &Bytes) -> Result<Bytes, Unreadable> {
    let encoding = encoding.map_or(&b"identity"[..], HeaderValue::as_bytes).to_ascii_lowercase();
    let mut plain = Vec::new();
    let limit = MAX_ERROR as u64 + 1;
    let read = match encoding.as_slice() {
        b"identity" => return Ok(body.clone()),
        b"gzip" | b"x-gzip" => MultiGzDecoder::new(&body[..]).take(limit).read_to_end(&mut plain),
        b"deflate" => ZlibDecoder::new(&body[..]).take(limit).read_to_end(&mut plain),
        _ if str::from_utf8(body).is_ok() => return Ok(body.clone()),
        _ => return Err(Unreadable::Encoding),
    };
    match read {
        Ok(length) if length <= MAX_ERROR => Ok(plain.into()),
        Ok(_) => Err(Unreadable::TooLarge),
        Err(_) => Ok(body.clone()),
    }
}

/// The body of an upstream response, unchanged.
struct ForwardedBody {
    body: UpstreamBody,
    ended: bool,
}

impl Body for ForwardedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        // Trailers are not forwarded, and nothing follows them.
        let frame = frame.filter(|frame| !frame.as_ref().is_ok_and(Frame::is_trailers));
        self.ended = frame.is_none();
        Poll::Ready(frame.map(|frame| frame.map_err(|_| BodyError { code: "upstream_failed" })))
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
