//! The page that asks, and the chat bubble for other pages: plain files, part of the program.

use base64::prelude::{BASE64_STANDARD, Engine};
use http::header::CONTENT_SECURITY_POLICY;
use http::{HeaderValue, Response, StatusCode};
use sha2::{Digest, Sha256};

use crate::reply::Caller;

const ASK_HTML: &str = include_str!("page/ask.html");
const WIDGET_JS: &str = include_str!("page/widget.js");

/// The page that asks. Its policy allows its own script and style by their hashes, questions to this address, and
/// nothing else.
pub fn ask(caller: &Caller) -> Response<Vec<u8>> {
    let mut reply = caller.reply(
        StatusCode::OK,
        HeaderValue::from_static("text/html; charset=utf-8"),
        ASK_HTML,
    );
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash_of("script"),
        hash_of("style"),
    );
    if let Ok(policy) = HeaderValue::try_from(policy) {
        reply.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    reply
}

/// The chat bubble that any page embeds with one script tag.
pub fn widget(caller: &Caller) -> Response<Vec<u8>> {
    caller.reply(
        StatusCode::OK,
        HeaderValue::from_static("text/javascript; charset=utf-8"),
        WIDGET_JS,
    )
}

/// The hash of the page's only element of this name, as a policy names it.
fn hash_of(element: &str) -> String {
    let begin = format!("<{element}>");
    let inside =
        ASK_HTML.split_once(&begin).and_then(|(_, rest)| rest.split_once(&format!("</{element}>")));
    BASE64_STANDARD.encode(Sha256::digest(inside.map_or("", |(inside, _)| inside)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_one_script_and_one_style_and_nothing_inline_beside() {
        for element in ["script", "style"] {
            assert_eq!(ASK_HTML.matches(&format!("<{element}")).count(), 1, "{element}");
            assert_eq!(ASK_HTML.matches(&format!("<{element}>")).count(), 1, "{element}");
        }
        assert!(!ASK_HTML.contains(" style=") && !ASK_HTML.contains(" onclick="));
    }
}
