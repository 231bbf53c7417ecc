//! The question endpoint: one question in, one answer out, streamed.

use http::{Request, Response};
use hyper::body::Incoming;

use crate::body::ReplyBody;
use crate::exchange::Exchange;
use crate::proxy;
use ask_core::Failure;

/// Replies to a request to the question endpoint.
pub(crate) async fn reply(exchange: Exchange, request: Request<Incoming>) -> Response<ReplyBody> {
    proxy::fail(exchange, request.headers(), Failure::Method.into())
}
