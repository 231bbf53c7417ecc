//! The one place that decides what an upstream's reply is.

use std::borrow::Cow;
use std::mem;

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::answer::{Answer, CompletionInfo};
use super::chunk::{self, Choice, Chunk};
use super::classify::{classify, is_failure_reason, is_filter_reason, is_length_reason};
use super::error::{AttemptError, retry_after};
use super::events::{Event, EventReader, is_end_of_stream};
use super::reported_error::{ReportedError, is_error_list, reports_error};
use super::syntax::{
    closed_length, could_be_mark, is_compressed, is_cut, is_done_marker, starts_as_json,
    starts_with_field, trim_start,
};
use super::text::{AnswerText, MessageMismatch};
use crate::failure::Failure;
use crate::json;
use crate::lang::Localized;
use crate::settings::Redactor;

/// Maximum size of a reply that is not a stream, and of a streamed answer, in bytes. A larger one
/// does not fit into the platform's 6 MB.
const MAX_REPLY: usize = 32 << 20;

/// Maximum size of an event, in bytes.
const MAX_EVENT: usize = 8 << 20;

/// Maximum size of an error that is read, in bytes.
const MAX_ERROR: usize = 1 << 20;

/// The way in which a reply ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As HTTP says it should.
    Eof,
    /// Before that. The connection was closed or reset.
    Truncated,
}

/// Decodes the reply to a completion request: a completion, a stream or an error.
///
/// The bytes decide before the labels: a stream may come as `application/json`, and JSON may come
/// where a stream was asked for. Feed the body to [`Decoder::decode`] in pieces of any size.
#[derive(Debug)]
pub struct Decoder {
    status: StatusCode,
    retry_after: Option<String>,
    is_compressed: bool,
    /// The announced length of the body, limited.
    length: usize,
    is_labelled_stream: bool,
    redactor: Redactor,
    body: Body,
    text: AnswerText,
    /// Set if a stream has had an event with JSON.
    has_chunks: bool,
    is_done: bool,
    /// Number of bytes of the body.
    received: usize,
    info: CompletionInfo,
}

/// The kind of a body, and the bytes that are kept of it.
#[derive(Debug)]
enum Body {
    /// Not known yet. Keeps the first visible bytes.
    Start(Vec<u8>),
    /// JSON, an error, or anything else that is not a stream. It is read to its end.
    Whole(Vec<u8>),
    /// Server-sent events.
    Stream(EventReader),
}

impl Decoder {
    /// Creates a decoder for a response with this head.
    pub fn new(status: StatusCode, headers: &HeaderMap, redactor: Redactor) -> Self {
        let encoding = headers.get(CONTENT_ENCODING).map_or(&b""[..], |value| value.as_bytes());
        let length =
            headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        Self {
            status,
            length: length.unwrap_or(0).min(MAX_REPLY),
            retry_after: retry_after(headers),
            is_compressed: !encoding.is_empty() && !encoding.eq_ignore_ascii_case(b"identity"),
            is_labelled_stream: is_event_stream(headers),
            redactor,
            body: match status.is_success() {
                true => Body::Start(Vec::new()),
                false => Body::Whole(Vec::new()),
            },
            text: AnswerText::default(),
            has_chunks: false,
            is_done: false,
            received: 0,
            info: CompletionInfo::default(),
        }
    }

    /// Takes the next bytes of the body. [`Decoder::take_text`] returns the text that they add.
    ///
    /// # Errors
    /// If the reply is an error, is too large, or is not a completion.
    pub fn decode(&mut self, bytes: &[u8]) -> Result<(), AttemptError> {
        self.decode_bytes(bytes)
            .map_err(|error| error.with_retry_after(self.retry_after.as_deref()))
    }

    /// Returns whether a text has arrived that is not only white space.
    pub fn has_text(&self) -> bool {
        self.text.is_visible()
    }

    /// Takes the text that has arrived since the last call. If the reply is not a stream, it is
    /// empty until the end.
    pub fn take_text(&mut self) -> String {
        self.text.take()
    }

    /// Returns the facts beside the text so far.
    pub fn info(&self) -> &CompletionInfo {
        &self.info
    }

    /// Returns whether the reply is complete, so that nothing after it matters.
    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// Ends the reply at the deadline and returns the answer, with the text that was not taken.
    ///
    /// With `partial`, an incomplete answer counts, with the finish reason `deadline`.
    ///
    /// # Errors
    /// [`Failure::Deadline`] if the answer is incomplete by its bytes.
    pub fn time_out(mut self, partial: bool) -> Result<Answer, AttemptError> {
        let is_complete = match &self.body {
            Body::Whole(body) => self.status.is_success() && closed_length(body).is_some(),
            Body::Start(_) | Body::Stream(_) => self.info.finish_reason.is_some(),
        };
        if is_complete {
            return self.finish(End::Truncated);
        }
        if !partial || !self.text.is_visible() {
            return Err(Failure::Deadline.into());
        }
        self.info.finish_reason = Some("deadline".into());
        Ok(Answer { text: self.text.into_rest(), info: self.info })
    }

