//! The body of an upstream request.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Method;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;

/// The body of an upstream request.
pub(crate) enum RequestBody {
    /// A complete body. `None` after it was sent, or if it is empty.
    Full(Option<Bytes>),
    /// A body that arrives over time.
    Stream(UnsyncBoxBody<Bytes, hyper::Error>),
}

impl RequestBody {
    /// Creates a body that arrives over time.
    pub(crate) fn stream(
        body: impl Body<Data = Bytes, Error = hyper::Error> + Send + 'static,
    ) -> Self {
        match body.is_end_stream() {
            true => Self::Full(None),
            false => Self::Stream(body.boxed_unsync()),
        }
    }

    /// Clones the body for a request that may already have been read.
    ///
    /// A question may be asked twice. Any other request may be repeated if its method is idempotent
    /// (RFC 9110, 9.2.2) and it has no body.
    pub(super) fn try_clone(&self, method: &Method) -> Option<Self> {
        match self {
            Self::Full(None) if !method.is_idempotent() => None,
            Self::Full(bytes) => Some(Self::Full(bytes.clone())),
            Self::Stream(_) => None,
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
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Stream(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(bytes) => bytes.is_none(),
            Self::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Stream(body) => body.size_hint(),
        }
    }
}
