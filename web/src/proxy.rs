//! The reverse proxy: a request goes to the provider, and the reply comes back, both as they come.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ask_core::access;
use ask_core::lang::Lang;
use ask_core::proxy::{
    Astray, Failure, Grant, fit, is_websocket, masked, provider_path, towards_caller, towards_provider,
    transfer_coding,
};
use ask_core::refusal::Refusal;
use ask_core::reply::{self, X_ERROR_CODE};
use ask_core::secret::Secret;
use ask_core::shape::Shape;
use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CONNECTION, CONTENT_ENCODING,
    CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, TRANSFER_ENCODING, UPGRADE, VARY, WWW_AUTHENTICATE,
};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, request, response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Collected, Limited};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tokio::time::sleep;

use crate::app::App;
use crate::body::{self, FromCaller, ReplyBody, RequestBody};
use crate::caller::Caller;
use crate::connect::Unopened;
use crate::exchange::Exchange;
use crate::provider::{Reply, Unanswered};

/// What pages may do here.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// A refusal of a lent key is read to this length, in bytes, since it may repeat the key.
const LARGEST_REFUSAL: usize = 64 * 1024;

/// Once one side of a tunnel has closed, the other may still say goodbye for so long.
const GOODBYE: Duration = Duration::from_millis(500);