    /// Ends the reply and returns the answer, with the text that was not taken.
    ///
    /// # Errors
    /// If the reply is an error, has no text, or is incomplete by its bytes. They are complete with
    /// closed JSON, `[DONE]` or a finish reason.
    pub fn finish(mut self, end: End) -> Result<Answer, AttemptError> {
        let body = mem::replace(&mut self.body, Body::Start(Vec::new()));
        self.end_body(body, end)
            .map_err(|error| error.with_retry_after(self.retry_after.as_deref()))?;
        if !self.text.is_visible() {
            return Err(no_text(self.info.finish_reason.as_deref()).into());
        }
        Ok(Answer { text: self.text.into_rest(), info: self.info })
    }

    fn decode_bytes(&mut self, bytes: &[u8]) -> Result<(), AttemptError> {
        self.received += bytes.len();
        if self.received > MAX_REPLY && !matches!(self.body, Body::Stream(_)) {
            return Err(Failure::AnswerTooLarge.into());
        }
        if let Body::Start(start) = &mut self.body {
            start.extend_from_slice(bytes);
            let visible = trim_start(start).to_vec();
            let Some(body) = self.kind_of(&visible) else {
                self.body = Body::Start(visible);
                return Ok(());
            };
            self.body = body;
            return self.append(&visible);
        }
        self.append(bytes)
    }

    /// Returns the kind of a body with these first bytes, or `None` if there are too few.
    fn kind_of(&self, start: &[u8]) -> Option<Body> {
        let is_stream = match starts_with_field(start) {
            Some(true) => true,
            Some(false) if could_be_mark(start) => return None,
            Some(false) if starts_as_json(start) || start.starts_with(b"<") => false,
            Some(false) => self.is_labelled_stream && !self.is_compressed,
            None => return None,
        };
        Some(match is_stream {
            true => Body::Stream(EventReader::default()),
            false => Body::Whole(Vec::with_capacity(self.length)),
        })
    }

    /// Adds bytes to a body whose kind is known.
    fn append(&mut self, bytes: &[u8]) -> Result<(), AttemptError> {
        match &mut self.body {
            Body::Whole(body) if self.status.is_success() => body.extend_from_slice(bytes),
            Body::Whole(body) => {
                body.extend_from_slice(&bytes[..bytes.len().min(MAX_ERROR - body.len())]);
                self.is_done = body.len() == MAX_ERROR;
            }
            Body::Stream(_) => self.decode_stream(bytes)?,
            Body::Start(_) => {}
        }
        Ok(())
    }

    fn decode_stream(&mut self, mut bytes: &[u8]) -> Result<(), AttemptError> {
        while let Body::Stream(events) = &mut self.body {
            let Some(event) = events.next(&mut bytes) else {
                return match events.len() > MAX_EVENT {
                    true => Err(self.not_a_completion()),
                    false => Ok(()),
                };
            };
            self.event(event)?;
            if self.text.len() > MAX_REPLY {
                return Err(Failure::AnswerTooLarge.into());
            }
        }
        Ok(())
    }

    fn end_body(&mut self, body: Body, end: End) -> Result<(), AttemptError> {
        match body {
            Body::Whole(body) if is_compressed(&body, self.is_compressed) => Err(self.compressed()),
            Body::Whole(body) if !self.status.is_success() => Err(self.error_in(&body)),
            Body::Whole(body) => self.end_whole(&body, end),
            Body::Stream(events) => self.end_stream(events, end),
            Body::Start(start) => self.end_whole(&start, end),
        }
    }

    fn end_whole(&mut self, body: &[u8], end: End) -> Result<(), AttemptError> {
        let body = body.trim_ascii();
        if body.starts_with(b"<") {
            return Err(Failure::UpstreamWebPage.into());
        }
        if let Some(chunk) = chunk::from_slice(body) {
            return self.chunk(chunk, body, false);
        }
        match closed_length(body) {
            // Some end JSON as if it were a stream.
            Some(length) if length < body.len() && is_end_of_stream(&body[length..]) => {
                self.end_whole(&body[..length], end)
            }
            Some(_) => match json::from_slice::<Value>(body) {
                Ok(value) if value.is_string() || is_error_list(&value) => Err(self.error(&value)),
                _ => Err(self.not_a_completion()),
            },
            None if end == End::Truncated => Err(AttemptError::connection_closed()),
            None if starts_as_json(body) && is_cut(body) => Err(AttemptError::connection_closed()),
            None if starts_as_json(body) || body.is_empty() => Err(self.not_a_completion()),
            None => Err(self.error_in(body)),
        }
    }

