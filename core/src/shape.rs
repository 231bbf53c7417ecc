//! How an answer is shown: what the caller asks for and can read.

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};

use crate::lang::preferred;

/// How an answer is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// The answer and nothing else.
    #[default]
    Text,
    /// One object that the deep-chat, n8n and Flowise widgets read alike.
    Json,
    /// Server-sent events.
    Sse,
    /// n8n's lines of JSON.
    Ndjson,
}

impl Shape {
    /// The shape that `?format=` names.
    pub fn of_format(format: &str) -> Option<Self> {
        match format {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            "sse" => Some(Self::Sse),
            "ndjson" => Some(Self::Ndjson),
            _ => None,
        }
    }

    /// The shape that the headers ask for: by `Accept`, else JSON for who sends JSON, else text. n8n's chat reads
    /// lines where it accepts plain text.
    pub fn of_headers(headers: &HeaderMap, n8n_message: bool) -> Self {
        let types = [
            ("text/plain", if n8n_message { Self::Ndjson } else { Self::Text }),
            ("application/json", Self::Json),
            ("text/event-stream", Self::Sse),
            ("application/x-ndjson", Self::Ndjson),
        ];
        let shape = |range: &str| {
            types.iter().find(|(name, _)| range.eq_ignore_ascii_case(name)).map(|(_, shape)| *shape)
        };
        preferred(headers, ACCEPT, shape).unwrap_or_else(|| match media_type(headers).as_deref() {
            Some("application/json") => Self::Json,
            _ => Self::Text,
        })
    }

    /// The content type of an answer in this shape.
    pub fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Text => "text/plain; charset=utf-8",
            Self::Json => "application/json",
            Self::Sse => "text/event-stream",
            Self::Ndjson => "application/x-ndjson",
        })
    }
}

/// The media type of the body, in lower case, without parameters.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let media_type = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    (!media_type.is_empty()).then_some(media_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(accept: &str, content_type: &str, n8n_message: bool, shape: Shape) {
        let mut headers = HeaderMap::new();
        for (name, value) in [(ACCEPT, accept), (CONTENT_TYPE, content_type)] {
            if !value.is_empty() {
                headers.insert(name, value.parse().unwrap());
            }
        }
        assert_eq!(Shape::of_headers(&headers, n8n_message), shape, "{accept} {content_type}");
    }

    #[test]
    fn the_best_of_what_is_accepted_counts() {
        check("", "", false, Shape::Text);
        check("*/*", "", false, Shape::Text);
        check(
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "",
            false,
            Shape::Text,
        );
        check("application/json", "", false, Shape::Json);
        check("application/json, text/plain, */*", "", false, Shape::Json);
        check("text/plain;q=0.5, text/event-stream", "", false, Shape::Sse);
        check("application/json;q=0, text/plain", "", false, Shape::Text);
        check("Application/X-NDJSON; charset=utf-8", "", false, Shape::Ndjson);
        check("text/html", "application/json; charset=utf-8", false, Shape::Json);
        check("text/plain", "application/json", false, Shape::Text);
        check("text/plain", "application/json", true, Shape::Ndjson);
        check("*/*", "application/json", true, Shape::Json);
    }
}