/// Forwards a request, or says why not.
pub(crate) async fn reply(mut exchange: Exchange, request: Request<Incoming>) -> Response<ReplyBody> {
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
pub(crate) fn fail(exchange: Exchange, headers: &HeaderMap, failure: Failure) -> Response<ReplyBody> {
    let caller = caller(&exchange, headers);
    let mut reply = caller.reply(failure.status(), Shape::Json.content_type(), failure.body(caller.lang));
    reply.headers_mut().insert(X_ERROR_CODE, HeaderValue::from_static(failure.code()));
    match failure.status() {
        StatusCode::UNAUTHORIZED => {
            reply.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"))
        }
        _ => None,
    };
    exchange.whole(reply)
}

/// A browser asks what pages may do. Other clients that send OPTIONS mean the provider, and have a key.
fn is_preflight(parts: &request::Parts) -> bool {
    let asks = parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    parts.method == Method::OPTIONS && (asks || !parts.headers.contains_key(AUTHORIZATION))
}

fn preflight(exchange: Exchange, headers: &HeaderMap) -> Response<ReplyBody> {
    let mut reply = caller(&exchange, headers).empty(StatusCode::NO_CONTENT);
    reply.headers_mut().extend(access::preflight(headers, METHODS));
    exchange.whole(reply)
}

fn caller(exchange: &Exchange, headers: &HeaderMap) -> reply::Caller {
    reply::Caller {
        lang: Lang::of(headers),
        shape: Shape::Json,
        cors: cors(&exchange.app, headers),
        request_id: exchange.request_id.clone(),
    }
}

fn cors(app: &App, headers: &HeaderMap) -> HeaderMap {
    access::cors(&app.settings, headers, app.local, "*")
}

/// A reply whose body is still to come.
struct Forwarded {
    reply: Response<Reply>,
    /// The server's key, where it went along.
    lent: Option<Secret>,
    /// The caller's side of a tunnel, where one was asked for.
    upgrade: Option<OnUpgrade>,
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
    transfer_coding(&parts.headers)?;
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
    let asked = uri.path_and_query().map_or("", PathAndQuery::as_str);
    let path_and_query = provider_path(asked, &app.settings.base_url.path, &app.settings.paths)?;
    path_and_query.parse().map_err(|_| Failure::Path(Astray::Unlisted))
}

fn unanswered(unanswered: Unanswered) -> Failure {
    match unanswered {
        Unanswered::Unopened(Unopened::Timeout) => Failure::ConnectTimeout,
        Unanswered::Unopened(Unopened::Descriptors) => Failure::Descriptors,
        other => Refusal::from(other).failure.into(),
    }
}

/// Passes the provider's reply on.
async fn pass(mut exchange: Exchange, asked: &HeaderMap, forwarded: Forwarded) -> Response<ReplyBody> {
    let Forwarded { reply, lent, upgrade } = forwarded;
    let (mut head, body) = reply.into_parts();
    head.version = Version::HTTP_11;
    towards_caller(&mut head.headers, lent.as_ref());
    if let (Some(key), StatusCode::UNAUTHORIZED) = (&lent, head.status) {
        exchange.app.put_aside(key);
    }
    let refused =
        matches!(head.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) && !body.is_end_stream();
    let whole = match (upgrade, head.extensions.remove::<OnUpgrade>(), &lent) {
        (Some(ours), Some(theirs), _) if head.status == StatusCode::SWITCHING_PROTOCOLS => {
            head.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            head.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            tokio::spawn(tunnel(exchange.caller().clone(), ours, theirs));
            Ok(Bytes::new())
        }
        (_, _, Some(_)) if refused => Ok(refusal(&exchange.app, &mut head, asked, body).await),
        _ => Err(body),
    };
    let cors = cors(&exchange.app, asked);
    if cors.get(ACCESS_CONTROL_ALLOW_ORIGIN).is_none_or(|origin| origin != "*") {
        head.headers.append(VARY, HeaderValue::from_static("Origin"));
    }
    head.headers.extend(cors);
    fit(&mut head.headers);
    let reply = Response::from_parts(head, ());
    exchange.replied(&reply);
    reply.map(|()| match whole {
        Ok(whole) => {
            exchange.end();
            body::whole(whole)
        }
        Err(body) => Passing::new(body, exchange).map_err(io::Error::other).boxed_unsync(),
    })
}

/// The body of the provider's refusal of a lent key, without what it repeats of the key; where it cannot be read, a
/// sentence of our own.
async fn refusal(app: &App, head: &mut response::Parts, asked: &HeaderMap, body: Reply) -> Bytes {
    let body = Limited::new(body, LARGEST_REFUSAL).collect().await.map(Collected::to_bytes);
    let plain = body.ok().filter(|_| !head.headers.contains_key(CONTENT_ENCODING));
    let shown = plain.and_then(|body| masked(&body, &app.mask)).unwrap_or_else(|| {
        head.headers.remove(CONTENT_ENCODING);
        head.headers.insert(CONTENT_TYPE, Shape::Json.content_type());
        Failure::LentKeyRefused.body(Lang::of(asked)).into_bytes()
    });
    head.headers.remove(CONTENT_LENGTH);
    shown.into()
}

/// Carries bytes both ways until both sides have closed, or the caller has and the provider does not follow.
async fn tunnel(caller: Arc<Caller>, ours: OnUpgrade, theirs: OnUpgrade) {
    let (Ok(ours), Ok(theirs)) = tokio::join!(ours, theirs) else { return };
    let (mut ours, mut theirs) = (TokioIo::new(ours), TokioIo::new(theirs));
    let left = async {
        caller.left().await;
        sleep(GOODBYE).await;
    };
    tokio::select! {
        // However it ends, there is nobody left to tell.
        _ = copy_bidirectional(&mut ours, &mut theirs) => {}
        () = left => {}
    }
}

/// The body of a reply on its way from the provider to the caller.
struct Passing {
    body: Reply,
    /// Nothing once the reply is whole, or broken.
    exchange: Option<Exchange>,
    broken: Option<hyper::Error>,
}

impl Passing {
    fn new(body: Reply, exchange: Exchange) -> Self {
        let mut passing = Self { body, exchange: Some(exchange), broken: None };
        passing.end_if(passing.body.is_end_stream());
        passing
    }

    fn end_if(&mut self, ended: bool) {
        if ended && let Some(exchange) = self.exchange.take() {
            exchange.end();
        }
    }
}

impl Body for Passing {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Some(error) = self.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) => {
                // Nothing comes after trailers, and nobody asks for more once the length is reached.
                let last = frame.is_trailers() || self.body.is_end_stream();
                self.end_if(last);
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                if let Some(exchange) = self.exchange.take() {
                    exchange.break_off("upstream_failed");
                }
                // What has come before is the caller's: hyper hands it over when there is nothing more at the moment.
                self.broken = Some(error);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            None => {
                self.end_if(true);
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
