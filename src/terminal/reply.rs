//! The reply of a deployed function: server-sent events, or an error in their place.
//!
//! Both functions send the same events for `format=sse`: the Web function as the model writes, the
//! event function all at once. `[DONE]` marks the end, so that a reply that was cut is recognized
//! even if HTTP says that it is whole, as behind a gateway that closes the connection.

use std::borrow::Cow;

use ask_core::Failure;
use ask_core::completion::End;
use ask_core::completion::events::{Event, EventReader};
use ask_core::lang::Localized;
use ask_core::settings::Redactor;
use http::header::LOCATION;
use http::{HeaderMap, StatusCode, response};
use serde_json::Value;

use super::error::{Error, sentence};

/// Maximum size of a reply that is not a stream, in bytes.
const MAX_WHOLE: usize = 1 << 20;

/// Maximum length of a text of others that is shown, in characters.
const MAX_EXCERPT: usize = 300;

/// Members that hold the sentence of an error: ours, and the platform's.
const SENTENCES: &[&str] = &["error", "message", "errorMessage", "errorMsg"];

/// The reason why a function did not answer, or not to the end.
#[derive(Debug)]
pub(super) struct ReplyError {
    pub(super) message: Localized,
    /// The function's `X-Error-Code`.
    pub(super) code: Option<String>,
}

impl ReplyError {
    fn new(en: impl Into<Cow<'static, str>>, zh: impl Into<Cow<'static, str>>) -> Self {
        Self { message: Localized::new(en, zh), code: None }
    }

    fn truncated() -> Self {
        Self::new(
            "The connection broke off before the answer was complete.",
            "连接中断，回答不完整。",
        )
    }
}

impl From<Failure> for ReplyError {
    /// Creates the error of a request without a response.
    fn from(failure: Failure) -> Self {
        match &failure {
            Failure::UpstreamUnreachable(reason) => Self::new(
                format!(
                    "The address cannot be reached: {}. Check it, and the proxy settings.",
                    reason.en
                ),
                format!("无法连接这个地址：{}。请检查地址和代理设置。", reason.zh),
            ),
            Failure::UpstreamFailed(reason) => Self::new(
                format!("The function failed: {}.", reason.en),
                format!("函数出错：{}。", reason.zh),
            ),
            Failure::Deadline => Self::new(
                "The time limit passed before the answer was complete (ASK_TIMEOUT).",
                "在时限内没有得到完整的回答（ASK_TIMEOUT）。",
            ),
            other => Self { message: sentence(other), code: None },
        }
    }
}

impl From<ReplyError> for Error {
    fn from(error: ReplyError) -> Self {
        Self::Failed(error.message)
    }
}

/// Decodes a reply.
pub(super) struct ReplyDecoder {
    status: StatusCode,
    error_code: Option<String>,
    location: Option<String>,
    redactor: Redactor,
    body: Body,
    has_text: bool,
    end: Option<EndEvent>,
    finish_reason: Option<String>,
}

enum Body {
    /// The first visible bytes have not arrived.
    Start,
    Events(EventReader),
    /// Anything else.
    Whole(Vec<u8>),
}

/// The event that ends an answer.
enum EndEvent {
    Done,
    /// A failure, with its sentence.
    Failure(String),
}

impl ReplyDecoder {
    /// Creates a decoder for a response with this head.
    pub(super) fn new(head: &response::Parts, redactor: Redactor) -> Self {
        Self {
            status: head.status,
            error_code: text(&head.headers, "x-error-code"),
            location: text(&head.headers, LOCATION.as_str()),
            redactor,
            body: Body::Start,
            has_text: false,
            end: None,
            finish_reason: None,
        }
    }

