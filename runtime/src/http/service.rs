//! HTTP requests for a tower service, such as a router of axum.

use std::future::poll_fn;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower_service::Service;

use super::run::run_async;
use crate::context::Context;
use crate::error::Error;
use crate::failure::Failure;

/// Runs a [tower service](Service), such as an axum `Router`, on HTTP requests.
///
/// The request's extensions hold the [`Context`]. [`RequestExt`](super::RequestExt) works, too.
/// The response is collected and sent as a whole: the platform does not stream it. Other events
/// get a 400 or a 414 without reaching the service, as in [`run`](super::run).
///
/// ```no_run
/// use axum::{Extension, Router, routing::get};
/// use scf_runtime::Context;
///
/// async fn hello(Extension(context): Extension<Context>) -> String {
///     format!("Hello from {}\n", context.request_id)
/// }
///
/// #[tokio::main]
/// async fn main() -> Result<(), scf_runtime::Error> {
///     scf_runtime::http::run_service(Router::new().route("/", get(hello))).await
/// }
/// ```
///
/// An error of the service fails the invocation. A router has no errors: its 500 is a response
/// like any other. To fail the invocation there, put a [`Failure`] into the response's extensions:
///
/// ```
/// use axum::{Extension, http::StatusCode, response::IntoResponse};
/// use scf_runtime::Failure;
///
/// async fn handler() -> impl IntoResponse {
///     let failure = Failure::new("Database", "no connection");
///     (StatusCode::INTERNAL_SERVER_ERROR, Extension(failure))
/// }
/// ```
///
/// # Errors
/// Fails like [`run_bytes`](crate::run_bytes).
pub async fn run_service<S, B>(mut service: S) -> Result<(), Error>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error: Into<Failure>>,
    B: Body<Error: Into<Failure>>,
{
    run_async(async |request: Request<Vec<u8>>, context: &Context| {
        let mut request = request.map(|body| Full::new(body.into()));
        request.extensions_mut().insert(context.clone());
        poll_fn(|cx| service.poll_ready(cx)).await.map_err(Into::into)?;
        let (mut head, body) = service.call(request).await.map_err(Into::into)?.into_parts();
        if let Some(failure) = head.extensions.remove::<Failure>() {
            return Err(failure);
        }
        let body = body.collect().await.map_err(Into::into)?.to_bytes();
        Ok::<_, Failure>(Response::from_parts(head, Vec::from(body)))
    })
    .await
}
