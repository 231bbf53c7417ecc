//! The body of a request to the question endpoint.

use std::borrow::Cow;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::multipart;
use crate::accept::{is_json, media_type};
use crate::failure::Failure;
use crate::json;
use crate::lang::Localized;
use crate::query::{NotUtf8, Query};

/// A parsed body.
#[derive(Debug)]
pub(super) enum Body {
    /// No body, or only blanks.
    Empty,
    /// A JSON object.
    Object(Map<String, Value>),
    /// The messages and files of deep-chat, as a JSON object.
    DeepChatForm(Map<String, Value>),
    /// Text, or a JSON string.
    Text(String),
    /// A form.
    Form(Query),
}

impl Body {
    /// Parses a body by its content type.
    ///
    /// Fails if the body is invalid, or has a content type that holds no question.
    pub(super) fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Self, Failure> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::Empty);
        }
        match media_type(headers).as_deref() {
            Some(media_type) if is_json(media_type) || media_type.ends_with("+json") => {
                Self::json(&text(headers, body)?)
            }
            Some("application/x-www-form-urlencoded") => Self::form(&text(headers, body)?),
            Some("text/plain") => Self::text(&text(headers, body)?),
            Some("multipart/form-data") => multipart::read_messages(&content_type(headers), body)
                .map(Self::DeepChatForm)
                .ok_or(Failure::UnsupportedMediaType),
            Some(_) => Err(Failure::UnsupportedMediaType),
            None => {
                let text = text(headers, body)?;
                match text.trim_start().starts_with(['{', '[', '"']) {
                    true => Self::json(&text),
                    false => Self::text(&text),
                }
            }
        }
    }

    fn text(text: &str) -> Result<Self, Failure> {
        match text.trim() {
            "" => Ok(Self::Empty),
            // UTF-16 without a label and a byte order mark, or a binary file.
            text if text.contains('\0') => {
                Err(unreadable("its text has NUL characters", "文本里有 NUL 字符"))
            }
            text => Ok(Self::Text(text.to_owned())),
        }
    }

    fn json(text: &str) -> Result<Self, Failure> {
        match json::from_slice(text.as_bytes()) {
            Ok(Value::Object(object)) => Ok(Self::Object(object)),
            Ok(Value::String(text)) => Ok(Self::Text(text)),
            Ok(_) => Err(unreadable(
                "its JSON is neither an object nor a string",
                "JSON 既不是对象也不是字符串",
            )),
            Err(_) => Err(unreadable("it is not valid JSON", "不是合法的 JSON")),
        }
    }

    /// Parses a form. `curl -d` labels everything as a form, so it may also be a JSON object or the
    /// bare question.
    fn form(body: &str) -> Result<Self, Failure> {
        if body.trim().is_empty() {
            return Ok(Self::Empty);
        }
        if body.starts_with('{')
            && let Ok(Value::Object(object)) = json::from_slice(body.as_bytes())
        {
            return Ok(Self::Object(object));
        }
        // An encoded form has no blanks and no characters beyond ASCII.
        let is_typed = body.contains(|char: char| char.is_whitespace() || !char.is_ascii());
        if body.contains(['=', '&']) {
            let form = Query::parse(body.as_bytes())?;
            return Ok(match is_typed && form.question().is_none() {
                true => Self::Text(body.to_owned()),
                false => Self::Form(form),
            });
        }
        if is_typed {
            return Ok(Self::Text(body.to_owned()));
        }
        // `curl --data-urlencode` encodes a space as %20, so a + is a plus.
        let decoded = percent_decode_str(body).decode_utf8().map_err(|_| NotUtf8)?;
        Ok(Self::Text(decoded.into_owned()))
    }

    /// Returns whether a message has its text in `parts`, as only the AI SDK writes it.
    pub(super) fn has_message_parts(&self) -> bool {
        let Self::Object(object) = self else { return false };
        let messages = object.get("messages").and_then(Value::as_array);
        messages.is_some_and(|messages| messages.iter().any(|message| message["parts"].is_array()))
    }

    /// Returns n8n's `action` from a JSON body.
    pub(super) fn action(&self) -> Option<&str> {
        match self {
            Self::Object(object) => object.get("action")?.as_str(),
            _ => None,
        }
    }
}

/// Returns the text of a body without its byte order mark. It is UTF-8, or UTF-16 if a byte order
/// mark or the `charset` says so.
fn text<'a>(headers: &HeaderMap, body: &'a [u8]) -> Result<Cow<'a, str>, NotUtf8> {
    let content_type = content_type(headers).to_ascii_lowercase();
    let charset = content_type.split(';').find_map(|part| part.trim().strip_prefix("charset="));
    let charset = charset.unwrap_or_default().trim_matches('"');
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let (units, rest) = bytes.as_chunks();
        let text = char::decode_utf16(units.iter().copied().map(unit)).collect::<Result<_, _>>();
        text.ok().filter(|_| rest.is_empty()).map(Cow::Owned).ok_or(NotUtf8)
    };
    match (body, charset) {
        // Editors on Windows start a file with a byte order mark.
        ([0xEF, 0xBB, 0xBF, text @ ..], _) => {
            str::from_utf8(text).map(Cow::Borrowed).map_err(|_| NotUtf8)
        }
        ([0xFF, 0xFE, text @ ..], _) => utf16(text, u16::from_le_bytes),
        ([0xFE, 0xFF, text @ ..], _) => utf16(text, u16::from_be_bytes),
        (text, "utf-16le") => utf16(text, u16::from_le_bytes),
        // Without a byte order mark, UTF-16 is big-endian (RFC 2781, 4.3).
        (text, "utf-16be" | "utf-16") => utf16(text, u16::from_be_bytes),
        (text, _) => str::from_utf8(text).map(Cow::Borrowed).map_err(|_| NotUtf8),
    }
}

fn content_type(headers: &HeaderMap) -> Cow<'_, str> {
    String::from_utf8_lossy(headers.get(CONTENT_TYPE).map_or(&[], HeaderValue::as_bytes))
}

pub(super) fn unreadable(en: &'static str, zh: &'static str) -> Failure {
    Failure::BodyUnreadable(Localized::new(en, zh))
}
