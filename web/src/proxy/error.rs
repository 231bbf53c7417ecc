//! The proxy's own error responses.

use ask_core::Format;
use ask_core::access::cors_headers;
use ask_core::completion::{AttemptError, ConnectError, UpstreamError};
use ask_core::lang::Lang;
use ask_core::proxy::ProxyError;
use ask_core::response::{Responder, X_ERROR_CODE};
use http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::downstream::RequestInfo;
use crate::state::AppState;

/// Response headers that pages may read: all.
pub(super) const EXPOSED_HEADERS: &str = "*";

/// Methods that pages may use.
pub(super) const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// Returns the response to a request that failed in the proxy.
pub(crate) fn error_response(
    state: &AppState,
    info: &RequestInfo,
    headers: &HeaderMap,
    error: &ProxyError,
) -> Response<Vec<u8>> {
    error_response_to(state, &info.id, headers, error)
}

/// Returns the response to a request with this id that failed in the proxy.
pub(crate) fn error_response_to(
    state: &AppState,
    request_id: &str,
    headers: &HeaderMap,
    error: &ProxyError,
) -> Response<Vec<u8>> {
    let responder = responder(state, request_id, headers);
    let body = error.body(responder.lang);
    let mut response = responder.response(error.status(), Format::Json.content_type(), body);
    let headers = response.headers_mut();
    headers.insert(X_ERROR_CODE, HeaderValue::from_static(error.code()));
    let extra = match error.status() {
        StatusCode::UNAUTHORIZED => Some((WWW_AUTHENTICATE, "Bearer")),
        StatusCode::METHOD_NOT_ALLOWED => Some((ALLOW, METHODS)),
        StatusCode::SERVICE_UNAVAILABLE => Some((RETRY_AFTER, "1")),
        _ => None,
    };
    if let Some((name, value)) = extra {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Returns the responder of the proxy.
pub(super) fn responder(state: &AppState, request_id: &str, headers: &HeaderMap) -> Responder {
    let cors = cors_headers(&state.settings, headers, state.local, EXPOSED_HEADERS);
    Responder::new(Lang::from_headers(headers), Format::Json, cors, request_id)
}

/// Returns the error of a request without an upstream response.
pub(super) fn upstream_error(error: UpstreamError) -> ProxyError {
    match error {
        UpstreamError::Connect(ConnectError::TimedOut) => ProxyError::ConnectTimeout,
        other => AttemptError::from(other).failure.into(),
    }
}
