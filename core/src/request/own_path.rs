//! The paths that the functions answer themselves.

use crate::path::segments;

/// A path of the Web function. All others are the upstream's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnPath {
    /// The question endpoint.
    Question,
    /// The health check.
    Health,
    /// A file that browsers and robots ask for.
    File(OwnFile),
}

/// A file that browsers and robots ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnFile {
    /// The script of the chat widget.
    Widget,
    /// The module that the widget loads when it is opened.
    Chat,
    /// `robots.txt`, which disallows all.
    Robots,
    /// An icon. There is none.
    Icon,
}

impl OwnPath {
    /// Returns the function's own path, or `None` for a path of the upstream.
    ///
    /// Repeated slashes, a slash at the end and a leading stage of a gateway do not count.
    pub fn parse(path: &str) -> Option<Self> {
        let mut segments = segments(path);
        match (segments.next(), segments.next()) {
            (None | Some("ask"), None) => Some(Self::Question),
            (Some("healthz"), None) => Some(Self::Health),
            (Some(name), None) => OwnFile::from_name(name).map(Self::File),
            (_, Some(_)) => None,
        }
    }
}

impl OwnFile {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "widget.js" => Some(Self::Widget),
            "chat.js" => Some(Self::Chat),
            "robots.txt" => Some(Self::Robots),
            "favicon.ico" => Some(Self::Icon),
            icon if icon.starts_with("apple-touch-icon") => Some(Self::Icon),
            _ => None,
        }
    }

    /// Returns the file that the last segment names. A gateway may add segments before it.
    pub(super) fn from_path(path: &str) -> Option<Self> {
        Self::from_name(segments(path).last()?)
    }
}

/// Returns whether a path is one of OpenAI's API. The event function does not serve it.
pub(super) fn is_openai_path(path: &str) -> bool {
    let mut below_v1 = segments(path).skip_while(|segment| *segment != "v1").skip(1).peekable();
    let is_below = below_v1.peek().is_some();
    let last = below_v1.last().unwrap_or_default();
    is_below && ["completions", "responses", "embeddings", "models"].contains(&last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_paths_are_few() {
        for (path, expected) in [
            ("/", OwnPath::Question),
            ("", OwnPath::Question),
            ("//", OwnPath::Question),
            ("/ask", OwnPath::Question),
            ("/ask/", OwnPath::Question),
            ("/release/", OwnPath::Question),
            ("/test/ask", OwnPath::Question),
            ("/healthz", OwnPath::Health),
            ("/widget.js", OwnPath::File(OwnFile::Widget)),
            ("/prepub/widget.js", OwnPath::File(OwnFile::Widget)),
            ("/chat.js", OwnPath::File(OwnFile::Chat)),
            ("/robots.txt", OwnPath::File(OwnFile::Robots)),
            ("/favicon.ico", OwnPath::File(OwnFile::Icon)),
            ("/apple-touch-icon-precomposed.png", OwnPath::File(OwnFile::Icon)),
        ] {
            assert_eq!(OwnPath::parse(path), Some(expected), "{path}");
        }
        for path in ["/v1", "/v1/models", "/ask/x", "/v1/widget.js", "/release/v1", "/asks"] {
            assert_eq!(OwnPath::parse(path), None, "{path}");
        }
        assert_eq!(OwnFile::from_path("/any/widget.js"), Some(OwnFile::Widget));
    }

    #[test]
    fn openai_paths_end_in_a_known_name_below_v1() {
        for path in [
            "/v1/chat/completions",
            "/v1/completions",
            "/v1/responses/",
            "/v1/embeddings",
            "/release/v1/models",
            "/fn//v1/models",
        ] {
            assert!(is_openai_path(path), "{path}");
        }
        for path in ["/", "/v1", "/v1/ask", "/models", "/chat/completions", "/v1/models/gpt"] {
            assert!(!is_openai_path(path), "{path}");
        }
    }
}