    fn end_stream(&mut self, events: EventReader, end: End) -> Result<(), AttemptError> {
        let (last, ignored) = events.finish();
        // An event without its end is whole if its data is.
        let last = last.filter(|last| {
            let data = last.data.trim_ascii();
            closed_length(data).is_some()
                || is_done_marker(data)
                || last.is_error()
                || end == End::Eof && !is_cut(data) && !b"[DONE]".starts_with(data)
        });
        if let Some(last) = last {
            self.event(last)?;
        }
        match end {
            _ if self.is_done || self.info.finish_reason.is_some() => Ok(()),
            // Text under the label of a stream.
            _ if !self.has_chunks && !ignored.is_empty() => Err(self.error_in(&ignored)),
            End::Eof if !self.has_chunks => Err(self.not_a_completion()),
            End::Eof | End::Truncated => Err(AttemptError::connection_closed()),
        }
    }

    fn event(&mut self, event: Event) -> Result<(), AttemptError> {
        if self.is_done {
            return Ok(());
        }
        let data = event.data.trim_ascii();
        if event.is_error() {
            return Err(self.error_in(data));
        }
        if is_done_marker(data) {
            self.is_done = true;
            return Ok(());
        }
        if let Some(chunk) = chunk::from_slice(data) {
            self.has_chunks = true;
            return self.chunk(chunk, data, true);
        }
        // An event with a name of its own may be a ping or a list of sources.
        let is_named = !event.name.is_empty() && event.name != "message";
        let has_choices = |item: &Value| item.get("choices").is_some();
        match json::from_slice::<Value>(data) {
            Ok(value) if is_error_list(&value) => Err(self.error(&value)),
            Ok(Value::Array(items)) if items.iter().any(has_choices) => {
                Err(self.not_a_completion())
            }
            Ok(Value::Object(_)) => Err(self.not_a_completion()),
            Ok(value) if value.is_string() && !is_named => Err(self.error(&value)),
            Ok(Value::Array(items)) if !items.is_empty() && !is_named => {
                Err(self.not_a_completion())
            }
            Ok(_) => Ok(()),
            Err(_) if is_named && !starts_as_json(data) => Ok(()),
            Err(_) if is_cut(data) => Err(self.not_a_completion()),
            Err(_) => Err(self.error_in(data)),
        }
    }

    /// Applies a completion, or a chunk of a stream. `json` is its source.
    fn chunk(&mut self, chunk: Chunk, json: &[u8], is_stream: bool) -> Result<(), AttemptError> {
        if let Some(error) = self.chunk_error(&chunk, json, is_stream) {
            return Err(error);
        }
        let choice = chunk.choices.0.unwrap_or_default();
        self.add_info(chunk.model, choice.finish_reason(), chunk.usage);
        match (choice.delta.0, choice.message.0) {
            (Some(delta), _) if is_stream && delta.has_text() => self.text.add_part(delta),
            (delta, Some(message)) if is_stream => match self.text.add_message(message) {
                // The text came in deltas, and this one adds nothing.
                Err(MessageMismatch) if delta.is_none() => return Err(self.not_a_completion()),
                Ok(()) | Err(MessageMismatch) => {}
            },
            (_, Some(part)) | (Some(part), None) => self.text.add_part(part),
            (None, None) => {}
        }
        Ok(())
    }

    /// Returns the error that a chunk reports: beside the choices, in their place, or in the first.
    fn chunk_error(&self, chunk: &Chunk, json: &[u8], is_stream: bool) -> Option<AttemptError> {
        let choice = chunk.choices.0.as_ref();
        let reason = choice.and_then(Choice::finish_reason);
        let is_failed = reason.is_some_and(is_failure_reason);
        if chunk.reports_error() {
            let error = self.error_in(json);
            return Some(if is_failed { error.or_retryable() } else { error });
        }
        let Some(choice) = choice else {
            let Ok(object) = json::from_slice_lossy::<Value>(json) else {
                return Some(self.not_a_completion());
            };
            let error = ReportedError::from_value(&object);
            // In the place of an answer, a message is that of an error.
            let is_error = reports_error(&object) || !is_stream && error.has_message();
            return is_error.then(|| self.failure(&error));
        };
        let stopped = || {
            let reason = Localized::new("the model stopped with an error", "模型中途出错");
            AttemptError::retryable(Failure::UpstreamFailed(reason))
        };
        let error = choice.error().map(|error| self.error(error).or_retryable());
        error.or_else(|| is_failed.then(stopped))
    }

