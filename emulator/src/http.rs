//! What both servers need of HTTP.

use std::{io, net::SocketAddr};

use axum::{
    Router,
    body::{Body, Bytes},
    serve::ListenerExt,
};
use http_body_util::BodyExt;
use tokio::net::TcpListener;

use crate::MAX_BYTES;

/// Why a body could not be had whole.
pub(crate) enum Unread {
    TooLarge,
    /// The sender broke off.
    Broken,
}

/// Reads a body of at most [`MAX_BYTES`]. What is too large is read all the same, up to ten times that, and thrown
/// away: who hangs up on a sender in the middle never gets a word through to it.
pub(crate) async fn read(mut body: Body) -> Result<Bytes, Unread> {
    let mut kept = Vec::new();
    let mut total = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Unread::Broken)?;
        let Some(piece) = frame.data_ref() else { continue };
        total += piece.len();
        if total <= MAX_BYTES {
            kept.extend_from_slice(piece);
        } else if total > 10 * MAX_BYTES {
            break;
        }
    }
    if total > MAX_BYTES { Err(Unread::TooLarge) } else { Ok(kept.into()) }
}

/// Serves for ever. Handlers can ask for the peer's address.
///
/// The last piece of a large body is sent at once, without waiting for the other side's word on the piece before.
pub(crate) async fn serve(listener: TcpListener, router: Router) -> io::Result<()> {
    let listener = listener.tap_io(|stream| {
        // The delay is a loss of time and nothing else.
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).await
}