    /// Takes the next bytes of the body. Returns the pieces of the answer in them.
    pub(super) fn decode(&mut self, mut bytes: &[u8]) -> Vec<String> {
        if matches!(self.body, Body::Start) {
            bytes = bytes.trim_ascii_start();
            self.body = match bytes.first() {
                None => return Vec::new(),
                // The first letters of the fields, and a comment.
                Some(b'd' | b'e' | b'i' | b'r' | b':') if self.status.is_success() => {
                    Body::Events(EventReader::default())
                }
                Some(_) => Body::Whole(Vec::new()),
            };
        }
        let mut pieces = Vec::new();
        match &mut self.body {
            Body::Start => {}
            Body::Events(events) => {
                let found: Vec<_> = std::iter::from_fn(|| events.next(&mut bytes)).collect();
                pieces.extend(found.into_iter().filter_map(|event| self.event(&event)));
            }
            Body::Whole(body) => {
                let space = MAX_WHOLE - body.len();
                body.extend_from_slice(&bytes[..bytes.len().min(space)]);
            }
        }
        pieces
    }

    /// Returns whether the answer has ended.
    pub(super) fn is_done(&self) -> bool {
        self.end.is_some()
    }

    /// Ends the reply. Returns a finish reason other than `stop`.
    ///
    /// # Errors
    /// If the reply is an error, or incomplete.
    pub(super) fn finish(mut self, end: End) -> Result<Option<String>, ReplyError> {
        let body = match std::mem::replace(&mut self.body, Body::Start) {
            Body::Start => Vec::new(),
            Body::Whole(body) => body,
            Body::Events(events) => {
                if let (Some(last), _) = events.finish() {
                    self.event(&last);
                }
                return match self.end {
                    Some(EndEvent::Done) => Ok(self.finish_reason),
                    Some(EndEvent::Failure(message)) if self.has_text => Err(ReplyError::new(
                        format!("The answer is incomplete. {message}"),
                        format!("回答不完整。{message}"),
                    )),
                    Some(EndEvent::Failure(message)) => {
                        Err(ReplyError::new(message.clone(), message))
                    }
                    None => Err(ReplyError::truncated()),
                };
            }
        };
        match end {
            End::Truncated => Err(ReplyError::truncated()),
            End::Eof => Err(self.whole_error(&body)),
        }
    }

    /// Returns the text of an event.
    fn event(&mut self, event: &Event) -> Option<String> {
        if self.is_done() {
            return None;
        }
        if event.data.trim_ascii() == b"[DONE]" {
            self.end = Some(EndEvent::Done);
            return None;
        }
        let data: Value = serde_json::from_slice(&event.data).ok()?;
        if let Some(message) = data["error"].as_str() {
            self.end = Some(EndEvent::Failure(self.redactor.name(message).into_owned()));
            return None;
        }
        let reason = data["finish_reason"].as_str().map(str::to_owned);
        self.finish_reason = reason.or(self.finish_reason.take());
        let text = data["text"].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        self.has_text |= text.is_some();
        text
    }

    /// Returns the error of a reply that is not a stream.
    fn whole_error(&self, body: &[u8]) -> ReplyError {
        let body = String::from_utf8_lossy(body);
        let json: Value = serde_json::from_str(&body).unwrap_or_default();
        let code = self.error_code.clone().or_else(|| json["code"].as_str().map(str::to_owned));
        let sentence = SENTENCES.iter().find_map(|name| json[*name].as_str());
        let status = self.status.as_u16();
        if let Some(code) = code {
            let message = self.excerpt(sentence.unwrap_or(&body));
            let (hint_en, hint_zh) = match code.as_str() {
                "token" => ("; here: ASK_TOKEN or --token", "；这里用 ASK_TOKEN 或 --token"),
                _ => ("", ""),
            };
            return ReplyError {
                message: Localized::new(
                    format!("{message} (X-Error-Code: {code}{hint_en})"),
                    format!("{message}（X-Error-Code: {code}{hint_zh}）"),
                ),
                code: Some(code),
            };
        }
        if let Some(location) = self.location.as_ref().filter(|_| self.status.is_redirection()) {
            let location = self.excerpt(location);
            return ReplyError::new(
                format!("The address redirects to {location}: use that one."),
                format!("这个地址重定向到 {location}，请改用该地址。"),
            );
        }
        if body.starts_with('<') {
            return ReplyError::new(
                format!(
                    "The reply (status {status}) is a web page: check that the address is that of \
                     the function."
                ),
                format!("返回的是一个网页（状态码 {status}）：请检查地址是不是函数的地址。"),
            );
        }
        let message = self.excerpt(sentence.unwrap_or(&body));
        let (colon_en, colon_zh) = if message.is_empty() { (".", "。") } else { (": ", "：") };
        ReplyError::new(
            format!("The address replied with status {status}{colon_en}{message}"),
            format!("这个地址返回了状态码 {status}{colon_zh}{message}"),
        )
    }

