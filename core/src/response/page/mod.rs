//! The ask page and the chat widget: files that are part of the program.
//!
//! The page is one document. The widget is a small script that loads the chat when it is opened.
//! `build.rs` has removed comments and indentation.

use std::sync::LazyLock;

use base64::prelude::{BASE64_STANDARD, Engine};
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_SECURITY_POLICY};
use http::{HeaderValue, Response, StatusCode};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::responder::Responder;

macro_rules! file {
    ($name:literal) => {
        include_str!(concat!(env!("OUT_DIR"), "/", $name))
    };
}

const ASK_HTML: &str = file!("ask.html");
const ASK_CSS: &str = file!("ask.css");
const ASK_JS: &str = file!("ask.js");
const PICTURES_JS: &str = file!("pictures.js");
const THEME_CSS: &str = file!("theme.css");
const CHAT_CSS: &str = file!("chat.css");
const CHAT_JS: &str = file!("chat.js");
const PROTOCOL_JS: &str = file!("protocol.js");
const MARKDOWN_CSS: &str = file!("markdown.css");
const MARKDOWN_JS: &str = file!("markdown.js");
const PANEL_CSS: &str = file!("panel.css");
const PANEL_JS: &str = file!("panel.js");
const WIDGET_CSS: &str = file!("widget.css");
const WIDGET_JS: &str = file!("widget.js");

const TITLE: &str = "<title>Ask</title>";
const BODY: &str = "<body";
const STYLE: &str = "<style>";
const SCRIPT: &str = "<script>";
/// The style of the widget, in its scripts.
const STYLE_CONSTANT: &str = "\"STYLE\"";

/// The page without its options, and its policy.
static ASK_PAGE: LazyLock<(String, String)> = LazyLock::new(|| {
    let style = [THEME_CSS, CHAT_CSS, MARKDOWN_CSS, ASK_CSS].concat();
    let shared = [PROTOCOL_JS, MARKDOWN_JS, CHAT_JS].concat();
    let script = ["\"use strict\";\n", &shared, PICTURES_JS, ASK_JS].concat();
    let html = ASK_HTML.replacen(STYLE, &[STYLE, &style].concat(), 1).replacen(
        SCRIPT,
        &[SCRIPT, &script].concat(),
        1,
    );
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        hash(&script),
        hash(&style),
    );
    (html, policy)
});

/// The options of the ask page.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// Its name, or `None` for the default.
    pub title: Option<&'a str>,
    /// Set if it asks the question of its address at once.
    pub asks: bool,
}

impl Page<'_> {
    fn html(&self) -> String {
        let mut html = ASK_PAGE.0.clone();
        if let Some(title) = self.title {
            let title = escape(title);
            html = html.replacen(TITLE, &format!("<title>{title}</title>"), 1);
            html = html.replacen(BODY, &format!("{BODY} data-title=\"{title}\""), 1);
        }
        if self.asks {
            html = html.replacen(BODY, &format!("{BODY} data-asks"), 1);
        }
        html
    }
}

/// Escapes text for an element or an attribute in double quotes.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

/// Returns the hash of an inline script or style, in the form of a policy.
fn hash(content: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(content)))
}

/// Returns the ask page.
///
/// Its policy allows its own script and style, by their hashes, and requests to its own origin.
pub fn ask_page(responder: &Responder, page: &Page) -> Response<Vec<u8>> {
    let content_type = HeaderValue::from_static("text/html; charset=utf-8");
    let mut response = responder.response(StatusCode::OK, content_type, page.html());
    if let Ok(policy) = HeaderValue::try_from(&ASK_PAGE.1) {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// Returns the script of the chat widget. A page embeds it with one script tag.
pub fn widget(responder: &Responder) -> Response<Vec<u8>> {
    script(responder, &[THEME_CSS, WIDGET_CSS], &[WIDGET_JS])
}

/// Returns the module that the widget loads when it is opened.
pub fn chat(responder: &Responder) -> Response<Vec<u8>> {
    let style = [CHAT_CSS, MARKDOWN_CSS, PANEL_CSS];
    script(responder, &style, &[PROTOCOL_JS, MARKDOWN_JS, CHAT_JS, PANEL_JS])
}

/// Returns a script with its style in a constant. Any page may load it: it is public, and the widget
/// says what is wrong if the page may not ask.
fn script(responder: &Responder, style: &[&str], code: &[&str]) -> Response<Vec<u8>> {
    let style = Value::from(style.concat()).to_string();
    let body = code.concat().replacen(STYLE_CONSTANT, &style, 1);
    let content_type = HeaderValue::from_static("text/javascript; charset=utf-8");
    let mut response = responder.response(StatusCode::OK, content_type, body);
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_has_one_script_one_style_and_no_inline_handlers() {
        let html = &ASK_PAGE.0;
        for element in ["script", "style"] {
            assert_eq!(html.matches(&format!("<{element}")).count(), 1, "{element}");
            assert_eq!(html.matches(&format!("</{element}")).count(), 1, "{element}");
        }
        assert_eq!(html.matches(TITLE).count(), 1);
        assert!(html.contains(BODY));
        for script in [WIDGET_JS, PANEL_JS] {
            assert_eq!(script.matches(STYLE_CONSTANT).count(), 1);
        }
        assert!(!html.contains(" style=") && !html.contains(" onclick="));
    }

    /// What the page and the widget share counts once.
    #[test]
    fn page_and_widget_are_smaller_than_60_kb() {
        let widget = [WIDGET_CSS, WIDGET_JS, PANEL_CSS, PANEL_JS].concat();
        let size = ASK_PAGE.0.len() + widget.len();
        assert!(size < 60_000, "{size} bytes");
    }

    #[test]
    fn stripped_files_have_no_comments_and_no_indentation() {
        for text in [&ASK_PAGE.0, WIDGET_JS, WIDGET_CSS, PANEL_JS, PANEL_CSS] {
            for line in text.lines() {
                let is_stripped = line == line.trim() && !line.starts_with("//");
                assert!(is_stripped && !line.contains("/**") && !line.is_empty(), "{line}");
            }
        }
    }
}
