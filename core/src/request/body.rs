//! The body of a request to the question endpoint.

use http::HeaderMap;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::accept::media_type;
use crate::failure::Failure;
use crate::lang::Localized;
use crate::query::{NotUtf8, Query};

/// A parsed body.
#[derive(Debug)]
pub(super) enum Body {
    /// No body, or only blanks.
    Empty,
    /// A JSON object.
    Object(Map<String, Value>),
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
        // Editors on Windows start a file with a byte order mark.
        let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::Empty);
        }
        match media_type(headers).as_deref() {
            Some(json) if json == "application/json" || json.ends_with("+json") => Self::json(body),
            Some("application/x-www-form-urlencoded") => Self::form(text(body)?),
            Some("text/plain") => Ok(Self::Text(text(body)?.to_owned())),
            Some(_) => Err(Failure::UnsupportedMediaType),
            None => match body.trim_ascii_start().first() {
                Some(b'{' | b'[' | b'"') => Self::json(body),
                _ => Ok(Self::Text(text(body)?.to_owned())),
            },
        }
    }

    fn json(body: &[u8]) -> Result<Self, Failure> {
        match serde_json::from_str(text(body)?) {
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
        if body.starts_with('{')
            && let Ok(Value::Object(object)) = serde_json::from_str(body)
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

    /// Returns n8n's `action` from a JSON body.
    pub(super) fn action(&self) -> Option<&str> {
        match self {
            Self::Object(object) => object.get("action")?.as_str(),
            _ => None,
        }
    }
}

fn text(body: &[u8]) -> Result<&str, NotUtf8> {
    str::from_utf8(body).map_err(|_| NotUtf8)
}

pub(super) fn unreadable(en: &'static str, zh: &'static str) -> Failure {
    Failure::BodyUnreadable(Localized::new(en, zh))
}
