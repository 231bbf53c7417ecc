//! The JSON of a completion and of a chunk of a stream.
//!
//! Upstreams differ, so a member of an unexpected type counts as missing. An object is never read
//! from a list by position, as derived structs would do.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::reported_error::{is_error, is_failed_base_resp};
use crate::json;

/// A whole completion, or a chunk of a stream. Each member may be missing or null.
#[derive(Default, Deserialize)]
pub(super) struct Chunk {
    #[serde(default)]
    pub(super) model: Option<Value>,
    #[serde(default)]
    pub(super) choices: Choices,
    #[serde(default)]
    pub(super) usage: Option<Value>,
    #[serde(default)]
    error: Option<Value>,
    /// MiniMax's status.
    #[serde(default)]
    base_resp: Option<Value>,
}

impl Chunk {
    /// Returns whether an error stands beside the choices.
    pub(super) fn reports_error(&self) -> bool {
        self.error.as_ref().is_some_and(is_error)
            || self.base_resp.as_ref().is_some_and(is_failed_base_resp)
    }
}

/// Reads an object. Returns `None` for anything else.
pub(super) fn from_slice(json: &[u8]) -> Option<Chunk> {
    if !json.starts_with(b"{") {
        return None;
    }
    // A derived struct rejects a member that comes twice. Of a `Value`, the last one counts.
    let from_value = |_| serde_json::from_value(json::from_slice(json)?);
    json::from_slice(json).or_else(from_value).ok()
}

#[derive(Default, Deserialize)]
pub(super) struct Choice {
    /// Position among the choices. Only the first one is read.
    #[serde(default)]
    index: Option<Value>,
    /// The message of a whole completion. Some upstreams send it in chunks.
    #[serde(default)]
    pub(super) message: Object<Part>,
    /// The new part of a chunk.
    #[serde(default)]
    pub(super) delta: Object<Part>,
    #[serde(default)]
    finish_reason: Option<Value>,
    #[serde(default)]
    error: Option<Value>,
}

impl Choice {
    /// Returns the finish reason, if it says anything.
    pub(super) fn finish_reason(&self) -> Option<&str> {
        let reason = self.finish_reason.as_ref().and_then(Value::as_str)?;
        let is_none = |none: &&str| reason.trim().eq_ignore_ascii_case(none);
        // `None` is null in Python, and the last one is Google's zero.
        let none = ["", "null", "none", "finish_reason_unspecified"];
        (!none.iter().any(is_none)).then_some(reason)
    }

    /// Returns the error in the choice or in its text.
    pub(super) fn error(&self) -> Option<&Value> {
        let parts = [&self.delta, &self.message].into_iter().filter_map(|part| part.0.as_ref());
        let errors = [&self.error].into_iter().chain(parts.map(|part| &part.error));
        errors.flatten().find(|error| is_error(error))
    }
}

#[derive(Default, Deserialize)]
pub(super) struct Part {
    #[serde(default)]
    pub(super) content: Text,
    #[serde(default)]
    pub(super) refusal: Text,
    #[serde(default)]
    error: Option<Value>,
}

impl Part {
    /// Returns whether there is a content or a refusal.
    pub(super) fn has_text(&self) -> bool {
        [&self.content, &self.refusal]
            .iter()
            .any(|text| text.0.as_ref().is_some_and(|text| !text.is_empty()))
    }
}

/// Implements the methods of a [`Visitor`] for JSON types that count as missing.
macro_rules! missing {
    (scalars) => {
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }

        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }

        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }

        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }

        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
    };
    (text) => {
        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
    };
    (list) => {
        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            while items.next_element::<IgnoredAny>()?.is_some() {}
            Ok(Self::Value::default())
        }
    };
    (object) => {
        fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
            while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok(Self::Value::default())
        }
    };
}

/// An object, or `None` for any other type.
pub(super) struct Object<T>(pub(super) Option<T>);

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members)).map(|value| Object(Some(value)))
            }

            missing!(scalars);
            missing!(text);
            missing!(list);
        }

        deserializer.deserialize_any(ObjectVisitor(PhantomData))
    }
}

/// The first choice: the one of index 0, or without an index.
#[derive(Default)]
pub(super) struct Choices(pub(super) Option<Choice>);

impl<'de> Deserialize<'de> for Choices {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ChoicesVisitor;

        impl<'de> Visitor<'de> for ChoicesVisitor {
            type Value = Choices;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a list of choices")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Choices, A::Error> {
                let mut first = None;
                while let Some(Object(choice)) = items.next_element::<Object<Choice>>()? {
                    let choice = choice.unwrap_or_default();
                    let index = choice.index.as_ref().and_then(Value::as_u64).unwrap_or(0);
                    if index == 0 && first.is_none() {
                        first = Some(choice);
                    }
                }
                Ok(Choices(first))
            }

            missing!(scalars);
            missing!(text);
            missing!(object);
        }

        deserializer.deserialize_any(ChoicesVisitor)
    }
}

/// A string, or a list of content parts.
///
/// A string is taken over without a copy, because answers can be large.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Text(pub(super) Option<String>);

impl Text {
    /// Returns the text if it is not empty.
    pub(super) fn non_empty(self) -> Option<String> {
        self.0.filter(|text| !text.is_empty())
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a string or a list of content parts")
            }

            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text(Some(text.to_owned())))
            }

            fn visit_string<E>(self, text: String) -> Result<Text, E> {
                Ok(Text(Some(text)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Text, A::Error> {
                let mut joined = None;
                while let Some(part) = parts.next_element::<Value>()? {
                    let text = match part["type"].as_str().unwrap_or("text") {
                        "text" | "output_text" => part["text"].as_str().or(part.as_str()),
                        "refusal" => part["refusal"].as_str(),
                        _ => None,
                    };
                    if let Some(text) = text {
                        joined.get_or_insert_with(String::new).push_str(text);
                    }
                }
                Ok(Text(joined))
            }

            missing!(scalars);
            missing!(object);
        }

        deserializer.deserialize_any(TextVisitor)
    }
}
