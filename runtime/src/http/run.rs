//! Handlers of HTTP requests in the event loop.

use http::Request;

use super::envelope::envelope;
use super::event;
use super::response::IntoResponse;
use crate::context::Context;
use crate::error::Error;
use crate::failure::Failure;
use crate::reply::TooLarge;
use crate::runtime::Runtime;

/// Runs a handler of HTTP requests.
///
/// An event that is not an HTTP request gets a 400 response. If its path and query exceed 64 KB,
/// it gets a 414. An error of the handler, a panic, and a response above
/// [`MAX_REPLY`](crate::MAX_REPLY) are reported to the platform. The client then gets the
/// platform's own error. Return a [`Response`](super::Response) for any error that the client
/// should read.
///
/// # Errors
/// Fails like [`run_bytes`](crate::run_bytes).
pub fn run<R, H>(handler: H) -> Result<(), Error>
where
    R: IntoResponse,
    H: FnMut(Request<Vec<u8>>, &Context) -> R,
{
    Runtime::from_env()?.run_bytes(self::handler(handler))
}

/// Runs an asynchronous handler of HTTP requests. It is like [`run`] in all else.
///
/// ```no_run
/// # use scf_runtime::http::{Request, Response};
/// async fn handler(request: Request<Vec<u8>>, _: &scf_runtime::Context) -> String {
///     format!("Hello from {}\n", request.uri())
/// }
///
/// #[tokio::main]
/// async fn main() -> Result<(), scf_runtime::Error> {
///     scf_runtime::http::run_async(handler).await
/// }
/// ```
///
/// # Errors
/// Fails like [`run_bytes`](crate::run_bytes).
#[cfg(feature = "tokio")]
pub async fn run_async<R, H>(mut handler: H) -> Result<(), Error>
where
    R: IntoResponse,
    H: AsyncFnMut(Request<Vec<u8>>, &Context) -> R,
{
    let handler = async |event: Vec<u8>, context: &Context| match event::request(event) {
        Ok(request) => reply(handler(request, context).await),
        Err(response) => reply(*response),
    };
    Runtime::from_env()?.run_bytes_async(handler).await
}

/// Turns a handler of HTTP requests into a handler of bytes, for [`Runtime::run_bytes`] and
/// tests.
///
/// # Errors
/// The returned handler fails if `handler` fails or the response exceeds
/// [`MAX_REPLY`](crate::MAX_REPLY).
pub fn handler<R, H>(mut handler: H) -> impl FnMut(Vec<u8>, &Context) -> Result<Vec<u8>, Failure>
where
    R: IntoResponse,
    H: FnMut(Request<Vec<u8>>, &Context) -> R,
{
    move |event, context| match event::request(event) {
        Ok(request) => reply(handler(request, context)),
        Err(response) => reply(*response),
    }
}

fn reply(response: impl IntoResponse) -> Result<Vec<u8>, Failure> {
    envelope(response.into_response()?).map_err(TooLarge::into_failure)
}
