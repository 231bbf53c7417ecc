//! Requests that never reach the model, and their responses. None of them needs a token.

use http::header::USER_AGENT;
use http::{HeaderMap, Method, Request, Response, StatusCode};

use super::own_path::OwnFile;
use crate::access::preflight_headers;
use crate::failure::Failure;
use crate::format::Format;
use crate::lang::Localized;
use crate::response::page::{ask_page, widget};
use crate::response::{METHODS, Responder};

/// User agents of link previews. They fetch links from chats that no person has opened.
const PREVIEW_AGENTS: [&str; 7] = [
    "slackbot",
    "twitterbot",
    "facebookexternalhit",
    "telegrambot",
    "whatsapp",
    "discordbot",
    "linkedinbot",
];

const ROBOTS_TXT: &str = "User-agent: *\nDisallow: /\n";

/// The facts of a request that decide beside its head.
pub(super) struct Facts {
    /// The request is a GET or HEAD of a browser without a question.
    pub(super) wants_page: bool,
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
    if let Some(file) = OwnFile::from_path(request.uri().path()) {
        return Some(own_file(responder, file));
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
    if facts.wants_page {
        return Some(ask_page(responder));
    }
    let content_type = responder.format.content_type();
    (*request.method() == Method::HEAD)
        .then(|| responder.response(StatusCode::OK, content_type, ""))
}

fn own_file(responder: &Responder, file: OwnFile) -> Response<Vec<u8>> {
    match file {
        OwnFile::Widget => widget(responder),
        OwnFile::Robots => {
            responder.response(StatusCode::OK, Format::Text.content_type(), ROBOTS_TXT)
        }
        OwnFile::Icon => responder.empty(StatusCode::NOT_FOUND),
    }
}

fn text_response(responder: &Responder, status: StatusCode, text: &Localized) -> Response<Vec<u8>> {
    responder.response(status, Format::Text.content_type(), text.get(responder.lang))
}

/// Returns whether a browser fetches in advance what the user may open next.
fn is_prefetch(headers: &HeaderMap) -> bool {
    let names = ["sec-purpose", "purpose"];
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
    PREVIEW_AGENTS.iter().any(|preview| agent.contains(preview))
}
