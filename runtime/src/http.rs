//! Functions behind an HTTP trigger: a Function URL, the former API Gateway, CloudBase.
//!
//! Their events become [`http::Request`]s, and
//! [`http::Response`]s become the reply that they understand.

mod envelope;
mod event;

pub use envelope::{MAX_REPLY, TooLarge, envelope};
pub use event::Event;

use ::http::{Request, Response, StatusCode, header};
use anyhow::Context as _;

use crate::Context;

/// Runs a handler of HTTP requests, for as long as the platform keeps the instance.
///
/// An event that is no HTTP request is answered with a 400, one whose path and query are longer
/// than a URI can be with a 414. The handler's errors and panics, and
/// a response larger than the platform carries, are reported as failed invocations: what the
/// caller then sees is the platform's own. Answer with a [`Response`] what the caller is to read.
///
/// # Errors
/// As [`run_bytes`](crate::run_bytes).
pub fn run<B, H>(handler: H) -> anyhow::Result<()>
where
    B: Into<Vec<u8>>,
    H: FnMut(Request<Vec<u8>>, &Context) -> anyhow::Result<Response<B>>,
{
    crate::run_bytes(self::handler(handler))
}

/// Makes a handler of HTTP requests one of bytes, which
/// [`Runtime::run_bytes`](crate::Runtime::run_bytes) runs and a test can call.
pub fn handler<B, H>(mut handler: H) -> impl FnMut(Vec<u8>, &Context) -> anyhow::Result<Vec<u8>>
where
    B: Into<Vec<u8>>,
    H: FnMut(Request<Vec<u8>>, &Context) -> anyhow::Result<Response<B>>,
{
    move |event, context| {
        let response = match Event::read(event) {
            Event::Http(request) => handler(request, context)?.map(Into::into),
            Event::TooLong(_) => {
                let sentence = "path and query are longer than 64 KB".to_owned();
                refused(StatusCode::URI_TOO_LONG, sentence)
            }
            Event::Other(_) => {
                refused(StatusCode::BAD_REQUEST, "the event is no HTTP request".to_owned())
            }
            Event::Unreadable(why) => {
                refused(StatusCode::BAD_REQUEST, format!("the event cannot be read: {why}"))
            }
        };
        envelope(response).context("write the reply")
    }
}

fn refused(status: StatusCode, sentence: String) -> Response<Vec<u8>> {
    let mut response = Response::new(sentence.into_bytes());
    *response.status_mut() = status;
    let text = header::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    response
}
