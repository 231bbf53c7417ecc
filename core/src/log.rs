//! The one line of a request in the log.

use std::borrow::Cow;

use http::{Request, Response};
use serde::Serialize;

use crate::completion::About;
use crate::reply::X_ERROR_CODE;
use crate::secret::Mask;
use crate::settings::Fault;

/// The path is cut at this length, in characters.
const LONGEST_PATH: usize = 200;

/// The platform cuts a message at this length, in bytes (its document 583/37363 on log structure).
const LONGEST_LINE: usize = 8 * 1024;

/// Most lines are shorter than this, in bytes.
const USUAL_LINE: usize = 512;

/// What is logged of a request. No header, query, question or answer, unless `ASK_LOG_TEXT` adds the last two.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Line {
    /// The id in `X-Request-Id`.
    pub request_id: String,
    /// The method; empty for an event that is no request.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The status of the reply.
    pub status: u16,
    /// The code of a failure.
    pub code: Option<String>,
    /// From the event's arrival until the reply was ready, in milliseconds.
    pub ms: u64,
    /// Of these, spent on the provider.
    pub upstream_ms: Option<u64>,
    /// How often the provider was asked.
    pub attempts: u32,
    /// The model that answered.
    pub model: Option<String>,
    /// The provider's count of tokens in the question.
    pub prompt_tokens: Option<u64>,
    /// The provider's count of tokens in the answer.
    pub completion_tokens: Option<u64>,
    /// The first request of this instance.
    pub cold: bool,
    /// The question, where `ASK_LOG_TEXT` asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// The answer, where `ASK_LOG_TEXT` asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}

impl Line {
    /// The line of this request.
    pub fn new<B>(request: &Request<B>, request_id: &str) -> Self {
        Self {
            request_id: request_id.to_owned(),
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            ..Self::default()
        }
    }

    /// Adds the status of the reply, and the code where it is a failure.
    pub fn replied<B>(&mut self, reply: &Response<B>) {
        self.status = reply.status().as_u16();
        let code = reply.headers().get(X_ERROR_CODE).and_then(|code| code.to_str().ok());
        self.code = code.map(str::to_owned);
    }

    /// Adds what the provider said of the answer.
    pub fn answered(&mut self, about: &About, asked_model: &str) {
        let tokens = |name: &str| about.usage.as_ref()?.get(name)?.as_u64();
        self.model = Some(about.model.clone().unwrap_or_else(|| asked_model.to_owned()));
        self.prompt_tokens = tokens("prompt_tokens");
        self.completion_tokens = tokens("completion_tokens");
    }

    /// The line as JSON, at most 8 KB with its end, with nothing in it that is secret.
    pub fn write(mut self, mask: &Mask) -> Vec<u8> {
        for (text, longest) in
            [(&mut self.request_id, 128), (&mut self.path, LONGEST_PATH), (&mut self.method, 32)]
        {
            text.truncate(cut(text, longest).len());
            replace(text, |text| mask.text(text));
        }
        if let Some(model) = &mut self.model {
            replace(model, |model| mask.name(model));
            model.truncate(cut(model, 128).len());
        }
        let masked = |text: &str, chars: usize| mask.text(cut(text, chars)).into_owned();
        let texts = (self.question.take(), self.answer.take());
        // A character takes at most six bytes as JSON, so that this much of both fits for sure; more is tried first.
        for longest in [3900, 1900, 900, 400] {
            self.question = texts.0.as_deref().map(|text| masked(text, longest));
            self.answer = texts.1.as_deref().map(|text| masked(text, longest));
            let line = json(&self);
            if line.len() < LONGEST_LINE {
                return line;
            }
        }
        self.question = None;
        self.answer = None;
        json(&self)
    }
}

/// So many characters of a text.
fn cut(text: &str, chars: usize) -> &str {
    text.char_indices().nth(chars).map_or(text, |(end, _)| &text[..end])
}

/// Leaves a text where it is unless something else takes its place, which is rare.
fn replace(text: &mut String, masked: impl Fn(&str) -> Cow<'_, str>) {
    if let Cow::Owned(masked) = masked(text) {
        *text = masked;
    }
}

fn json(line: &impl Serialize) -> Vec<u8> {
    let mut json = Vec::with_capacity(USUAL_LINE);
    // Writing strings and numbers into memory cannot fail.
    let _ = serde_json::to_writer(&mut json, line);
    json.push(b'\n');
    json
}

/// The line at start for a setting that cannot be used.
pub fn fault(fault: &Fault) -> Vec<u8> {
    let message = format!("{} {}", fault.variable, fault.what.en);
    json(&serde_json::json!({"level": "error", "code": "config", "message": message}))
}

/// The line before the function ends: the platform shows standard output in its log, and nothing else says why.
pub fn ended(why: &str, mask: &Mask) -> Vec<u8> {
    json(&serde_json::json!({"level": "error", "message": mask.text(why)}))
}

/// The line at start where no token is set.
pub fn open() -> Vec<u8> {
    let message = "anybody who finds the address may ask: set ASK_TOKEN or ASK_PUBLIC_TOKEN";
    json(&serde_json::json!({"level": "warning", "message": message}))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::secret::Secret;

    fn line(path: &str) -> Line {
        Line::new(&Request::get(path).body(()).unwrap(), "id")
    }

    #[test]
    fn a_line_holds_what_is_documented_and_no_query() {
        let mut line = line("/ask?question=secret");
        line.answered(&About { usage: Some(json!({"prompt_tokens": 3})), ..About::default() }, "m");
        let written: Value = serde_json::from_slice(&line.write(&Mask::default())).unwrap();
        let expected = json!({
            "request_id": "id", "method": "GET", "path": "/ask", "status": 0, "code": null, "ms": 0,
            "upstream_ms": null, "attempts": 0, "model": "m", "prompt_tokens": 3, "completion_tokens": null,
            "cold": false,
        });
        assert_eq!(written, expected);
    }

    #[test]
    fn a_secret_in_the_path_is_masked_and_the_path_cut() {
        let mask = Mask::new([Secret::new("hush-hush-99".into())]);
        let written = line(&format!("/hush-hush-99/{}", "x".repeat(300))).write(&mask);
        let written: Value = serde_json::from_slice(&written).unwrap();
        let path = written["path"].as_str().unwrap();
        assert!(path.starts_with("/[…]/x") && path.chars().count() < LONGEST_PATH, "{path}");
    }

    #[test]
    fn the_line_fits_whatever_is_in_it() {
        for text in ["\u{1}".repeat(9000), "好".repeat(9000), "a".repeat(9000)] {
            let line = Line { question: Some(text.clone()), answer: Some(text), ..line("/") };
            let written = String::from_utf8(line.write(&Mask::default())).unwrap();
            assert!(
                written.len() <= LONGEST_LINE && written.contains("question"),
                "{}",
                written.len()
            );
        }
    }
}
