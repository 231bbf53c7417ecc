//! Reads bodies and serves connections, for both servers.

use std::{io, net::SocketAddr};

use axum::{
    Router,
    body::{Body, Bytes},
    serve::ListenerExt,
};
use http_body_util::BodyExt;
use tokio::net::TcpListener;

use crate::invocation::MAX_BYTES;

/// The error of reading a body.
pub(crate) enum BodyError {
    TooLarge,
    /// The sender closed the connection.
    Incomplete,
}

/// Reads a body of at most [`MAX_BYTES`]. A larger body is read and discarded, up to ten times
/// that: a client that is still sending would not receive the response.
pub(crate) async fn read_body(mut body: Body) -> Result<Bytes, BodyError> {
    let mut kept = Vec::new();
    let mut total = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| BodyError::Incomplete)?;
        let Some(chunk) = frame.data_ref() else { continue };
        total += chunk.len();
        if total <= MAX_BYTES {
            kept.extend_from_slice(chunk);
        } else if total > 10 * MAX_BYTES {
            break;
        }
    }
    if total > MAX_BYTES { Err(BodyError::TooLarge) } else { Ok(kept.into()) }
}

/// Serves connections forever, with `TCP_NODELAY` and the peer's address as [`ConnectInfo`].
///
/// [`ConnectInfo`]: axum::extract::ConnectInfo
pub(crate) async fn serve(listener: TcpListener, router: Router) -> io::Result<()> {
    let listener = listener.tap_io(|stream| {
        // Without it, only latency suffers.
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).await
}
