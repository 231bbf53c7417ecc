//! What the fuzz targets share: requests from bytes, and what holds for every reply.

use std::time::SystemTime;

use ask_core::completion::{About, Answer};
use ask_core::question::{Message, Role};
use ask_core::route::Arrival;
use ask_core::{Received, Settings, completion};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use serde_json::{Value, json};

/// The key of the targets. No run of four of its characters is in any sentence.
pub const KEY: &str = "Zq7Wx3Vb9Nm1Lk5Jh8Gf";
/// The token of the targets.
pub const TOKEN: &str = "Tt0Yy2Uu4Ii6Oo8Pp";

/// Settings from names and values.
pub fn settings(vars: &[(&str, &str)]) -> Settings {
    Settings::read(|name| vars.iter().find(|(var, _)| *var == name).map(|(_, value)| value.into()))
}

/// Whether a run of four characters of the secret is in the text.
pub fn gives_away(text: &str, secret: &str) -> bool {
    holds_run(text, secret, 4)
}

/// Whether a run of so many characters of the secret is in the text.
pub fn holds_run(text: &str, secret: &str, length: usize) -> bool {
    let runs = secret.char_indices().filter_map(|(start, _)| secret.get(start..start + length));
    runs.into_iter().any(|run| text.contains(run))
}

/// Reads `METHOD target`, lines of headers, an empty line and a body. Nothing where a server would not have read it.
pub fn request(bytes: &[u8]) -> Option<Request<Vec<u8>>> {
    let mut rest = bytes;
    let mut line = || {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let line = &rest[..end];
        rest = &rest[end + 1..];
        Some(line.to_vec())
    };
    let first = String::from_utf8(line()?).ok()?;
    let (method, target) = first.split_once(' ')?;
    let mut request = Request::builder().method(method).uri(target);
    loop {
        let line = line()?;
        if line.is_empty() {
            break;
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
        request = request.header(name, value);
    }
    request.body(rest.to_vec()).ok()
}

/// An arrival at the beginning of time.
pub fn arrival(local: bool) -> Arrival<'static> {
    Arrival { request_id: "id-1", local, time: SystemTime::UNIX_EPOCH }
}

/// The reply to what was received, where the model says `said`. Checks on the way what holds for every question.
pub fn reply(settings: &Settings, received: Received, said: &str) -> Response<Vec<u8>> {
    let asked = match received {
        Received::Reply(reply) => return reply,
        Received::Question(asked) => asked,
    };
    let last = asked.messages.last().expect("a question has a message");
    assert_eq!(last.role, Role::User);
    assert!(!last.content.is_empty() && last.content.trim() == last.content);
    let chars: usize = asked.messages.iter().map(|message| message.content.chars().count()).sum();
    assert!(chars <= settings.max_question);
    check_request(settings, &asked.messages);
    let about = About {
        model: Some(said.into()),
        finish_reason: Some(said.into()),
        usage: Some(json!(said)),
    };
    let reply = asked.caller.answer(Answer { text: said.into(), about }, "m");
    assert_eq!(reply.status(), StatusCode::OK);
    assert!(!reply.body().is_empty());
    reply
}

/// The provider is sent the model, the messages, and nothing else.
fn check_request(settings: &Settings, messages: &[Message]) {
    let body = completion::request(settings, "m", messages, false);
    let body: Value = serde_json::from_slice(&body).expect("the request is JSON");
    let body = body.as_object().expect("an object");
    assert_eq!(body.len(), 2);
    assert_eq!(body["model"], "m");
    let system = usize::from(settings.system_prompt.is_some());
    assert_eq!(body["messages"].as_array().map(Vec::len), Some(messages.len() + system));
}

/// What holds for every reply of ours: its headers are there and under 4 KB, and its body is what it says.
pub fn check_reply(reply: &Response<Vec<u8>>) {
    let headers = reply.headers();
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
    if content_type == b"application/json" && !reply.body().is_empty() {
        serde_json::from_slice::<Value>(reply.body()).expect("a JSON reply is JSON");
    }
    let failed = reply.status().is_client_error() || reply.status().is_server_error();
    if !failed {
        assert!(!headers.contains_key("x-error-code"));
    } else if headers.contains_key("x-error-code") {
        assert!(!reply.body().is_empty());
    }
}
