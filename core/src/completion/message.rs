//! The messages of a conversation.

use serde::Serialize;

/// The author of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions to the model.
    System,
    /// The person who asks.
    User,
    /// The model.
    Assistant,
}

/// A message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    /// Author.
    pub role: Role,
    /// Text, trimmed. Empty only in a message that is rejected later.
    pub content: String,
}

impl Message {
    /// Creates a message of the user.
    pub fn user(content: &str) -> Self {
        Self { role: Role::User, content: content.to_owned() }
    }
}