    fn add_info(&mut self, model: Option<Value>, reason: Option<&str>, usage: Option<Value>) {
        let name = |name: &str| {
            // A header holds the visible characters alone, so they must not show a secret either.
            let visible: String = name.chars().filter(char::is_ascii_graphic).collect();
            match self.redactor.name(&visible) {
                Cow::Borrowed(_) => self.redactor.name(name).into_owned(),
                Cow::Owned(redacted) => redacted,
            }
        };
        let model = model.as_ref().and_then(Value::as_str).filter(|name| !name.trim().is_empty());
        self.info.model = self.info.model.take().or(model.map(name));
        self.info.finish_reason = reason.map(name).or(self.info.finish_reason.take());
        let usage = usage.map(|usage| self.redactor.value(usage));
        self.info.usage = usage.or(self.info.usage.take());
    }

    /// Returns the failure of a compressed reply, by its status. No request accepts one. Reading it
    /// would add 31 kB to the event function's package.
    fn compressed(&self) -> AttemptError {
        let reason = Localized::new("its reply is compressed", "它的回复被压缩了");
        let mut error = self.error(&Value::Null);
        match &mut error.failure {
            Failure::UpstreamRefused { message, .. } => *message = reason,
            Failure::UpstreamFailed(failed) => {
                failed.en = format!("{}, {}", self.status.as_u16(), reason.en).into();
                failed.zh = format!("{}，{}", self.status.as_u16(), reason.zh).into();
            }
            _ => {}
        }
        error
    }

    fn not_a_completion(&self) -> AttemptError {
        let status = self.status.as_u16();
        Failure::UpstreamFailed(Localized::new(
            format!("its reply (status {status}) is not a chat completion"),
            format!("它的回复（状态码 {status}）不是 chat completion"),
        ))
        .into()
    }

    fn error(&self, value: &Value) -> AttemptError {
        self.failure(&ReportedError::from_value(value))
    }

    fn error_in(&self, text: &[u8]) -> AttemptError {
        self.failure(&ReportedError::from_text(text))
    }

    fn failure(&self, error: &ReportedError) -> AttemptError {
        classify(self.status, error, &self.redactor)
    }
}

/// Returns the failure of a complete answer without text.
fn no_text(finish_reason: Option<&str>) -> Failure {
    match finish_reason {
        Some(reason) if is_filter_reason(reason) => Failure::AnswerFiltered,
        reason => Failure::AnswerEmpty { out_of_tokens: reason.is_some_and(is_length_reason) },
    }
}

/// Returns whether the label of a reply is a stream.
fn is_event_stream(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let media_type = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
    media_type.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}

#[cfg(test)]
mod tests {
    use http::header::RETRY_AFTER;
    use serde_json::json;

    use super::*;
    use crate::lang::Lang;

    fn decode_in(body: &[u8], size: usize, end: End) -> Result<Answer, AttemptError> {
        let mut decoder = Decoder::new(StatusCode::OK, &HeaderMap::new(), Redactor::default());
        for bytes in body.chunks(size) {
            decoder.decode(bytes)?;
        }
        decoder.finish(end)
    }

    /// Decodes a body in several cuts, with the same result.
    #[track_caller]
    fn decode(body: impl AsRef<[u8]>, end: End) -> Result<Answer, Failure> {
        let body = body.as_ref();
        let whole = decode_in(body, usize::MAX, end);
        for size in 1..12 {
            assert_eq!(decode_in(body, size, end), whole, "cut into {size}");
        }
        whole.map_err(|error| error.failure)
    }

    #[track_caller]
    fn check(body: impl AsRef<[u8]>, text: &str) {
        let body = body.as_ref();
        match decode(body, End::Eof) {
            Ok(answer) => assert_eq!(answer.text, text),
            Err(failure) => panic!("{}: {failure:?}", String::from_utf8_lossy(body)),
        }
    }

    #[track_caller]
    fn check_message(message: &str, text: &str) {
        check(format!("{{\"choices\":[{{\"message\":{message}}}]}}"), text);
    }

    #[track_caller]
    fn fails(body: impl AsRef<[u8]>, code: &str) {
        let body = body.as_ref();
        let result = decode(body, End::Eof).map(|answer| answer.text);
        let found = result.as_ref().map_err(Failure::code);
        assert_eq!(found.err(), Some(code), "{}: {result:?}", String::from_utf8_lossy(body));
    }

    /// Returns a chunk with this delta.
    fn chunk(content: &str) -> String {
        format!("data: {}\n\n", json!({"choices": [{"delta": {"content": content}}]}))
    }

    const DONE: &str = "data: [DONE]\n\n";
    const STOP: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";

