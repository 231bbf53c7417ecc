//! The provider's reply on its way to the caller.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ask_core::Failure::UpstreamRefused;
use ask_core::access;
use ask_core::lang::Lang;
use ask_core::proxy::{Failure, fit, masked, towards_caller};
use ask_core::secret::Secret;
use ask_core::shape::Shape;
use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, CONNECTION, CONTENT_ENCODING,
    CONTENT_LENGTH, CONTENT_TYPE, UPGRADE, VARY,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode, Version, response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Collected, Limited};
use hyper::ext::ReasonPhrase;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tokio::time::sleep;

use crate::app::App;
use crate::body::{self, ReplyBody};
use crate::caller::Caller;
use crate::exchange::Exchange;
use crate::provider::Reply;
use crate::proxy::EXPOSED;

/// Where a key was lent, an error is read to this length, in bytes, since it may repeat the key.
const LARGEST_REFUSAL: usize = 64 * 1024;

/// Once the caller has left a tunnel, the provider may still say goodbye for so long.
const GOODBYE: Duration = Duration::from_millis(500);

/// A reply whose body is still to come.
pub(crate) struct Forwarded {
    pub(crate) reply: Response<Reply>,
    /// The server's key, where it went along.
    pub(crate) lent: Option<Secret>,
    /// The caller's side of a tunnel, where one was asked for.
    pub(crate) upgrade: Option<OnUpgrade>,
}

/// Passes the provider's reply on.
pub(crate) async fn pass(
    mut exchange: Exchange,
    asked: &HeaderMap,
    forwarded: Forwarded,
) -> Response<ReplyBody> {
    let Forwarded { reply, lent, upgrade } = forwarded;
    let (mut head, body) = reply.into_parts();
    head.version = Version::HTTP_11;
    towards_caller(&mut head.headers, lent.as_ref());
    if lent.is_some()
        && head.extensions.get().is_some_and(|words| holds_secret(&exchange.app, words))
    {
        head.extensions.remove::<ReasonPhrase>();
    }
    if let (Some(key), StatusCode::UNAUTHORIZED) = (&lent, head.status) {
        exchange.app.put_aside(key);
    }
    let may_repeat_the_key =
        (refuses_key(head.status) || is_plain_error(&head)) && !body.is_end_stream();
    let whole = match (upgrade, head.extensions.remove::<OnUpgrade>(), &lent) {
        (Some(ours), Some(theirs), _) if head.status == StatusCode::SWITCHING_PROTOCOLS => {
            head.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            head.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            tokio::spawn(tunnel(exchange.caller().clone(), ours, theirs));
            Ok(Bytes::new())
        }
        (_, _, Some(_)) if may_repeat_the_key => {
            Ok(Box::pin(refusal(&exchange.app, &mut head, asked, body)).await)
        }
        _ => Err(body),
    };
    let origin = access::allow_origin(&exchange.app.settings, asked, exchange.app.local);
    if origin.as_ref().is_none_or(|origin| origin != "*") {
        head.headers.append(VARY, HeaderValue::from_static("Origin"));
    }
    if let Some(origin) = origin {
        head.headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    head.headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
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

/// Whether the words beside the status, which programs do not read, are words that a mask would change.
fn holds_secret(app: &App, words: &ReasonPhrase) -> bool {
    let words = String::from_utf8_lossy(words.as_bytes());
    app.mask.text(&words) != words
}

fn refuses_key(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

/// Whether this is an error in words that can be read here.
fn is_plain_error(head: &response::Parts) -> bool {
    let content_type = head.headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let content_type = String::from_utf8_lossy(content_type).to_ascii_lowercase();
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    let is_plain = kind.is_empty()
        || kind == "application/json"
        || kind.ends_with("+json")
        || kind.starts_with("text/");
    (head.status.is_client_error() || head.status.is_server_error())
        && is_plain
        && !head.headers.contains_key(CONTENT_ENCODING)
}

/// The body of the provider's error where a key was lent, without what it repeats of the key; where it cannot be read,
/// a sentence of our own.
async fn refusal(app: &App, head: &mut response::Parts, asked: &HeaderMap, body: Reply) -> Bytes {
    let body = Limited::new(body, LARGEST_REFUSAL).collect().await.map(Collected::to_bytes);
    let plain = body.ok().filter(|_| !head.headers.contains_key(CONTENT_ENCODING));
    let shown = plain.and_then(|body| masked(&body, &app.mask)).unwrap_or_else(|| {
        head.headers.remove(CONTENT_ENCODING);
        head.headers.insert(CONTENT_TYPE, Shape::Json.content_type());
        let failure = match refuses_key(head.status) {
            true => Failure::LentKeyRefused,
            false => UpstreamRefused { status: head.status, message: String::new() }.into(),
        };
        failure.body(Lang::of(asked)).into_bytes()
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
