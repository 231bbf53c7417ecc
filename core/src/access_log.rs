//! The access log: one JSON line per request, and the lines at start and end.

use std::borrow::Cow;
use std::time::Duration;

use http::{Request, Response};
use serde::Serialize;
use serde_json::json;

use crate::completion::CompletionInfo;
use crate::response::X_ERROR_CODE;
use crate::settings::{Redactor, SettingError};

/// Maximum length of a logged path, in characters.
const MAX_PATH: usize = 200;

/// Maximum length of a request id and of a model, in characters.
const MAX_NAME: usize = 128;

/// Maximum length of a method, in characters.
const MAX_METHOD: usize = 32;

/// Maximum length of a line, in bytes. The platform cuts longer messages:
/// <https://cloud.tencent.com/document/product/583/37363>
const MAX_LINE: usize = 8 * 1024;

/// The usual length of a line, in bytes. The buffer grows beyond it.
const USUAL_LINE: usize = 512;

/// The line of a request.
///
/// It has no header and no query, and no question or answer unless `ASK_LOG_TEXT` is set.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LogEntry {
    /// The id in `X-Request-Id`.
    pub request_id: String,
    /// The method. Empty for an event that is not an HTTP request.
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// The status of the response.
    pub status: u16,
    /// The code of a failure.
    pub code: Option<String>,
    /// Time from the arrival of the request to the end of the response, in milliseconds.
    pub ms: u64,
    /// Time from the first upstream request to the end of the response, in milliseconds.
    pub upstream_ms: Option<u64>,
    /// Number of upstream requests.
    pub attempts: u32,
    /// The model that answered.
    pub model: Option<String>,
    /// Tokens of the question, as counted by the upstream.
    pub prompt_tokens: Option<u64>,
    /// Tokens of the answer, as counted by the upstream.
    pub completion_tokens: Option<u64>,
    /// Set for the first request of an instance.
    pub cold: bool,
    /// The question, if `ASK_LOG_TEXT` is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// The answer, if `ASK_LOG_TEXT` is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}

impl LogEntry {
    /// Starts the line of a request.
    pub fn new<B>(request: &Request<B>, request_id: &str) -> Self {
        Self {
            request_id: request_id.to_owned(),
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            ..Self::default()
        }
    }

    /// Adds the status of the response, and the code of a failure.
    pub fn set_response<B>(&mut self, response: &Response<B>) {
        self.status = response.status().as_u16();
        let code = response.headers().get(X_ERROR_CODE).and_then(|code| code.to_str().ok());
        self.code = code.map(str::to_owned);
    }

    /// Adds the facts beside an answer.
    pub fn set_completion(&mut self, info: &CompletionInfo, requested_model: &str) {
        let tokens = |name: &str| info.usage.as_ref()?.get(name)?.as_u64();
        self.model = Some(info.model.clone().unwrap_or_else(|| requested_model.to_owned()));
        self.prompt_tokens = tokens("prompt_tokens");
        self.completion_tokens = tokens("completion_tokens");
    }

    /// Returns the line as JSON with a line feed: redacted, and at most 8 KB long.
    pub fn into_line(mut self, redactor: &Redactor) -> Vec<u8> {
        for (text, max) in [
            (&mut self.request_id, MAX_NAME),
            (&mut self.path, MAX_PATH),
            (&mut self.method, MAX_METHOD),
        ] {
            text.truncate(prefix(text, max).len());
            replace(text, |text| redactor.text(text));
        }
        if let Some(model) = &mut self.model {
            replace(model, |model| redactor.name(model));
            model.truncate(prefix(model, MAX_NAME).len());
        }
        let redacted = |text: &str, max: usize| redactor.text(prefix(text, max)).into_owned();
        let texts = (self.question.take(), self.answer.take());
        // A character takes up to six bytes in JSON, so the last of these always fits.
        for max in [3900, 1900, 900, 400] {
            self.question = texts.0.as_deref().map(|text| redacted(text, max));
            self.answer = texts.1.as_deref().map(|text| redacted(text, max));
            let line = json_line(&self);
            if line.len() < MAX_LINE {
                return line;
            }
        }
        self.question = None;
        self.answer = None;
        json_line(&self)
    }
}

/// Returns a duration in milliseconds, as lines have it.
pub fn millis(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}

/// Returns the first characters of a text.
fn prefix(text: &str, chars: usize) -> &str {
    text.char_indices().nth(chars).map_or(text, |(end, _)| &text[..end])
}

/// Replaces a text if it has to be redacted, which is rare.
fn replace(text: &mut String, redact: impl Fn(&str) -> Cow<'_, str>) {
    if let Cow::Owned(redacted) = redact(text) {
        *text = redacted;
    }
}

fn json_line(value: &impl Serialize) -> Vec<u8> {
    let mut line = Vec::with_capacity(USUAL_LINE);
    // Cannot fail: strings and numbers are written into memory.
    let _ = serde_json::to_writer(&mut line, value);
    line.push(b'\n');
    line
}

/// Returns the line at start for an invalid or missing setting.
pub fn setting_error_line(error: &SettingError) -> Vec<u8> {
    json_line(&json!({"level": "error", "code": "config", "message": error.summary().en}))
}

/// Returns the line before the function exits. The platform's log shows standard output only.
pub fn exit_line(reason: &str, redactor: &Redactor) -> Vec<u8> {
    json_line(&json!({"level": "error", "message": redactor.text(reason)}))
}

/// Returns the warning at start that no token is set.
pub fn open_line() -> Vec<u8> {
    let message = "no token is set: everyone who knows the address can ask \
                   (set ASK_TOKEN or ASK_PUBLIC_TOKEN)";
    json_line(&json!({"level": "warning", "message": message}))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::settings::Secret;

    fn entry(path: &str) -> LogEntry {
        LogEntry::new(&Request::get(path).body(()).unwrap(), "id")
    }

    #[test]
    fn line_has_the_documented_members_and_no_query() {
        let mut entry = entry("/ask?question=secret");
        let usage = Some(json!({"prompt_tokens": 3}));
        entry.set_completion(&CompletionInfo { usage, ..CompletionInfo::default() }, "m");
        let line: Value = serde_json::from_slice(&entry.into_line(&Redactor::default())).unwrap();
        let expected = json!({
            "request_id": "id", "method": "GET", "path": "/ask", "status": 0, "code": null, "ms": 0,
            "upstream_ms": null, "attempts": 0, "model": "m", "prompt_tokens": 3,
            "completion_tokens": null, "cold": false,
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn path_is_redacted_and_cut() {
        let redactor = Redactor::new([Secret::new("hush-hush-99".into())]);
        let line = entry(&format!("/hush-hush-99/{}", "x".repeat(300))).into_line(&redactor);
        let line: Value = serde_json::from_slice(&line).unwrap();
        let path = line["path"].as_str().unwrap();
        assert!(path.starts_with("/[…]/x") && path.chars().count() < MAX_PATH, "{path}");
    }

    #[test]
    fn line_fits_with_any_question_and_answer() {
        for text in ["\u{1}".repeat(9000), "好".repeat(9000), "a".repeat(9000)] {
            let entry = LogEntry { question: Some(text.clone()), answer: Some(text), ..entry("/") };
            let line = String::from_utf8(entry.into_line(&Redactor::default())).unwrap();
            assert!(line.len() <= MAX_LINE && line.contains("question"), "{}", line.len());
        }
    }
}
