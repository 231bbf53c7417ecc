//! The answer of a model.

use serde_json::Value;

/// The answer of a model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// The text, unchanged.
    pub text: String,
    /// The facts beside the text.
    pub info: CompletionInfo,
}

/// The facts that an upstream gives beside an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CompletionInfo {
    /// The model, by the upstream's name for it.
    pub model: Option<String>,
    /// The reason why the answer ended: `stop`, `length`, …, or `deadline` for our own.
    pub finish_reason: Option<String>,
    /// The token counts, as the upstream sent them.
    pub usage: Option<Value>,
}

/// Finish reasons of a model that just stopped: OpenAI's, and those of servers and other APIs.
const STOP: &[&str] = &["stop", "eos", "eos_token", "end_turn", "stop_sequence"];

impl CompletionInfo {
    /// Returns the finish reason if the model did not just stop.
    pub fn unusual_finish_reason(&self) -> Option<&str> {
        let is_stop = |reason: &str| STOP.iter().any(|stop| reason.eq_ignore_ascii_case(stop));
        self.finish_reason.as_deref().filter(|reason| !is_stop(reason))
    }
}
