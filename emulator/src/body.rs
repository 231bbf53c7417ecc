//! Bodies of requests and responses.

use std::{
    convert::Infallible,
    error::Error,
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::{
    buffer::Buffer,
    invocation::{Failure, MAX_BYTES},
};

/// A response for a client or for the function.
pub(crate) type Reply = Response<UnsyncBoxBody<Bytes, BodyError>>;

/// The reason why a body is not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    TooLarge,
    /// The sender closed the connection, or the invocation failed.
    Incomplete,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "body too large (maximum 6 MB)",
            Self::Incomplete => "incomplete body",
        })
    }
}

impl Error for BodyError {}

impl From<Infallible> for BodyError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// The body of a request, of at most [`MAX_BYTES`]. A larger body is read and discarded, up to ten
/// times that: a client that is still sending would not receive the response.
pub(crate) struct RequestBody {
    body: Incoming,
    total: usize,
    /// Set when the body has been read.
    is_read: Arc<AtomicBool>,
}

impl RequestBody {
    /// `is_read` is set when the body has been read.
    pub(crate) fn new(body: Incoming, is_read: Arc<AtomicBool>) -> Self {
        Self { body, total: 0, is_read }
    }

    /// Reads the body.
    pub(crate) async fn read(mut self) -> Result<Buffer, BodyError> {
        let mut buffer = Buffer::with_capacity(MAX_BYTES);
        while let Some(frame) = self.frame().await {
            if let Some(chunk) = frame?.data_ref() {
                buffer.extend(chunk);
            }
        }
        Ok(buffer)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(_)) => return Poll::Ready(Some(Err(BodyError::Incomplete))),
                None => {
                    self.is_read.store(true, Ordering::Relaxed);
                    let is_too_large = self.total > MAX_BYTES;
                    return Poll::Ready(is_too_large.then_some(Err(BodyError::TooLarge)));
                }
            };
            self.total += frame.data_ref().map_or(0, Bytes::len);
            if self.body.is_end_stream() {
                self.is_read.store(true, Ordering::Relaxed);
            }
            if self.total > 10 * MAX_BYTES {
                return Poll::Ready(Some(Err(BodyError::TooLarge)));
            }
            if self.total <= MAX_BYTES {
                return Poll::Ready(Some(Ok(frame)));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.total <= MAX_BYTES && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The sender of a body's frames. Dropping it ends the body.
pub(crate) type FrameSender = mpsc::Sender<Result<Frame<Bytes>, BodyError>>;
pub(crate) type FrameReceiver = mpsc::Receiver<Result<Frame<Bytes>, BodyError>>;

/// A body whose frames are sent from elsewhere.
pub(crate) struct ChannelBody<T> {
    pub(crate) frames: FrameReceiver,
    /// Dropped with the body.
    pub(crate) _held: T,
}

impl<T: Unpin> Body for ChannelBody<T> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.frames.poll_recv(cx)
    }
}

/// Returns a response with this body.
pub(crate) fn full(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    let mut response = Response::new(Full::new(body.into()).map_err(Into::into).boxed_unsync());
    *response.status_mut() = status;
    response
}

pub(crate) fn text(status: StatusCode, text: String) -> Reply {
    with_type(full(status, text), "text/plain; charset=utf-8")
}

pub(crate) fn json(status: StatusCode, body: &Value) -> Reply {
    with_type(full(status, body.to_string()), "application/json")
}

/// Returns the response to the client of a failed invocation.
pub(crate) fn failure(failure: &Failure, request_id: &str, log: &[String]) -> Reply {
    let status = StatusCode::from_u16(failure.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    json(status, &failure.body(request_id, log))
}

pub(crate) fn with_type(mut response: Reply, content_type: &'static str) -> Reply {
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
