//! The bodies that travel in both directions.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Method;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;

use crate::caller::Caller;

/// The body of a request to the provider.
pub(crate) enum RequestBody {
    /// One that is all there; it can be sent again.
    Whole(Option<Bytes>),
    /// The caller's, as it comes.
    Passing(FromCaller),
}

impl RequestBody {
    /// The same body again, for a request that may have been read: a question may be asked twice, and what a caller wants
    /// may be done twice where its method says so (RFC 9110, 9.2.2) and nothing of it has gone by.
    pub(crate) fn again(&self, method: &Method) -> Option<Self> {
        match self {
            Self::Whole(bytes) => Some(Self::Whole(bytes.clone())),
            Self::Passing(body) => {
                (method.is_idempotent() && body.is_end_stream()).then_some(Self::Whole(None))
            }
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Passing(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::Passing(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Passing(body) => body.size_hint(),
        }
    }
}

/// The body of a caller's request.
pub(crate) struct FromCaller {
    body: Incoming,
    caller: Arc<Caller>,
}

impl FromCaller {
    /// Takes the body over; the caller's connection is told when it has been read.
    pub(crate) fn new(body: Incoming, caller: Arc<Caller>) -> Self {
        Self { body, caller }
    }
}

impl Body for FromCaller {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if frame.is_none() || self.body.is_end_stream() {
            self.caller.body_is_read();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of a reply.
pub(crate) type ReplyBody = UnsyncBoxBody<Bytes, io::Error>;

/// A body of our own that is all there.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> ReplyBody {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}
