//! The replies of an upstream for OpenAI's chat completions, as bytes.
//!
//! ```
//! use testkit::{chat, http};
//!
//! assert!(chat::completion("Yes.").starts_with(b"HTTP/1.1 200 "));
//! assert!(chat::error(401, "invalid_api_key", "no").starts_with(b"HTTP/1.1 401 "));
//! let stream = [chat::STREAM, &chat::piece("Ye"), &chat::piece("s."), chat::END].concat();
//! assert!(stream.ends_with("data: [DONE]\n\n\r\n0\r\n\r\n"));
//! ```

use serde_json::{Value, json};

use crate::http::{chunk, json_response};

/// The model of every reply.
pub const MODEL: &str = "canned-model";

/// The head of a stream of events in chunks.
pub const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
    transfer-encoding: chunked\r\n\r\n";

/// The event that ends a stream.
pub const DONE: &str = "data: [DONE]\n\n";

/// The event that ends a stream, as the last piece of a chunked body.
pub const END: &str = "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n";

/// A complete answer as JSON.
pub fn completion(content: impl Into<Value>) -> Vec<u8> {
    let content = content.into();
    let message = json!({"role": "assistant", "content": content, "refusal": null});
    json_response(
        200,
        &json!({
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": MODEL,
            "choices": [
                {"index": 0, "message": message, "logprobs": null, "finish_reason": "stop"},
            ],
            "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8},
        }),
    )
}

/// A complete reply with this as its only choice.
pub fn choice(choice: Value) -> Vec<u8> {
    json_response(200, &json!({"model": MODEL, "choices": [choice]}))
}

/// An error object as OpenAI writes it.
pub fn error(status: u16, code: &str, message: &str) -> Vec<u8> {
    let kind = if status < 500 { "invalid_request_error" } else { "server_error" };
    let error = json!({"message": message, "type": kind, "param": null, "code": code});
    json_response(status, &json!({"error": error}))
}

/// An event of a stream with this text.
pub fn event(text: &str) -> String {
    let choice = json!({"index": 0, "delta": {"content": text}});
    format!("data: {}\n\n", json!({"model": MODEL, "choices": [choice]}))
}

/// The last chunks of a stream: the finish reason and the usage, and the end.
pub fn finish() -> String {
    let finish = json!({"index": 0, "delta": {}, "finish_reason": "stop"});
    let usage = json!({"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8});
    chunk(&format!("data: {}\n\n", json!({"choices": [finish], "usage": usage}))) + END
}

/// The event as one chunk.
pub fn piece(text: &str) -> String {
    chunk(&event(text))
}
