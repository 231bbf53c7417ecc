//! The reverse proxy: forwards a request, or responds why not.

mod error;
mod response;
mod tunnel;

use std::sync::Arc;

use ask_core::access::{check_origin, preflight_headers};
use ask_core::completion::UpstreamError;
use ask_core::proxy::{
    KeySource, PathError, ProxyError, is_websocket, upstream_path, upstream_request_headers,
};
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, request};
use http_body::Body;
use hyper::body::Incoming;

use crate::downstream::{ClientBody, ReplyBody, RequestInfo};
use crate::state::AppState;
use crate::upstream::RequestBody;
use error::{METHODS, responder, upstream_error};
use response::{UpstreamResponse, forward_response};

pub(crate) use error::{error_response, error_response_to};

/// Forwards a request, or responds why not.
pub(crate) async fn respond(
    state: Arc<AppState>,
    info: RequestInfo,
    request: Request<Incoming>,
) -> Response<ReplyBody> {
    let (mut parts, body) = request.into_parts();
    if is_preflight(&parts) {
        return preflight(&state, &info, &parts.headers).map(ReplyBody::full);
    }
    match forward(&state, &info, &mut parts, body).await {
        Ok(response) => forward_response(&state, &info, &parts.headers, response).await,
        Err(error) => error_response(&state, &info, &parts.headers, &error).map(ReplyBody::full),
    }
}

/// Returns whether a browser asks for permission. Other clients that send OPTIONS have a key.
fn is_preflight(parts: &request::Parts) -> bool {
    let asks = parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    parts.method == Method::OPTIONS && (asks || !parts.headers.contains_key(AUTHORIZATION))
}

fn preflight(state: &AppState, info: &RequestInfo, headers: &HeaderMap) -> Response<Vec<u8>> {
    let mut response = responder(state, &info.id, headers).empty(StatusCode::NO_CONTENT);
    response.headers_mut().extend(preflight_headers(headers, METHODS));
    response
}

async fn forward(
    state: &AppState,
    info: &RequestInfo,
    parts: &mut request::Parts,
    body: Incoming,
) -> Result<UpstreamResponse, ProxyError> {
    let settings = &state.settings;
    let upstream = state.upstream()?;
    check_origin(settings, &parts.headers, state.local)?;
    let uri = upstream_uri(state, &parts.uri)?;
    if matches!(parts.method, Method::CONNECT | Method::TRACE) {
        return Err(ProxyError::MethodNotAllowed);
    }
    let server_key = match KeySource::from_headers(settings, &parts.headers)? {
        KeySource::Client => None,
        KeySource::Server => state.server_key(),
    };

    let mut headers = upstream_request_headers(settings, &parts.headers, server_key.as_ref());
    let body = ClientBody::new(body, info.client.clone());
    if body.size_hint().exact().is_none() {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    let client_upgrade = parts.extensions.remove().filter(|_| is_websocket(&parts.headers));
    let mut request = Request::new(RequestBody::stream(body));
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    info.stats.start_attempt();
    let response = upstream.send(request, None).await.map_err(upstream_error)?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS && client_upgrade.is_none() {
        return Err(upstream_error(UpstreamError::Protocol("unexpected upgrade".into())));
    }
    Ok(UpstreamResponse { response, server_key, client_upgrade })
}

/// Returns the upstream's path and query. Their bytes are unchanged.
fn upstream_uri(state: &AppState, uri: &Uri) -> Result<Uri, ProxyError> {
    let requested = uri.path_and_query();
    let path = requested.map_or("", PathAndQuery::as_str);
    let settings = &state.settings;
    let upstream = upstream_path(path, &settings.base_url.path, &settings.paths)?;
    match requested {
        Some(requested) if requested == &*upstream => Ok(requested.clone().into()),
        _ => upstream.parse().map_err(|_| PathError::NotAllowed.into()),
    }
}
