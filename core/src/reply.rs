//! What the caller gets: answers and failures in the shape that was asked for, and the headers around them.

use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, REFERRER_POLICY, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde::Serialize;
use serde_json::json;

use crate::completion::{About, Answer};
use crate::failure::Failure;
use crate::lang::Lang;
use crate::shape::Shape;

/// One id for a request, in reply and log.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The code of a failure.
pub const X_ERROR_CODE: HeaderName = HeaderName::from_static("x-error-code");
/// The model that answered.
pub const X_MODEL: HeaderName = HeaderName::from_static("x-model");
/// Why the answer ended, where it did not just stop.
pub const X_FINISH_REASON: HeaderName = HeaderName::from_static("x-finish-reason");
/// Asks proxies on the way not to hold a stream back.
pub const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The methods of the question endpoint.
pub const METHODS: &str = "GET, HEAD, POST, OPTIONS";

/// The longest value of `X-Model`, in bytes.
const LONGEST_MODEL: usize = 128;

/// A reply seldom has more headers; the map grows where it has.
const MOST_HEADERS: usize = 12;

/// How this caller is replied to.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The language of sentences.
    pub lang: Lang,
    /// The shape of the answer.
    pub shape: Shape,
    /// The CORS headers.
    pub cors: HeaderMap,
    /// The id of the request.
    pub request_id: String,
}

impl Caller {
    /// A reply with the headers that every reply of ours has.
    pub fn reply(
        &self,
        status: StatusCode,
        content_type: HeaderValue,
        body: impl Into<Vec<u8>>,
    ) -> Response<Vec<u8>> {
        let mut reply = self.bare(status, body.into());
        reply.headers_mut().insert(CONTENT_TYPE, content_type);
        reply
    }

    /// A reply without a body.
    pub fn empty(&self, status: StatusCode) -> Response<Vec<u8>> {
        self.bare(status, Vec::new())
    }

    fn bare(&self, status: StatusCode, body: Vec<u8>) -> Response<Vec<u8>> {
        let mut reply = Response::new(body);
        *reply.status_mut() = status;
        *reply.headers_mut() = self.headers();
        reply
    }

    /// The headers that every reply of ours has.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(MOST_HEADERS);
        headers.extend(self.cors.clone());
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(VARY, HeaderValue::from_static("Accept, Origin"));
        if let Some(id) = visible(&self.request_id) {
            headers.insert(X_REQUEST_ID, id);
        }
        headers
    }

    /// A failure, as its sentence: text, or an object for callers that are programs.
    pub fn failure(&self, failure: &Failure) -> Response<Vec<u8>> {
        let sentence = failure.sentence(self.lang);
        let mut reply = match self.shape {
            Shape::Text => self.reply(failure.status(), Shape::Text.content_type(), sentence),
            Shape::Json | Shape::Sse | Shape::Ndjson => {
                let object =
                    json!({"error": sentence, "message": sentence, "code": failure.code()});
                self.reply(failure.status(), Shape::Json.content_type(), object.to_string())
            }
        };
        let headers = reply.headers_mut();
        headers.insert(X_ERROR_CODE, HeaderValue::from_static(failure.code()));
        if let Some(after) =
            failure.retry_after().and_then(|after| HeaderValue::try_from(after).ok())
        {
            headers.insert(RETRY_AFTER, after);
        }
        match failure {
            Failure::Token | Failure::Link => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Failure::Method => {
                headers.insert(ALLOW, HeaderValue::from_static(METHODS));
            }
            _ => {}
        }
        reply
    }

    /// A whole answer.
    pub fn answer(&self, answer: Answer, asked_model: &str) -> Response<Vec<u8>> {
        let about = about_headers(&answer.about, asked_model);
        let body = match self.shape {
            Shape::Text => answer.text.into_bytes(),
            Shape::Json => whole_json(&answer, asked_model),
            Shape::Sse | Shape::Ndjson => {
                let mut events = Events::new(self.shape);
                let mut body = events.begin();
                body.extend(events.piece(&answer.text));
                body.extend(events.end());
                body
            }
        };
        let mut reply = self.reply(StatusCode::OK, self.shape.content_type(), body);
        reply.headers_mut().extend(about);
        reply
    }
}

