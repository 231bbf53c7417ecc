//! Requests that never reach the model, and their responses. None of them needs a token.

use http::header::USER_AGENT;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use serde_json::json;

use super::own_path::{OwnFile, is_openai_path};
use crate::access::preflight_headers;
use crate::failure::Failure;
use crate::format::Format;
use crate::lang::Localized;
use crate::response::page::{Page, ask_page, chat, widget};
use crate::response::{METHODS, Responder, X_ERROR_CODE};

/// Robots that fetch links for previews. No person has opened these links.
const PREVIEW_ROBOTS: [&str; 8] = [
    "slackbot",
    "twitterbot",
    "facebookexternalhit",
    "telegrambot",
    "discordbot",
    "linkedinbot",
    "skypeuripreview",
    "redditbot",
];

/// Programs that fetch previews under their own name. Their browsers begin with `Mozilla/`.
const PREVIEW_PROGRAMS: [&str; 3] = ["whatsapp/", "viber/", "mastodon/"];

/// The code of an unknown path. The proxy has it too.
const NOT_FOUND: &str = "not_found";

const ROBOTS_TXT: &str = "User-agent: *\nDisallow: /\n";

/// The facts of a request that decide beside its head.
pub(super) struct Facts<'a> {
    /// The page that a browser wants.
    pub(super) page: Option<Page<'a>>,
    /// n8n's chat asks for its history.
    pub(super) is_n8n_history: bool,
}

/// Returns the response if the request does not reach the model.
pub(super) fn respond<B>(
    responder: &Responder,
    request: &Request<B>,
    facts: &Facts,
) -> Option<Response<Vec<u8>>> {
    let headers = request.headers();
    match *request.method() {
        Method::OPTIONS => {
            let mut response = responder.empty(StatusCode::NO_CONTENT);
            response.headers_mut().extend(preflight_headers(headers, METHODS));
            return Some(response);
        }
        Method::GET | Method::HEAD | Method::POST => {}
        _ => return Some(responder.failure(&Failure::MethodNotAllowed)),
    }
    let path = request.uri().path();
    if let Some(file) = OwnFile::from_path(path) {
        return Some(own_file(responder, file));
    }
    if is_openai_path(path) {
        return Some(not_the_proxy(responder));
    }
    if is_prefetch(headers) {
        let text = Localized::new("Prefetch requests are not answered.", "不回答预取请求。");
        return Some(text_response(responder, StatusCode::SERVICE_UNAVAILABLE, &text));
    }
    if is_link_preview(headers) {
        let text = Localized::new("Link previews are not answered.", "不回答链接预览。");
        return Some(text_response(responder, StatusCode::FORBIDDEN, &text));
    }
    if facts.is_n8n_history {
        let content_type = Format::Json.content_type();
        return Some(responder.response(StatusCode::OK, content_type, "{\"data\":[]}"));
    }
    // A browser's EventSource reconnects when a stream ends. 204 stops it.
    if headers.contains_key("last-event-id") {
        return Some(responder.empty(StatusCode::NO_CONTENT));
    }
    if let Some(page) = &facts.page {
        return Some(ask_page(responder, page));
    }
    let content_type = responder.format.content_type();
    (*request.method() == Method::HEAD)
        .then(|| responder.response(StatusCode::OK, content_type, ""))
}

fn own_file(responder: &Responder, file: OwnFile) -> Response<Vec<u8>> {
    match file {
        OwnFile::Widget => widget(responder),
        OwnFile::Chat => chat(responder),
        OwnFile::Robots => {
            responder.response(StatusCode::OK, Format::Text.content_type(), ROBOTS_TXT)
        }
        OwnFile::Icon => responder.empty(StatusCode::NOT_FOUND),
    }
}

/// Returns the response to an OpenAI client, in OpenAI's error shape.
fn not_the_proxy(responder: &Responder) -> Response<Vec<u8>> {
    let message = Localized::new(
        "This function only answers questions: OpenAI clients need the Web function (ask-web).",
        "这个函数只回答问题：OpenAI 客户端需要 Web 函数（ask-web）。",
    );
    let error = json!({
        "message": message.get(responder.lang),
        "type": "invalid_request_error",
        "param": null,
        "code": NOT_FOUND,
    });
    let body = json!({ "error": error }).to_string();
    let content_type = Format::Json.content_type();
    let mut response = responder.response(StatusCode::NOT_FOUND, content_type, body);
    response.headers_mut().insert(X_ERROR_CODE, HeaderValue::from_static(NOT_FOUND));
    response
}

fn text_response(responder: &Responder, status: StatusCode, text: &Localized) -> Response<Vec<u8>> {
    responder.response(status, Format::Text.content_type(), text.get(responder.lang))
}

/// Returns whether a browser fetches in advance what the user may open next.
fn is_prefetch(headers: &HeaderMap) -> bool {
    let names = ["sec-purpose", "purpose", "x-moz"];
    names.iter().filter_map(|name| headers.get(*name)?.to_str().ok()).any(|purpose| {
        let purpose = purpose.to_ascii_lowercase();
        purpose.contains("prefetch") || purpose.contains("prerender")
    })
}

fn is_link_preview(headers: &HeaderMap) -> bool {
    let agent = headers
        .get(USER_AGENT)
        .and_then(|agent| agent.to_str().ok())
        .unwrap_or_default()
        .to_ascii_lowercase();
    let is_program = PREVIEW_PROGRAMS.iter().any(|program| agent.contains(program));
    PREVIEW_ROBOTS.iter().any(|robot| agent.contains(robot))
        || is_program && !agent.starts_with("mozilla/")
}