    #[test]
    fn answer_is_the_content_of_the_first_choice() {
        check_message(r#"{"content":" 你好\n\u0000<b>\ud83d\ude00 "}"#, " 你好\n\0<b>😀 ");
        check_message(
            r#"{"content":[{"type":"text","text":"a"},{"type":"thinking","text":"no"},{"type":"text","text":"b"}]}"#,
            "ab",
        );
        check_message(r#"{"content":"cut \ud83d"}"#, "cut \u{fffd}");
        check_message(r#"{"content":null,"refusal":"I can't."}"#, "I can't.");
        check_message(r#"{"content":"","refusal":"I can't."}"#, "I can't.");
        check_message(r#"{"content":" ","refusal":"I can't."}"#, "I can't.");
        check_message(r#"{"content":"a","reasoning_content":"hm","refusal":null}"#, "a");
    }

    #[test]
    fn empty_errors_beside_an_answer_are_ignored() {
        for beside in [
            "\"error\":null",
            "\"error\":\"\"",
            "\"error\":{}",
            "\"error\":false",
            "\"error\":{\"message\":\"\",\"type\":\"\",\"code\":null}",
            "\"error\":{\"code\":0,\"message\":\"success\"}",
            "\"base_resp\":{\"status_code\":0,\"status_msg\":\"\"}",
            "\"model\":7",
        ] {
            let choice = "{\"message\":{\"content\":\"a\"},\"finish_reason\":0}";
            check(format!("{{{beside},\"choices\":[{choice}]}}"), "a");
        }
    }

    #[test]
    fn info_holds_model_finish_reason_and_usage() {
        let body = r#"{"id":1,"model":"m-1","choices":[{"index":0,"message":{"content":"a"},"finish_reason":"length"}],"usage":{"prompt_tokens":1}}"#;
        let expected = CompletionInfo {
            model: Some("m-1".into()),
            finish_reason: Some("length".into()),
            usage: Some(json!({"prompt_tokens": 1})),
        };
        assert_eq!(decode(body, End::Eof).unwrap().info, expected);
    }

    #[test]
    fn answer_without_text_is_a_failure() {
        for body in [
            "{}",
            r#"{"choices":null}"#,
            r#"{"choices":[]}"#,
            r#"{"choices":[{}]}"#,
            r#"{"choices":7}"#,
            r#"{"choices":[["a","b"]]}"#,
            r#"{"choices":[{"message":null}]}"#,
            r#"{"choices":[{"message":["a"]}]}"#,
            r#"{"choices":[{"message":{"content":null,"tool_calls":[]}}]}"#,
            r#"{"choices":[{"message":{"content":""}}]}"#,
            r#"{"choices":[{"message":{"content":" \n"}}]}"#,
            r#"{"choices":[{"message":{"content":null,"reasoning_content":"hm"}}]}"#,
            r#"{"choices":[{"message":{"content":{"a":1}}}]}"#,
            r#"{"choices":[{"message":{"content":7}}]}"#,
            r#"{"choices":[{"message":{"content":[]}}]}"#,
            DONE,
        ] {
            fails(body, "answer_empty");
        }
        let out_of_tokens =
            r#"{"choices":[{"message":{"content":null},"finish_reason":"length"}]}"#;
        let failure = decode(out_of_tokens, End::Eof).unwrap_err();
        assert_eq!(failure, Failure::AnswerEmpty { out_of_tokens: true });
        let filtered =
            r#"{"choices":[{"message":{"content":""},"finish_reason":"content_filter"}]}"#;
        fails(filtered, "answer_filtered");
        fails(format!("data: {filtered}\n\n"), "answer_filtered");
    }

    #[test]
    fn other_replies_are_failures_of_the_upstream() {
        for body in [
            "",
            "\"x\"",
            "hello",
            "[]",
            "[1]",
            "{broken",
            "{\"choices\":[{\"message\":{\"content\":\"a",
            "{\"choices\":[{\"message\":{\"content\":\"a\"}}]}{}",
        ] {
            fails(body, "upstream_failed");
        }
        let page = decode("\n<!doctype html>", End::Eof);
        assert_eq!(page.unwrap_err(), Failure::UpstreamWebPage);
    }

    #[test]
    fn bytes_decide_before_labels() {
        let json = r#"{"choices":[{"message":{"content":"a"}}]}"#;
        let stream = format!("{}{STOP}", chunk("a"));
        for body in [json, &stream] {
            for (before, after) in [
                ("", ""),
                ("\n \n", ""),
                ("\u{feff}", ""),
                ("\n\u{feff}\u{feff} ", ""),
                ("\u{feff} \r\n", "\n"),
                ("", "\n\ndata: [DONE]\n\n"),
                ("", "\ndata: \"[DONE]\" \n"),
                ("", ": bye\n\n"),
            ] {
                check(format!("{before}{body}{after}"), "a");
            }
        }
    }

    #[test]
    fn pieces_of_a_stream_are_joined() {
        let stream = concat!(
            ": keep-alive\r\n\r\n",
            "data:{\"model\":\"m\",\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":null,\"reasoning_content\":\"hm\"}}]}\r\n\r\n",
            "event: x\nid: 1\ndata: {\"choices\":[{\"delta\":{\"content\":\"你\"}}]}\n\n",
            "data: {\"choices\":[{\"delta\":{\"content\":\"好😀\"}}]}\r\r",
            "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"no\"}}]}\n\n",
            "data: null\n\nevent: ping\ndata: pong\n\ndata: {\"type\":\"ping\"}\n\n",
            "data: {\"choices\":[{\"delta\":\ndata: {\"content\":\"!\"},\"finish_reason\":\"stop\"}]}\n\n",
            "data: {\"choices\":[],\"usage\":{\"total_tokens\":3}}\n\n",
            "data: {\"choices\":null}\n\n",
            "data: [DONE]\n\n",
        );
        let Answer { text, info } = decode(stream, End::Eof).unwrap();
        assert_eq!(text, "你好😀!");
        assert_eq!(
            (info.model.as_deref(), info.finish_reason.as_deref()),
            (Some("m"), Some("stop"))
        );
        assert_eq!(info.usage.unwrap()["total_tokens"], 3);
    }

    #[test]
    fn stream_is_complete_with_done_or_a_finish_reason() {
        let text = chunk("a");
        for end in ["data: [DONE]", "data: [DONE] \n\n", "data: \"[DONE]\"\n\n", STOP] {
            check(format!("{text}{end}"), "a");
        }
        let unfinished = |reason: &str| {
            format!(
                "data: {{\"choices\":[{{\"delta\":{{\"content\":\"a\"}},\"finish_reason\":{reason}}}]}}\n\n"
            )
        };
        for reason in ["null", "\"\"", "\"null\"", "\" \""] {
            fails(unfinished(reason), "upstream_failed");
        }
        fails(format!("{text}data: {{\"choi"), "upstream_failed");
    }

    #[test]
    fn truncated_reply_is_complete_only_by_its_bytes() {
        let complete = [
            r#"{"choices":[{"message":{"content":"a"}}]}"#.to_owned(),
            format!("{}{DONE}", chunk("a")),
            format!("{}{STOP}", chunk("a")),
            format!("{}{STOP}data: {{\"cho", chunk("a")),
            format!("{}data: {{\"choices\":[{{\"finish_reason\":\"stop\"}}]}}", chunk("a")),
        ];
        for body in complete {
            assert_eq!(decode(&body, End::Truncated).unwrap().text, "a", "{body}");
        }
        for body in
            ["", " ", r#"{"choices":[{"message":{"content":"a"}}]"#, &chunk("a"), "data: [D"]
        {
            let failure = decode(body, End::Truncated).unwrap_err();
            assert_eq!(failure.code(), "upstream_failed", "{body}");
        }
    }

    #[test]
    fn delta_wins_over_message_in_a_stream() {
        let both = |so_far: &str, new: &str| {
            let choice = json!({"message": {"content": so_far}, "delta": {"content": new}});
            format!("data: {}\n\n", json!({"choices": [choice]}))
        };
        let stream = [both("The", "The"), both("The sky", " sky"), both("", "!"), STOP.into()];
        check(stream.concat(), "The sky!");
    }

    #[test]
    fn message_in_a_stream_repeats_or_continues_the_text() {
        let message = |content: &str| {
            format!("data: {}\n\n", json!({"choices": [{"message": {"content": content}}]}))
        };
        check([message("a"), message("ab"), message("abc"), DONE.into()].concat(), "abc");
        check([message("a"), message("b"), message("c"), DONE.into()].concat(), "abc");
        check([chunk("a"), chunk("b"), message("ab"), DONE.into()].concat(), "ab");
        check([chunk("a"), message(""), message("ab!"), DONE.into()].concat(), "ab!");
        fails([chunk("a"), message("b"), DONE.into()].concat(), "upstream_failed");
        let mixed = [chunk("a"), message("ab"), message("z"), DONE.into()];
        fails(mixed.concat(), "upstream_failed");
        let beside = |content: &str| {
            let choice = json!({"delta": {"content": ""}, "message": {"content": content}});
            format!("data: {}\n\n", json!({"choices": [choice]}))
        };
        check([beside("a"), beside("ab"), DONE.into()].concat(), "ab");
        check([chunk("a"), beside("ab"), DONE.into()].concat(), "ab");
        check([chunk("a"), beside("other"), DONE.into()].concat(), "a");
    }

    #[test]
    fn message_may_repeat_text_that_was_taken() {
        let message = |content: &str| {
            format!("data: {}\n\n", json!({"choices": [{"message": {"content": content}}]}))
        };
        let mut decoder = Decoder::new(StatusCode::OK, &HeaderMap::new(), Redactor::default());
        let mut next = |event: String| {
            decoder.decode(event.as_bytes()).map_err(|error| error.failure.code())?;
            Ok(decoder.take_text())
        };
        assert_eq!(next(chunk("你")), Ok("你".into()));
        assert_eq!(next(chunk("好")), Ok("好".into()));
        assert_eq!(next(message("你好!")), Ok("!".into()));
        assert_eq!(next(message("你好!!")), Ok("!".into()));
        assert_eq!(next(chunk("a")), Ok("a".into()));
        assert_eq!(next(message("你")), Err("upstream_failed"));
    }

    #[test]
    fn lines_without_a_field_are_read_as_errors_or_ignored() {
        let a = chunk("a");
        fails(format!("{a}{{\"error\":{{\"code\":429}}}}\n\n{DONE}"), "upstream_busy");
        fails(format!("{a}[{{\"error\":\"x\"}}]\n{DONE}"), "upstream_failed");
        fails(format!("{a}{{\n  \"error\": 1\n}}\n{DONE}"), "upstream_failed");
        check(format!("{a}foo: 1\nbar\n{DONE}"), "a");

        let headers = HeaderMap::from_iter([(CONTENT_TYPE, "text/event-stream".parse().unwrap())]);
        let labelled = |body: &str| {
            let mut decoder = Decoder::new(StatusCode::OK, &headers, Redactor::default());
            decoder.decode(body.as_bytes()).unwrap();
            decoder.finish(End::Eof).map_err(|error| error.failure)
        };
        assert_eq!(labelled(&format!("foo: 1\n{a}{DONE}")).unwrap().text, "a");
        let failed = Localized::new("upstream timeout", "upstream timeout");
        assert_eq!(labelled("upstream timeout"), Err(Failure::UpstreamFailed(failed)));
    }

    #[test]
    fn name_in_a_header_shows_no_secret() {
        let redactor = Redactor::new([crate::settings::Secret::new("sk-Zq7Wx3Vb9Nm1".into())]);
        let mut decoder = Decoder::new(StatusCode::OK, &HeaderMap::new(), redactor);
        let body = r#"{"model":"Zq7Wx3V b9Nm1","choices":[{"message":{"content":"a"}}]}"#;
        decoder.decode(body.as_bytes()).unwrap();
        let model = decoder.finish(End::Eof).unwrap().info.model.unwrap();
        assert!(!model.contains("Wx3V"), "{model}");
    }

    #[test]
    fn refusal_is_the_answer_if_there_is_no_content() {
        let refusal = "data: {\"choices\":[{\"delta\":{\"refusal\":\"I can't.\"}}]}\n\n";
        check(format!("{refusal}{DONE}"), "I can't.");
        check(format!("{}{refusal}{DONE}", chunk("a")), "a");
        check(format!("{refusal}{}{DONE}", chunk("a")), "I can't.");
    }

    #[test]
    fn error_in_a_stream_is_found_in_every_shape() {
        let events = [
            (r#"data: {"error":{"message":"x","code":"rate_limit_exceeded"}}"#, "upstream_busy"),
            (r#"data: {"error":{"message":"overloaded"}}"#, "upstream_failed"),
            (r#"data: {"error":"x"}"#, "upstream_failed"),
            (r#"data: [{"error":{"message":"x","code":429}}]"#, "upstream_busy"),
            (r#"data: {"object":"error","message":"x","code":400}"#, "upstream_refused"),
            ("event: error\ndata: overloaded", "upstream_failed"),
            ("event: error\ndata: {\"code\":\"invalid_api_key\"}", "upstream_key"),
            (r#"data: {"code":500,"msg":"x"}"#, "upstream_failed"),
            (r#"data: {"code":"500","message":"x","choices":[]}"#, "upstream_failed"),
            (r#"data: {"detail":"x"}"#, "upstream_failed"),
            (r#"data: {"error_code":336000,"error_msg":"x"}"#, "upstream_failed"),
            (r#"data: {"choices":[{"error":{"code":502,"message":"x"}}]}"#, "upstream_failed"),
            (r#"data: {"choices":[{"delta":{},"finish_reason":"error"}]}"#, "upstream_failed"),
            ("event: error", "upstream_failed"),
            ("event: Error \ndata: overloaded", "upstream_failed"),
            ("event: failure\ndata: oops", "upstream_failed"),
            ("event: x\ndata: {\"choices\":[{\"delta\":{\"content\":\"b", "upstream_failed"),
            (r#"data: {"status":500,"message":"x"}"#, "upstream_failed"),
            (
                r#"data: {"base_resp":{"status_code":1008},"choices":[{"delta":{"content":"b"}}]}"#,
                "upstream_failed",
            ),
            ("data: nonsense", "upstream_failed"),
            (r#"data: "x""#, "upstream_failed"),
            (r#"data: ["x"]"#, "upstream_failed"),
        ];
        for (event, code) in events {
            fails(format!("{event}\n\n"), code);
            fails(format!("{}{event}\n\n{STOP}{DONE}", chunk("a")), code);
        }
    }

    #[test]
    fn error_in_the_place_of_a_completion_is_classified() {
        for (body, code) in [
            (r#"{"error":{"code":"invalid_api_key"}}"#, "upstream_key"),
            (r#"[{"error":{"code":429,"message":"x"}}]"#, "upstream_busy"),
            (r#"{"code":500,"msg":"x"}"#, "upstream_failed"),
            (r#"{"detail":"x"}"#, "upstream_failed"),
            (
                r#"{"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}"#,
                "upstream_quota",
            ),
            (r#"{"choices":[{"finish_reason":"error","error":{"code":429}}]}"#, "upstream_busy"),
            (
                r#"{"choices":[{"message":{"content":"a"},"finish_reason":"error"}]}"#,
                "upstream_failed",
            ),
        ] {
            fails(body, code);
        }
    }

    #[test]
    fn error_status_counts_even_if_the_body_is_cut() {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, "7".parse().unwrap())]);
        let mut decoder =
            Decoder::new(StatusCode::TOO_MANY_REQUESTS, &headers, Redactor::default());
        decoder.decode(b"{\"error\":").unwrap();
        let error = decoder.finish(End::Truncated).unwrap_err();
        assert_eq!((error.failure.code(), error.retryable), ("upstream_busy", true));
        assert_eq!(error.retry_after.as_deref(), Some("7"));
    }

    #[test]
    fn compressed_reply_is_reported() {
        let finish = |status: u16, encoding: &str, body: &[u8]| {
            let headers = HeaderMap::from_iter([(CONTENT_ENCODING, encoding.parse().unwrap())]);
            let status = StatusCode::from_u16(status).unwrap();
            let mut decoder = Decoder::new(status, &headers, Redactor::default());
            decoder.decode(body)?;
            decoder.finish(End::Eof)
        };
        fails(b"\x1f\x8b\x08\x00\x00", "upstream_failed");
        for (status, code) in
            [(200, "upstream_failed"), (401, "upstream_key"), (400, "upstream_refused")]
        {
            let failure = finish(status, "br", b"\x0b\x02").unwrap_err().failure;
            assert_eq!(failure.code(), code);
            let is_said = failure.message(Lang::En).contains("compressed");
            assert_eq!(is_said, failure.message(Lang::Zh).contains("压缩"));
            assert_eq!(is_said, status != 401, "{failure:?}");
        }
        // The label may be wrong.
        let json = br#"{"choices":[{"message":{"content":"a"}}]}"#;
        assert_eq!(finish(200, "gzip", json).unwrap().text, "a");
        let stream = format!("{}{STOP}", chunk("a"));
        assert_eq!(finish(200, "utf-8", stream.as_bytes()).unwrap().text, "a");
        let failure = finish(400, "gzip", br#"{"error":{"message":"bad"}}"#).unwrap_err().failure;
        assert!(failure.message(Lang::En).contains("bad"), "{failure:?}");
    }

    #[test]
    fn sizes_are_limited() {
        let mut decoder = Decoder::new(StatusCode::OK, &HeaderMap::new(), Redactor::default());
        decoder.decode(b"{").unwrap();
        let blanks = vec![b' '; MAX_REPLY];
        assert_eq!(decoder.decode(&blanks).unwrap_err().failure, Failure::AnswerTooLarge);

        let mut decoder = Decoder::new(StatusCode::OK, &HeaderMap::new(), Redactor::default());
        decoder.decode(b"data: ").unwrap();
        let event = vec![b'x'; MAX_EVENT + 1];
        assert_eq!(decoder.decode(&event).unwrap_err().failure.code(), "upstream_failed");
    }

    #[test]
    fn deadline_ends_an_answer_that_is_complete_or_may_be_partial() {
        let time_out = |body: &str, partial: bool| {
            let mut decoder = Decoder::new(StatusCode::OK, &HeaderMap::new(), Redactor::default());
            decoder.decode(body.as_bytes()).unwrap();
            let answer = decoder.time_out(partial).map_err(|error| error.failure.code())?;
            Ok((answer.text, answer.info.finish_reason.unwrap_or_default()))
        };
        let json = r#"{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}]}"#;
        let stream = format!("{}{STOP}", chunk("a"));
        for complete in [json, &stream] {
            assert_eq!(time_out(complete, false), Ok(("a".into(), "stop".into())));
        }
        assert_eq!(time_out(&chunk("a"), true), Ok(("a".into(), "deadline".into())));
        for (body, partial) in [(chunk("a").as_str(), false), (&json[..40], true), ("", true)] {
            assert_eq!(time_out(body, partial), Err("deadline"), "{body}");
        }
    }
}
