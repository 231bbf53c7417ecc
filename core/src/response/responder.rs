//! The responder of a request, and the headers around every response.

use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, REFERRER_POLICY, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde_json::json;

use super::encoder::AnswerEncoder;
use crate::completion::{Answer, CompletionInfo};
use crate::failure::Failure;
use crate::format::Format;
use crate::lang::Lang;

/// The id of a request, in the response and the log.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The code of a failure.
pub const X_ERROR_CODE: HeaderName = HeaderName::from_static("x-error-code");
/// The model that answered.
pub const X_MODEL: HeaderName = HeaderName::from_static("x-model");
/// The reason why the answer ended, if it is not `stop`.
pub const X_FINISH_REASON: HeaderName = HeaderName::from_static("x-finish-reason");
/// Tells reverse proxies not to buffer a stream.
pub const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The methods of the question endpoint.
pub const METHODS: &str = "GET, HEAD, POST, OPTIONS";

/// Maximum length of a header value that others wrote, in bytes.
const MAX_VALUE: usize = 128;

/// The usual number of headers. The map grows beyond it.
const USUAL_HEADERS: usize = 12;

/// Builds the responses to one request.
#[derive(Clone, Debug)]
pub struct Responder {
    /// The language of messages.
    pub lang: Lang,
    /// The format of the answer.
    pub format: Format,
    /// The headers of every response.
    headers: HeaderMap,
}

impl Responder {
    /// Creates the responder of a request. `cors` holds the CORS headers of every response.
    pub fn new(lang: Lang, format: Format, cors: HeaderMap, request_id: &str) -> Self {
        let mut headers = HeaderMap::with_capacity(USUAL_HEADERS);
        headers.extend(cors);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(VARY, HeaderValue::from_static("Accept, Origin"));
        if let Some(id) = visible_ascii(request_id) {
            headers.insert(X_REQUEST_ID, id);
        }
        Self { lang, format, headers }
    }

    /// Returns a response with the common headers.
    pub fn response(
        &self,
        status: StatusCode,
        content_type: HeaderValue,
        body: impl Into<Vec<u8>>,
    ) -> Response<Vec<u8>> {
        let mut response = self.bare(status, body.into());
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response
    }

    /// Returns a response without a body.
    pub fn empty(&self, status: StatusCode) -> Response<Vec<u8>> {
        self.bare(status, Vec::new())
    }

    fn bare(&self, status: StatusCode, body: Vec<u8>) -> Response<Vec<u8>> {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = self.headers.clone();
        response
    }

    /// Returns the response to a failure: its message as text, or in an object for the other
    /// formats.
    pub fn failure(&self, failure: &Failure) -> Response<Vec<u8>> {
        let message = failure.message(self.lang);
        let mut response = match self.format {
            Format::Text => self.response(failure.status(), Format::Text.content_type(), message),
            Format::Json | Format::Sse | Format::Ndjson => {
                let object = json!({"error": message, "message": message, "code": failure.code()});
                let content_type = Format::Json.content_type();
                self.response(failure.status(), content_type, object.to_string())
            }
        };
        let headers = response.headers_mut();
        headers.insert(X_ERROR_CODE, HeaderValue::from_static(failure.code()));
        let retry_after = failure.retry_after().and_then(|value| HeaderValue::try_from(value).ok());
        if let Some(retry_after) = retry_after {
            headers.insert(RETRY_AFTER, retry_after);
        }
        match failure {
            Failure::Token | Failure::Link => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Failure::MethodNotAllowed => {
                headers.insert(ALLOW, HeaderValue::from_static(METHODS));
            }
            _ => {}
        }
        response
    }

    /// Returns the response with a complete answer.
    pub fn answer(&self, answer: Answer, requested_model: &str) -> Response<Vec<u8>> {
        let mut response = self.response(StatusCode::OK, self.format.content_type(), Vec::new());
        add_answer_headers(response.headers_mut(), &answer.info, requested_model);
        *response.body_mut() = AnswerEncoder::whole(self.format, answer, requested_model);
        response
    }
}

