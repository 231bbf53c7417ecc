//! The formats of an answer.

use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue};

use crate::accept::{is_json, media_type, preferred};

/// The format of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// The bare answer.
    #[default]
    Text,
    /// An object that the deep-chat, n8n and Flowise widgets all read.
    Json,
    /// Server-sent events.
    Sse,
    /// The JSON lines of n8n's chat.
    Ndjson,
}

/// A chat client that shows by its request what it reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChatClient {
    /// Any other client.
    #[default]
    Other,
    /// n8n's chat, with a question. It reads lines if it accepts text.
    N8n,
    /// deep-chat, with files.
    DeepChat,
    /// `useChat` of Vercel's AI SDK. Its text transport names no format, and shows every byte.
    AiSdk,
}

impl Format {
    /// Every format. Parsing, sentences, tests and documents go by this list.
    pub const ALL: [Self; 4] = [Self::Text, Self::Json, Self::Sse, Self::Ndjson];

    /// Returns the name in `?format=`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Sse => "sse",
            Self::Ndjson => "ndjson",
        }
    }

    /// Returns the media type in `Accept`.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain",
            Self::Json => "application/json",
            Self::Sse => "text/event-stream",
            Self::Ndjson => "application/x-ndjson",
        }
    }

    /// Returns the `Content-Type` of an answer.
    pub fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Text => "text/plain; charset=utf-8",
            other => other.media_type(),
        })
    }

    /// Returns the format of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// Returns the format that the headers ask for: by `Accept`, else JSON for a JSON request,
    /// else text.
    pub fn from_headers(headers: &HeaderMap, client: ChatClient) -> Self {
        let by_range = |range: &str| {
            Self::ALL.into_iter().find(|format| range.eq_ignore_ascii_case(format.media_type()))
        };
        match preferred(headers, ACCEPT, by_range) {
            Some(Self::Text) if client == ChatClient::N8n => Self::Ndjson,
            Some(format) => format,
            None if client == ChatClient::AiSdk => Self::Text,
            None if client == ChatClient::DeepChat => Self::Json,
            None if media_type(headers).is_some_and(|media_type| is_json(&media_type)) => {
                Self::Json
            }
            None => Self::Text,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::header::CONTENT_TYPE;

    use super::ChatClient::*;
    use super::*;

    #[track_caller]
    fn check(accept: &str, content_type: &str, client: ChatClient, format: Format) {
        let mut headers = HeaderMap::new();
        for (name, value) in [(ACCEPT, accept), (CONTENT_TYPE, content_type)] {
            if !value.is_empty() {
                headers.insert(name, value.parse().unwrap());
            }
        }
        let found = Format::from_headers(&headers, client);
        assert_eq!(found, format, "{accept} {content_type}");
    }

    #[test]
    fn highest_weight_in_accept_wins() {
        check("", "", Other, Format::Text);
        check("*/*", "", Other, Format::Text);
        check(
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "",
            Other,
            Format::Text,
        );
        check("application/json", "", Other, Format::Json);
        check("application/json, text/plain, */*", "", Other, Format::Json);
        check("text/plain;q=0.5, text/event-stream", "", Other, Format::Sse);
        check("application/json;q=0, text/plain", "", Other, Format::Text);
        check("Application/X-NDJSON; charset=utf-8", "", Other, Format::Ndjson);
        check("text/html", "application/json; charset=utf-8", Other, Format::Json);
        check("text/plain", "application/json", Other, Format::Text);
        check("text/plain", "application/json", N8n, Format::Ndjson);
        check("*/*", "application/json", N8n, Format::Json);
        check("application/json, text/plain", "", N8n, Format::Json);
        check("*/*", "application/json", AiSdk, Format::Text);
        check("", "multipart/form-data", DeepChat, Format::Json);
        check("text/event-stream", "multipart/form-data", DeepChat, Format::Sse);
        check("application/json", "application/json", AiSdk, Format::Json);
    }

    #[test]
    fn every_format_is_found_by_its_name_and_type() {
        for format in Format::ALL {
            assert_eq!(Format::from_name(format.name()), Some(format));
            check(format.media_type(), "", Other, format);
        }
        assert_eq!(Format::from_name("xml"), None);
    }
}
