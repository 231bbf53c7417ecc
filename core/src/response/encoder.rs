//! The formats of an answer on the wire.

use serde::Serialize;
use serde_json::{Value, json};

use crate::completion::{Answer, CompletionInfo};
use crate::failure::Failure;
use crate::format::Format;
use crate::lang::Lang;

/// Encodes a streamed answer piece by piece. JSON has no pieces: see [`AnswerEncoder::whole`].
#[derive(Debug)]
pub struct AnswerEncoder {
    format: Format,
    id: u64,
}

impl AnswerEncoder {
    /// Creates an encoder for a new answer.
    pub fn new(format: Format) -> Self {
        Self { format, id: 0 }
    }

    /// Encodes an answer that is complete.
    pub fn whole(format: Format, answer: Answer, requested_model: &str) -> Vec<u8> {
        match format {
            Format::Text => answer.text.into_bytes(),
            Format::Json => json_object(&answer, requested_model),
            Format::Sse | Format::Ndjson => {
                let mut encoder = Self::new(format);
                let mut bytes = encoder.start();
                bytes.extend(encoder.piece(&answer.text));
                bytes.extend(encoder.finish(&answer.info));
                bytes
            }
        }
    }

    /// Returns the bytes before the first piece.
    pub fn start(&self) -> Vec<u8> {
        match self.format {
            Format::Ndjson => line(&json!({"type": "begin"})),
            Format::Text | Format::Json | Format::Sse => Vec::new(),
        }
    }

    /// Encodes a piece of the answer. An empty piece has no bytes.
    pub fn piece(&mut self, text: &str) -> Vec<u8> {
        if text.is_empty() {
            return Vec::new();
        }
        self.id += 1;
        match self.format {
            Format::Text | Format::Json => text.as_bytes().to_vec(),
            Format::Sse => {
                format!("id: {}\ndata: {}\n\n", self.id, json!({"text": text})).into_bytes()
            }
            Format::Ndjson => line(&json!({"type": "item", "content": text})),
        }
    }

    /// Returns the bytes after the last piece. They tell a finish reason other than `stop`.
    pub fn finish(&self, info: &CompletionInfo) -> Vec<u8> {
        let reason = info.unusual_finish_reason();
        match (self.format, reason) {
            (Format::Text | Format::Json, _) => Vec::new(),
            (Format::Sse, None) => b"data: [DONE]\n\n".to_vec(),
            (Format::Sse, Some(reason)) => {
                // The empty text keeps clients working that append the text of every event.
                let event = json!({"text": "", "finish_reason": reason});
                format!("data: {event}\n\ndata: [DONE]\n\n").into_bytes()
            }
            (Format::Ndjson, None) => line(&json!({"type": "end"})),
            (Format::Ndjson, Some(reason)) => {
                line(&json!({"type": "end", "finish_reason": reason}))
            }
        }
    }

    /// Encodes a failure after the first piece.
    ///
    /// Returns `None` for text, which cannot carry it: the connection must be aborted.
    pub fn failure(&self, failure: &Failure, lang: Lang) -> Option<Vec<u8>> {
        let message = failure.message(lang);
        match self.format {
            Format::Text | Format::Json => None,
            Format::Sse => Some(format!("data: {}\n\n", json!({"error": message})).into_bytes()),
            Format::Ndjson => Some(line(&json!({"type": "error", "content": message}))),
        }
    }

    /// Returns the keep-alive for an idle stream. Only server-sent events have one.
    pub fn keep_alive(&self) -> Option<&'static [u8]> {
        (self.format == Format::Sse).then_some(b": keep-alive\n\n")
    }
}

fn json_object(answer: &Answer, requested_model: &str) -> Vec<u8> {
    #[derive(Serialize)]
    struct Object<'a> {
        text: &'a str,
        output: &'a str,
        model: &'a str,
        finish_reason: Option<&'a str>,
        usage: Option<&'a Value>,
    }
    let object = Object {
        text: &answer.text,
        output: &answer.text,
        model: answer.info.model.as_deref().unwrap_or(requested_model),
        finish_reason: answer.info.finish_reason.as_deref(),
        usage: answer.info.usage.as_ref(),
    };
    // Cannot fail: strings and JSON values with text keys are written into memory.
    serde_json::to_vec(&object).unwrap_or_default()
}

fn line(value: &Value) -> Vec<u8> {
    format!("{value}\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str, finish_reason: &str) -> Answer {
        let info = CompletionInfo {
            model: Some("m-1".into()),
            finish_reason: Some(finish_reason.into()),
            usage: Some(json!({"total_tokens": 3})),
        };
        Answer { text: text.into(), info }
    }

    #[track_caller]
    fn check(format: Format, answer: Answer, expected: &str) {
        let bytes = AnswerEncoder::whole(format, answer, "m");
        assert_eq!(String::from_utf8(bytes).unwrap(), expected, "{format:?}");
    }

    #[test]
    fn answer_is_encoded_in_each_format() {
        check(Format::Text, answer("<b>\n", "stop"), "<b>\n");
        check(
            Format::Json,
            answer("a", "stop"),
            r#"{"text":"a","output":"a","model":"m-1","finish_reason":"stop","usage":{"total_tokens":3}}"#,
        );
        check(
            Format::Sse,
            answer("a\nb", "stop"),
            "id: 1\ndata: {\"text\":\"a\\nb\"}\n\ndata: [DONE]\n\n",
        );
        check(
            Format::Ndjson,
            answer("a", "stop"),
            "{\"type\":\"begin\"}\n{\"content\":\"a\",\"type\":\"item\"}\n{\"type\":\"end\"}\n",
        );
    }

    #[test]
    fn unusual_finish_reason_is_told_at_the_end() {
        let cut = || answer("a", "length");
        check(Format::Text, cut(), "a");
        let bytes = AnswerEncoder::whole(Format::Sse, cut(), "m");
        let expected = "data: {\"finish_reason\":\"length\",\"text\":\"\"}\n\ndata: [DONE]\n\n";
        assert!(String::from_utf8(bytes).unwrap().ends_with(expected));
        let bytes = AnswerEncoder::whole(Format::Ndjson, cut(), "m");
        let expected = "{\"finish_reason\":\"length\",\"type\":\"end\"}\n";
        assert!(String::from_utf8(bytes).unwrap().ends_with(expected));
    }

    #[test]
    fn failure_in_a_stream_is_an_event_but_not_in_text() {
        let failure = |format, lang| {
            let bytes = AnswerEncoder::new(format).failure(&Failure::Deadline, lang)?;
            Some(String::from_utf8(bytes).unwrap())
        };
        assert_eq!(failure(Format::Text, Lang::En), None);
        let event = failure(Format::Sse, Lang::Zh).unwrap();
        assert!(event.starts_with("data: {\"error\":\"在时限内") && event.ends_with("}\n\n"));
        let line: Value =
            serde_json::from_str(&failure(Format::Ndjson, Lang::En).unwrap()).unwrap();
        assert_eq!(line["type"], "error");
    }
}
