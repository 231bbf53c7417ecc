//! The maximum size of a reply.

use std::fmt;

use crate::failure::Failure;

/// Maximum size of a reply, in bytes: <https://cloud.tencent.com/document/product/583/11637>.
/// Of an HTTP response, the whole envelope counts.
pub const MAX_REPLY: usize = 6 * 1024 * 1024;

/// The error for a reply larger than [`MAX_REPLY`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge {
    /// Size of the reply in bytes, or of the body of an HTTP response that alone is too large.
    pub size: usize,
}

impl TooLarge {
    pub(crate) fn into_failure(self) -> Failure {
        Failure::new("ReplyTooLarge", self.to_string())
    }
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "reply too large: {} bytes (maximum {MAX_REPLY})", self.size)
    }
}

impl std::error::Error for TooLarge {}
