//! Code that the fuzz targets share: messages from bytes, and checks that hold for every response.

pub mod oracle;

use std::time::SystemTime;

use ask_core::completion::{CompletionInfo, Message, Role, request as upstream_request};
use ask_core::request::RequestContext;
use ask_core::{Answer, AskRequest, Settings};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use serde_json::{Value, json};

/// The key of the targets. No message of ours holds four of its characters in a row.
pub const KEY: &str = "Zq7Wx3Vb9Nm1Lk5Jh8Gf";
/// The token of the targets.
pub const TOKEN: &str = "Tt0Yy2Uu4Ii6Oo8Pp";

/// Returns whether a text holds four characters of a secret in a row.
pub fn leaks(text: &str, secret: &str) -> bool {
    holds_run(text, secret, 4)
}

/// Returns whether a text holds `length` characters of a secret in a row.
pub fn holds_run(text: &str, secret: &str, length: usize) -> bool {
    let mut runs = secret.char_indices().filter_map(|(start, _)| secret.get(start..start + length));
    runs.any(|run| text.contains(run))
}

/// Splits a message into its first line, its headers and its body. An empty line ends the head.
///
/// Returns `None` if the head is invalid.
pub fn split_message(bytes: &[u8]) -> Option<(&str, HeaderMap, &[u8])> {
    let (first_line, mut rest) = split_line(bytes)?;
    let mut headers = HeaderMap::new();
    loop {
        let (line, after) = split_line(rest)?;
        rest = after;
        if line.is_empty() {
            return Some((str::from_utf8(first_line).ok()?, headers, rest));
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
        headers.append(name, value);
    }
}

fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

/// Parses `METHOD target`, headers and a body. Returns `None` for an invalid request.
pub fn parse_request(bytes: &[u8]) -> Option<Request<Vec<u8>>> {
    let (first_line, headers, body) = split_message(bytes)?;
    let (method, target) = first_line.split_once(' ')?;
    let mut request = Request::builder().method(method).uri(target).body(body.to_vec()).ok()?;
    *request.headers_mut() = headers;
    Some(request)
}

/// Returns the context of every request.
pub fn context(local: bool) -> RequestContext<'static> {
    RequestContext { request_id: "id-1", local, now: SystemTime::UNIX_EPOCH }
}

/// Returns the response to a request. Checks the question, to which the model answers `text`.
pub fn respond(
    settings: &Settings,
    ask: Result<AskRequest, Box<Response<Vec<u8>>>>,
    text: &str,
) -> Response<Vec<u8>> {
    let ask = match ask {
        Err(response) => return *response,
        Ok(ask) => ask,
    };
    let last = ask.messages.last().expect("a question has a message");
    assert_eq!(last.role, Role::User);
    assert!(!last.is_empty());
    assert!(last.pictures() > 0 || last.text().trim() == last.text());
    assert!(ask.messages.iter().map(Message::pictures).sum::<usize>() <= 4);
    assert!(ask.model.as_ref().is_none_or(|model| settings.models.contains(model)));
    let chars: usize = ask.messages.iter().map(|message| message.text().chars().count()).sum();
    assert!(chars <= settings.max_question);
    check_upstream_request(settings, &ask.messages);
    let info = CompletionInfo {
        model: Some(text.into()),
        finish_reason: Some(text.into()),
        usage: Some(json!(text)),
    };
    let response = ask.responder.answer(Answer { text: text.into(), info }, "m");
    assert_eq!(response.status(), StatusCode::OK);
    assert!(!response.body().is_empty());
    response
}

/// Checks that the upstream is sent the model and the messages, and nothing else.
fn check_upstream_request(settings: &Settings, messages: &[Message]) {
    let request = upstream_request(settings, settings.keys.first(), "m", messages, false);
    let request = request.expect("the key fits into a header");
    let body: Value = serde_json::from_slice(request.body()).expect("the request is JSON");
    let body = body.as_object().expect("an object");
    assert_eq!(body.len(), 2);
    assert_eq!(body["model"], "m");
    let system = usize::from(settings.system_prompt.is_some());
    assert_eq!(body["messages"].as_array().map(Vec::len), Some(messages.len() + system));
}

/// Checks the headers that every response has, their size, and that JSON is JSON.
pub fn check_response(response: &Response<Vec<u8>>) {
    let headers = response.headers();
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("vary", "Accept, Origin"),
        ("x-request-id", "id-1"),
    ] {
        assert_eq!(headers.get(name).and_then(|value| value.to_str().ok()), Some(value), "{name}");
    }
    assert!(!headers.contains_key("access-control-allow-credentials"));
    let bytes: usize =
        headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    assert!(bytes < 4096, "{bytes} bytes of headers");
    let content_type = headers.get("content-type").map_or(&b""[..], HeaderValue::as_bytes);
    if content_type == b"application/json" && !response.body().is_empty() {
        serde_json::from_slice::<Value>(response.body()).expect("a JSON response is JSON");
    }
    if headers.contains_key("x-error-code") {
        let status = response.status();
        assert!(status.is_client_error() || status.is_server_error(), "{status}");
        assert!(!response.body().is_empty());
    }
}