/// The headers that only an answer has: the model, and why it ended where it did not just stop.
pub fn about_headers(about: &About, asked_model: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let model = about.model.as_deref().and_then(visible).or_else(|| visible(asked_model));
    if let Some(model) = model {
        headers.insert(X_MODEL, model);
    }
    let ended = about.finish_reason.as_deref().filter(|reason| *reason != "stop").and_then(visible);
    if let Some(reason) = ended {
        headers.insert(X_FINISH_REASON, reason);
    }
    headers
}

/// A header value of the visible ASCII characters of a text.
fn visible(text: &str) -> Option<HeaderValue> {
    let mut visible = Vec::with_capacity(text.len().min(LONGEST_MODEL));
    visible.extend(text.bytes().filter(u8::is_ascii_graphic).take(LONGEST_MODEL));
    HeaderValue::try_from(visible).ok().filter(|value| !value.is_empty())
}

fn whole_json(answer: &Answer, asked_model: &str) -> Vec<u8> {
    #[derive(Serialize)]
    struct Whole<'a> {
        text: &'a str,
        output: &'a str,
        model: &'a str,
        finish_reason: Option<&'a str>,
        usage: Option<&'a serde_json::Value>,
    }
    let whole = Whole {
        text: &answer.text,
        output: &answer.text,
        model: answer.about.model.as_deref().unwrap_or(asked_model),
        finish_reason: answer.about.finish_reason.as_deref(),
        usage: answer.about.usage.as_ref(),
    };
    // Writing strings and JSON values with text keys into memory cannot fail.
    serde_json::to_vec(&whole).unwrap_or_default()
}

/// The pieces of a streamed answer on the wire.
#[derive(Debug)]
pub struct Events {
    shape: Shape,
    id: u64,
}

impl Events {
    /// The pieces in this shape. JSON has none: it is sent whole.
    pub fn new(shape: Shape) -> Self {
        Self { shape, id: 0 }
    }

    /// What stands before the first piece.
    pub fn begin(&self) -> Vec<u8> {
        match self.shape {
            Shape::Ndjson => line(&json!({"type": "begin"})),
            Shape::Text | Shape::Json | Shape::Sse => Vec::new(),
        }
    }

    /// One piece of the answer; nothing where it is empty.
    pub fn piece(&mut self, text: &str) -> Vec<u8> {
        if text.is_empty() {
            return Vec::new();
        }
        self.id += 1;
        match self.shape {
            Shape::Text | Shape::Json => text.as_bytes().to_vec(),
            Shape::Sse => {
                format!("id: {}\ndata: {}\n\n", self.id, json!({"text": text})).into_bytes()
            }
            Shape::Ndjson => line(&json!({"type": "item", "content": text})),
        }
    }

    /// What stands after the last piece.
    pub fn end(&self) -> Vec<u8> {
        match self.shape {
            Shape::Text | Shape::Json => Vec::new(),
            Shape::Sse => b"data: [DONE]\n\n".to_vec(),
            Shape::Ndjson => line(&json!({"type": "end"})),
        }
    }

    /// A failure after the first piece. Text has no way to say it: the connection is broken off.
    pub fn failure(&self, failure: &Failure, lang: Lang) -> Option<Vec<u8>> {
        let sentence = failure.sentence(lang);
        match self.shape {
            Shape::Text | Shape::Json => None,
            Shape::Sse => Some(format!("data: {}\n\n", json!({"error": sentence})).into_bytes()),
            Shape::Ndjson => Some(line(&json!({"type": "error", "content": sentence}))),
        }
    }

    /// A sign of life while the model is silent; only server-sent events know one.
    pub fn keep_alive(&self) -> Option<&'static [u8]> {
        (self.shape == Shape::Sse).then_some(b": keep-alive\n\n")
    }
}

