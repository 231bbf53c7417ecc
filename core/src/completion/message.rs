//! The messages of a conversation.

use std::borrow::Cow;

use serde::Serialize;

/// A message of a conversation. It serializes to what the upstream reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    /// Author.
    pub role: Role,
    /// Text and pictures.
    pub content: Content,
}

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

/// The content of a message. Empty only in a message that is rejected later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Content {
    /// Text, trimmed.
    Text(String),
    /// Text and pictures in their order.
    Parts(Vec<Part>),
}

/// A part of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Part {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// A picture.
    ImageUrl {
        /// The picture.
        image_url: ImageUrl,
    },
}

/// A picture of a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImageUrl {
    /// An `https` or `data` URL.
    pub url: String,
    /// OpenAI's `detail`: how closely the model looks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Message {
    /// Creates a message of the user.
    pub fn user(text: &str) -> Self {
        Self { role: Role::User, content: Content::Text(text.to_owned()) }
    }

    /// Returns the text without the pictures.
    pub fn text(&self) -> Cow<'_, str> {
        match &self.content {
            Content::Text(text) => text.into(),
            Content::Parts(parts) => parts.iter().filter_map(Part::text).collect(),
        }
    }

    /// Returns the number of pictures.
    pub fn pictures(&self) -> usize {
        match &self.content {
            Content::Text(_) => 0,
            Content::Parts(parts) => parts.iter().filter(|part| part.text().is_none()).count(),
        }
    }

    /// Returns whether there is neither text nor a picture.
    pub fn is_empty(&self) -> bool {
        self.pictures() == 0 && self.text().is_empty()
    }
}

impl Part {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text { text } => Some(text),
            Self::ImageUrl { .. } => None,
        }
    }
}
