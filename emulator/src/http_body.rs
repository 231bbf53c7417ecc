use axum::body::{Body, Bytes};
use http_body_util::BodyExt;

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
        let Ok(frame) = frame else {
            return Err(Unread::Broken);
        };
        let Some(piece) = frame.data_ref() else {
            continue;
        };
        total += piece.len();
        if total <= MAX_BYTES {
            kept.extend_from_slice(piece);
        } else if total > 10 * MAX_BYTES {
            break;
        }
    }
    if total > MAX_BYTES { Err(Unread::TooLarge) } else { Ok(kept.into()) }
}
