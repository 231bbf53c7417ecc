//! The reverse proxy: a request goes to the provider as it comes, or the caller is told why not.

use ask_core::access;
use ask_core::lang::Lang;
use ask_core::proxy::{Astray, Failure, Grant, is_websocket, provider_path, towards_provider};
use ask_core::refusal::Refusal;
use ask_core::reply::{self, X_ERROR_CODE};
use ask_core::shape::Shape;
use http::header::{
    ACCESS_CONTROL_REQUEST_METHOD, ALLOW, AUTHORIZATION, RETRY_AFTER, TRANSFER_ENCODING,
    WWW_AUTHENTICATE,
};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, request};
use http_body::Body;
use hyper::body::Incoming;

use crate::app::App;
use crate::body::{FromCaller, ReplyBody, RequestBody};
use crate::connect::Unopened;
use crate::exchange::Exchange;
use crate::pass::{Forwarded, pass};
use crate::unanswered::Unanswered;

/// The headers of replies that pages may read: all of them.
pub(crate) const EXPOSED: &str = "*";

/// What pages may do here.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// Forwards a request, or says why not.
pub(crate) async fn reply(
    mut exchange: Exchange,
    request: Request<Incoming>,
) -> Response<ReplyBody> {
    let (mut parts, body) = request.into_parts();
    if is_preflight(&parts) {
        return preflight(exchange, &parts.headers);
    }
    match forward(&mut exchange, &mut parts, body).await {
        Ok(forwarded) => pass(exchange, &parts.headers, forwarded).await,
        Err(failure) => fail(exchange, &parts.headers, failure),
    }
}

/// A failure of our own, in OpenAI's shape.
pub(crate) fn fail(
    exchange: Exchange,
    headers: &HeaderMap,
    failure: Failure,
) -> Response<ReplyBody> {
    let caller = caller(&exchange.app, headers, exchange.request_id.clone());
    exchange.whole(failed(&caller, &failure))
}

/// The reply to a request that failed here.
pub(crate) fn failed(caller: &reply::Caller, failure: &Failure) -> Response<Vec<u8>> {
    let mut reply =
        caller.reply(failure.status(), Shape::Json.content_type(), failure.body(caller.lang));
    reply.headers_mut().insert(X_ERROR_CODE, HeaderValue::from_static(failure.code()));
    match failure.status() {
        StatusCode::UNAUTHORIZED => {
            reply.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            reply.headers_mut().insert(ALLOW, HeaderValue::from_static(METHODS))
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"))
        }
        _ => None,
    };
    reply
}

/// A browser asks what pages may do. Other clients that send OPTIONS mean the provider, and have a key.
fn is_preflight(parts: &request::Parts) -> bool {
    let asks = parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    parts.method == Method::OPTIONS && (asks || !parts.headers.contains_key(AUTHORIZATION))
}

fn preflight(exchange: Exchange, headers: &HeaderMap) -> Response<ReplyBody> {
    let caller = caller(&exchange.app, headers, exchange.request_id.clone());
    let mut reply = caller.empty(StatusCode::NO_CONTENT);
    reply.headers_mut().extend(access::preflight(headers, METHODS));
    exchange.whole(reply)
}

/// How a caller with these headers is replied to.
pub(crate) fn caller(app: &App, headers: &HeaderMap, request_id: String) -> reply::Caller {
    let cors = access::cors(&app.settings, headers, app.local, EXPOSED);
    reply::Caller { lang: Lang::of(headers), shape: Shape::Json, cors, request_id }
}

async fn forward(
    exchange: &mut Exchange,
    parts: &mut request::Parts,
    body: Incoming,
) -> Result<Forwarded, Failure> {
    let app = exchange.app.clone();
    let settings = &app.settings;
    let provider = app.provider()?;
    access::origin(settings, &parts.headers, app.local)?;
    let uri = provider_uri(&app, &parts.uri)?;
    if matches!(parts.method, Method::CONNECT | Method::TRACE) {
        return Err(Failure::Method);
    }
    let lent = match Grant::of(settings, &parts.headers)? {
        Grant::Own => None,
        Grant::Lent => app.key(),
    };

    let mut headers = towards_provider(settings, &parts.headers, lent.as_ref());
    let body = FromCaller::new(body, exchange.caller().clone());
    if body.size_hint().exact().is_none() {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    let upgrade = parts.extensions.remove().filter(|_| is_websocket(&parts.headers));
    let mut request = Request::new(RequestBody::Passing(body));
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    exchange.ask();
    let reply = provider.send(request, None).await.map_err(unanswered)?;
    if reply.status() == StatusCode::SWITCHING_PROTOCOLS && upgrade.is_none() {
        return Err(unanswered(Unanswered::NotHttp("an upgrade that nobody asked for".into())));
    }
    Ok(Forwarded { reply, lent, upgrade })
}

/// Path and query as the provider is to see them, to the byte.
fn provider_uri(app: &App, uri: &Uri) -> Result<Uri, Failure> {
    let asked = uri.path_and_query();
    let path = asked.map_or("", PathAndQuery::as_str);
    let path_and_query = provider_path(path, &app.settings.base_url.path, &app.settings.paths)?;
    match asked {
        Some(asked) if asked == &*path_and_query => Ok(asked.clone().into()),
        _ => path_and_query.parse().map_err(|_| Failure::Path(Astray::Unlisted)),
    }
}

fn unanswered(unanswered: Unanswered) -> Failure {
    match unanswered {
        Unanswered::Unopened(Unopened::Timeout) => Failure::ConnectTimeout,
        other => Refusal::from(other).failure.into(),
    }
}
