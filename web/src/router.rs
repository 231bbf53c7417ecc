//! Routes a request to the question endpoint, the health check or the proxy.

use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use ask_core::access::is_local_host;
use ask_core::lang::Localized;
use ask_core::proxy::check_transfer_coding;
use ask_core::request::{OwnPath, RequestContext};
use ask_core::response::Responder;
use ask_core::{AskRequest, Failure};
use ask_host::random_id;
use http::header::CONNECTION;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use serde_json::json;
use tokio::time::Instant;

use crate::access_log::{AccessLog, LoggedBody};
use crate::downstream::{CallStats, ClientHandle, ReplyBody, RequestInfo};
use crate::state::AppState;
use crate::{ask, proxy};

/// A response in progress. It is boxed, so that an idle connection takes no memory for it.
type PendingResponse = Pin<Box<dyn Future<Output = Response<ReplyBody>> + Send>>;

/// Handles one request. The log starts at once: hyper may drop the future before its first poll.
pub(crate) fn handle(
    state: Arc<AppState>,
    client: Arc<ClientHandle>,
    request: Request<Incoming>,
) -> impl Future<Output = Response<LoggedBody>> {
    let id = request.headers().get("x-scf-request-id").and_then(|id| id.to_str().ok());
    let info = RequestInfo {
        id: id.filter(|id| !id.is_empty()).map_or_else(random_id, str::to_owned),
        received: Instant::now(),
        client,
        stats: Arc::new(CallStats::default()),
    };
    let log = AccessLog::start(state.clone(), &request, &info);
    let response = route(state, info, request);
    async { log.attach(response.await) }
}

fn route(state: Arc<AppState>, info: RequestInfo, request: Request<Incoming>) -> PendingResponse {
    if let Err(response) = check(&state, &info, &request) {
        return Box::pin(async { response.map(ReplyBody::full) });
    }
    match OwnPath::parse(request.uri().path()) {
        Some(OwnPath::Health) => {
            let responder = responder(&state, &info, request.headers());
            let response = health(&state, &responder, request.method());
            Box::pin(async { response.map(ReplyBody::full) })
        }
        Some(_) => Box::pin(ask::respond(state, info, request)),
        None => Box::pin(proxy::respond(state, info, request)),
    }
}

/// Rejects a request that cannot be framed, or that names another host on a local server.
fn check(
    state: &AppState,
    info: &RequestInfo,
    request: &Request<Incoming>,
) -> Result<(), Box<Response<Vec<u8>>>> {
    let headers = request.headers();
    let is_own = OwnPath::parse(request.uri().path()).is_some();
    if let Err(error) = check_transfer_coding(headers) {
        let mut response = match is_own {
            true => {
                let reason = Localized::new("unsupported transfer coding", "不支持的传输编码");
                responder(state, info, headers).failure(&Failure::BodyUnreadable(reason))
            }
            false => proxy::error_response(state, info, headers, &error),
        };
        // An intermediary may frame this request differently (request smuggling).
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        return Err(Box::new(response));
    }
    if state.local && !is_local_host(&state.settings, headers, request.uri()) {
        return Err(Box::new(match is_own {
            true => responder(state, info, headers).failure(&Failure::Host),
            false => proxy::error_response(state, info, headers, &Failure::Host.into()),
        }));
    }
    Ok(())
}

/// Returns the responder of a request of which only the head is known.
fn responder(state: &AppState, info: &RequestInfo, headers: &HeaderMap) -> Responder {
    let context =
        RequestContext { request_id: &info.id, local: state.local, now: SystemTime::now() };
    AskRequest::head_responder(&state.settings, headers, context)
}

/// Returns the version, and whether the settings are valid.
fn health(state: &AppState, responder: &Responder, method: &Method) -> Response<Vec<u8>> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return responder.failure(&Failure::MethodNotAllowed);
    }
    let settings = match state.settings.error() {
        Some(error) => error.summary().into_string(responder.lang),
        None => "ok".into(),
    };
    let health = json!({ "version": env!("CARGO_PKG_VERSION"), "settings": settings });
    let content_type = HeaderValue::from_static("application/json");
    responder.response(StatusCode::OK, content_type, health.to_string())
}
