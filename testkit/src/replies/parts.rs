//! Texts and chunks that many rows share.

/// The usual answer.
pub(super) const SKY: &str = "The sky is blue.";

/// The usual answer, as JSON.
pub(super) const JSON: &str =
    r#"{"choices":[{"message":{"content":"The sky is blue."},"finish_reason":"stop"}]}"#;

/// The last chunk of a stream.
pub(super) const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;

/// The data of the event that ends a stream.
pub(super) const DONE: &str = "[DONE]";

/// A chunk with this content.
pub(super) fn delta(content: &str) -> String {
    format!(
        r#"{{"choices":[{{"index":0,"delta":{{"content":"{content}"}},"finish_reason":null}}]}}"#
    )
}

/// A chunk with this content as a message.
pub(super) fn message(content: &str) -> String {
    format!(
        r#"{{"choices":[{{"index":0,"message":{{"role":"assistant","content":"{content}"}}}}]}}"#
    )
}
