//! The ask page and the chat widget: files that are part of the program.

use base64::prelude::{BASE64_STANDARD, Engine};
use http::header::CONTENT_SECURITY_POLICY;
use http::{HeaderValue, Response, StatusCode};
use sha2::{Digest, Sha256};

use super::responder::Responder;

const ASK_HTML: &str = include_str!("ask.html");
const TITLE: &str = "<title>Ask</title>";
const BODY: &str = "<body>";
const WIDGET_JS: &str = include_str!("widget.js");

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
        let mut html = ASK_HTML.to_owned();
        if let Some(title) = self.title {
            let title = escape(title);
            html = html.replacen(TITLE, &format!("<title>{title}</title>"), 1);
            html = html.replacen(BODY, &format!("<body data-title=\"{title}\">"), 1);
        }
        if self.asks {
            html = html.replacen("<body", "<body data-asks", 1);
        }
        html
    }
}

/// Escapes text for an element or an attribute in double quotes.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

/// Returns the ask page.
///
/// Its policy allows its own script and style, by their hashes, and requests to its own origin.
pub fn ask_page(responder: &Responder, page: &Page) -> Response<Vec<u8>> {
    let content_type = HeaderValue::from_static("text/html; charset=utf-8");
    let mut response = responder.response(StatusCode::OK, content_type, page.html());
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; \
         img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        hash_of("script"),
        hash_of("style"),
    );
    if let Ok(policy) = HeaderValue::try_from(policy) {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// Returns the script of the chat widget. A page embeds it with one script tag.
pub fn widget(responder: &Responder) -> Response<Vec<u8>> {
    let content_type = HeaderValue::from_static("text/javascript; charset=utf-8");
    responder.response(StatusCode::OK, content_type, WIDGET_JS)
}

/// Returns the hash of the page's only element of this name, in the form of a policy.
fn hash_of(element: &str) -> String {
    let open = format!("<{element}>");
    let content =
        ASK_HTML.split_once(&open).and_then(|(_, rest)| rest.split_once(&format!("</{element}>")));
    BASE64_STANDARD.encode(Sha256::digest(content.map_or("", |(content, _)| content)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_has_one_script_one_style_and_no_inline_handlers() {
        for element in ["script", "style"] {
            assert_eq!(ASK_HTML.matches(&format!("<{element}")).count(), 1, "{element}");
            assert_eq!(ASK_HTML.matches(&format!("<{element}>")).count(), 1, "{element}");
        }
        assert!(ASK_HTML.contains(TITLE) && ASK_HTML.contains(BODY));
        assert!(!ASK_HTML.contains(" style=") && !ASK_HTML.contains(" onclick="));
    }
}