fn line(value: &serde_json::Value) -> Vec<u8> {
    format!("{value}\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::Value;

    use super::*;

    fn caller(shape: Shape) -> Caller {
        Caller { lang: Lang::En, shape, cors: HeaderMap::new(), request_id: "id-1".into() }
    }

    fn answer(text: &str) -> Answer {
        let usage = Some(json!({"total_tokens": 3}));
        let about = About { model: Some("m-1".into()), finish_reason: Some("stop".into()), usage };
        Answer { text: text.into(), about }
    }

    fn body(reply: &Response<Vec<u8>>) -> &str {
        str::from_utf8(reply.body()).unwrap()
    }

    #[test]
    fn every_reply_has_our_headers() {
        let caller = caller(Shape::Text);
        for reply in [
            caller.answer(answer("a"), "m"),
            caller.failure(&Failure::Token),
            caller.empty(StatusCode::NO_CONTENT),
        ] {
            let headers = reply.headers();
            assert_eq!(headers[CACHE_CONTROL], "no-store");
            assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
            assert_eq!(headers[REFERRER_POLICY], "no-referrer");
            assert_eq!(headers[VARY], "Accept, Origin");
            assert_eq!(headers[X_REQUEST_ID], "id-1");
        }
    }

    #[test]
    fn an_answer_in_each_shape() {
        let reply = caller(Shape::Text).answer(answer("<b>\n"), "m");
        assert_eq!((reply.status(), body(&reply)), (StatusCode::OK, "<b>\n"));
        assert_eq!(reply.headers()[CONTENT_TYPE], "text/plain; charset=utf-8");
        assert_eq!(reply.headers()[X_MODEL], "m-1");
        assert!(!reply.headers().contains_key(X_FINISH_REASON));

        let reply = caller(Shape::Json).answer(answer("a"), "m");
        let expected = r#"{"text":"a","output":"a","model":"m-1","finish_reason":"stop","usage":{"total_tokens":3}}"#;
        assert_eq!(body(&reply), expected);

        let reply = caller(Shape::Sse).answer(answer("a\nb"), "m");
        assert_eq!(body(&reply), "id: 1\ndata: {\"text\":\"a\\nb\"}\n\ndata: [DONE]\n\n");

        let reply = caller(Shape::Ndjson).answer(answer("a"), "m");
        let lines: Vec<Value> =
            body(&reply).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(
            lines,
            [
                json!({"type": "begin"}),
                json!({"type": "item", "content": "a"}),
                json!({"type": "end"})
            ]
        );
    }

    #[test]
    fn an_answer_that_did_not_just_stop_says_so_in_a_header() {
        let mut cut = answer("a");
        cut.about.finish_reason = Some("length".into());
        cut.about.model = None;
        let reply = caller(Shape::Text).answer(cut, "asked");
        assert_eq!(reply.headers()[X_FINISH_REASON], "length");
        assert_eq!(reply.headers()[X_MODEL], "asked");
    }

    #[test]
    fn the_model_in_the_header_is_visible_ascii_and_cut() {
        let mut odd = answer("a");
        odd.about.model = Some(format!("模型\r\nx: {}", "y".repeat(200)));
        let reply = caller(Shape::Text).answer(odd, "m");
        let model = reply.headers()[X_MODEL].to_str().unwrap();
        assert!(model.starts_with("x:y") && model.len() == 128);
    }

    #[test]
    fn a_failure_is_a_sentence_or_an_object() {
        let reply = caller(Shape::Text).failure(&Failure::Token);
        assert_eq!(reply.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(reply.headers()[X_ERROR_CODE], "token");
        assert_eq!(reply.headers()[WWW_AUTHENTICATE], "Bearer");
        assert!(body(&reply).starts_with("The token is missing"));

        let reply = caller(Shape::Json).failure(&Failure::Rate { after: Duration::from_secs(9) });
        assert_eq!(reply.headers()[RETRY_AFTER], "9");
        let object: Value = serde_json::from_slice(reply.body()).unwrap();
        assert_eq!((&object["code"], &object["error"]), (&json!("rate"), &object["message"]));

        let reply = caller(Shape::Text).failure(&Failure::Method);
        assert_eq!(reply.headers()[ALLOW], METHODS);
    }

    #[test]
    fn a_failure_in_a_stream_is_an_event_and_in_text_nothing() {
        assert_eq!(Events::new(Shape::Text).failure(&Failure::Deadline, Lang::En), None);
        let event = String::from_utf8(
            Events::new(Shape::Sse).failure(&Failure::Deadline, Lang::Zh).unwrap(),
        )
        .unwrap();
        assert!(event.starts_with("data: {\"error\":\"还没得到回答") && event.ends_with("}\n\n"));
        let line = Events::new(Shape::Ndjson).failure(&Failure::Deadline, Lang::En).unwrap();
        let line: Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(line["type"], "error");
    }
}