    fn excerpt(&self, text: &str) -> String {
        self.redactor.name(text.trim()).chars().take(MAX_EXCERPT).collect()
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;

    /// Returns the text, and the finish reason or the error.
    fn decode(
        response: Response<&str>,
        size: usize,
        end: End,
    ) -> (String, Result<Option<String>, String>) {
        let (head, body) = response.into_parts();
        let mut decoder = ReplyDecoder::new(&head, Redactor::default());
        let pieces: Vec<_> =
            body.as_bytes().chunks(size).flat_map(|bytes| decoder.decode(bytes)).collect();
        let result = decoder.finish(end).map_err(|error| error.message.en.into_owned());
        (pieces.concat(), result)
    }

    #[track_caller]
    fn check(body: &str, end: End, text: &str, result: Result<Option<&str>, &str>) {
        for size in [1, 7, 1000] {
            let (found, ended) = decode(Response::new(body), size, end);
            assert_eq!(found, text, "{body} in pieces of {size}");
            match (ended, result) {
                (Ok(reason), Ok(expected)) => assert_eq!(reason.as_deref(), expected, "{body}"),
                (Err(error), Err(part)) => assert!(error.contains(part), "{body}: {error}"),
                (ended, _) => panic!("{body}: {ended:?}"),
            }
        }
    }

    #[test]
    fn answer_is_whole_only_after_done() {
        let start =
            "id: 1\ndata: {\"text\":\"a\\n\"}\n\n: keep-alive\n\ndata: {\"text\":\"你\"}\n\n";
        let done = format!("{start}data: [DONE]\n\n");
        for end in [End::Eof, End::Truncated] {
            check(&done, end, "a\n你", Ok(None));
            check(done.trim_end(), end, "a\n你", Ok(None));
            check(start, end, "a\n你", Err("broke off"));
        }
        let cut = format!(
            "{start}data: {{\"text\":\"\",\"finish_reason\":\"length\"}}\n\ndata: [DONE]\n\n"
        );
        check(&cut, End::Eof, "a\n你", Ok(Some("length")));
        let failed = format!("{start}data: {{\"error\":\"No.\"}}\n\n");
        check(&failed, End::Eof, "a\n你", Err("No."));
    }

    #[test]
    fn other_replies_are_errors() {
        let error = |status: u16, header: (&str, &str), body| {
            let response = Response::builder().status(status).header(header.0, header.1);
            decode(response.body(body).unwrap(), 1000, End::Eof).1.unwrap_err()
        };
        let none = ("x-a", "b");
        let code = ("x-error-code", "rate");
        assert_eq!(error(429, code, "No."), "No. (X-Error-Code: rate)");
        assert_eq!(
            error(401, none, r#"{"error":"No.","code":"token"}"#),
            "No. (X-Error-Code: token; here: ASK_TOKEN or --token)"
        );
        assert!(error(301, ("location", "https://b/"), "").contains("redirects to https://b/"));
        assert!(error(200, none, "<html>").contains("web page"));
        let timeout = r#"{"errorCode":-1,"errorMessage":"timed out","statusCode":433}"#;
        assert_eq!(error(200, none, timeout), "The address replied with status 200: timed out");
        assert_eq!(error(502, none, ""), "The address replied with status 502.");
        assert_eq!(error(200, none, "hello"), "The address replied with status 200: hello");
    }
}