/// Adds the headers of an answer: the model, and a finish reason other than `stop`.
pub fn add_answer_headers(headers: &mut HeaderMap, info: &CompletionInfo, requested_model: &str) {
    let model = info.model.as_deref().and_then(visible_ascii);
    if let Some(model) = model.or_else(|| visible_ascii(requested_model)) {
        headers.insert(X_MODEL, model);
    }
    if let Some(reason) = info.unusual_finish_reason().and_then(visible_ascii) {
        headers.insert(X_FINISH_REASON, reason);
    }
}

/// Returns the visible ASCII characters of a text as a header value.
fn visible_ascii(text: &str) -> Option<HeaderValue> {
    let mut visible = Vec::with_capacity(text.len().min(MAX_VALUE));
    visible.extend(text.bytes().filter(u8::is_ascii_graphic).take(MAX_VALUE));
    HeaderValue::try_from(visible).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::Value;

    use super::*;

    fn responder(format: Format) -> Responder {
        Responder::new(Lang::En, format, HeaderMap::new(), "id-1")
    }

    fn answer(model: &str, finish_reason: &str) -> Answer {
        let info = CompletionInfo {
            model: Some(model.into()),
            finish_reason: Some(finish_reason.into()),
            usage: None,
        };
        Answer { text: "a".into(), info }
    }

    fn body(response: &Response<Vec<u8>>) -> &str {
        str::from_utf8(response.body()).unwrap()
    }

    #[test]
    fn every_response_has_the_common_headers() {
        let responder = responder(Format::Text);
        for response in [
            responder.answer(answer("m-1", "stop"), "m"),
            responder.failure(&Failure::Token),
            responder.empty(StatusCode::NO_CONTENT),
        ] {
            let headers = response.headers();
            assert_eq!(headers[CACHE_CONTROL], "no-store");
            assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
            assert_eq!(headers[REFERRER_POLICY], "no-referrer");
            assert_eq!(headers[VARY], "Accept, Origin");
            assert_eq!(headers[X_REQUEST_ID], "id-1");
        }
    }

    #[test]
    fn answer_has_its_content_type_and_model() {
        for format in Format::ALL {
            let response = responder(format).answer(answer("m-1", "stop"), "m");
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(response.headers()[CONTENT_TYPE], format.content_type());
            assert_eq!(response.headers()[X_MODEL], "m-1");
            assert!(!response.headers().contains_key(X_FINISH_REASON));
        }
    }

    #[test]
    fn unusual_finish_reason_is_a_header() {
        let mut cut = answer("m-1", "length");
        cut.info.model = None;
        let response = responder(Format::Text).answer(cut, "requested");
        assert_eq!(response.headers()[X_FINISH_REASON], "length");
        assert_eq!(response.headers()[X_MODEL], "requested");
    }

    #[test]
    fn model_header_is_visible_ascii_and_limited() {
        let model = format!("模型\r\nx: {}", "y".repeat(200));
        let response = responder(Format::Text).answer(answer(&model, "stop"), "m");
        let model = response.headers()[X_MODEL].to_str().unwrap();
        assert!(model.starts_with("x:y") && model.len() == MAX_VALUE);
    }

    #[test]
    fn failure_is_text_or_an_object() {
        let response = responder(Format::Text).failure(&Failure::Token);
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()[X_ERROR_CODE], "token");
        assert_eq!(response.headers()[WWW_AUTHENTICATE], "Bearer");
        assert!(body(&response).starts_with("The token is missing"));

        let rate = Failure::Rate { retry_after: Duration::from_secs(9) };
        let response = responder(Format::Json).failure(&rate);
        assert_eq!(response.headers()[RETRY_AFTER], "9");
        let object: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!((&object["code"], &object["error"]), (&json!("rate"), &object["message"]));

        let response = responder(Format::Text).failure(&Failure::MethodNotAllowed);
        assert_eq!(response.headers()[ALLOW], METHODS);
    }
}
