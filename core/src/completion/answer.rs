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

impl CompletionInfo {
    /// Returns the finish reason if it is not `stop`.
    pub fn unusual_finish_reason(&self) -> Option<&str> {
        self.finish_reason.as_deref().filter(|reason| *reason != "stop")
    }
}
