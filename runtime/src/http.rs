//! Functions behind an HTTP trigger: a Function URL, the former API Gateway, or CloudBase.
//!
//! Events become [`http::Request`]s, and [`http::Response`]s become replies.

mod envelope;
mod event;

pub use envelope::{MAX_REPLY, TooLarge, envelope};
pub use event::Event;

use ::http::{HeaderValue, Request, Response, StatusCode, header};

use crate::context::Context;
use crate::runtime::Runtime;

/// Runs a handler of HTTP requests.
///
/// An event that is not an HTTP request gets a 400 response. If its path and query exceed 64 KB,
/// it gets a 414. An error of the handler, a panic, and a response above [`MAX_REPLY`] are
/// reported to the platform. The client then gets the platform's own error. Return a [`Response`]
/// for any error that the client should read.
///
/// # Errors
/// Fails like [`run_bytes`](crate::run_bytes).
pub fn run<B, H>(handler: H) -> anyhow::Result<()>
where
    B: Into<Vec<u8>>,
    H: FnMut(Request<Vec<u8>>, &Context) -> anyhow::Result<Response<B>>,
{
    Runtime::from_env()?.run_bytes(self::handler(handler))
}

/// Turns a handler of HTTP requests into a handler of bytes, for [`Runtime::run_bytes`] and tests.
///
/// # Errors
/// The returned handler fails if `handler` fails or the response exceeds [`MAX_REPLY`].
pub fn handler<B, H>(mut handler: H) -> impl FnMut(Vec<u8>, &Context) -> anyhow::Result<Vec<u8>>
where
    B: Into<Vec<u8>>,
    H: FnMut(Request<Vec<u8>>, &Context) -> anyhow::Result<Response<B>>,
{
    move |event, context| {
        let response = match Event::read(event) {
            Event::Http(request) => handler(request, context)?.map(Into::into),
            Event::TooLong(_) => {
                text_reply(StatusCode::URI_TOO_LONG, "path and query too long (maximum 64 KB)")
            }
            Event::Other(_) => text_reply(StatusCode::BAD_REQUEST, "event is not an HTTP request"),
            Event::Unreadable { error, .. } => {
                text_reply(StatusCode::BAD_REQUEST, &format!("invalid event: {error}"))
            }
        };
        Ok(envelope(response)?)
    }
}

fn text_reply(status: StatusCode, text: &str) -> Response<Vec<u8>> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}
