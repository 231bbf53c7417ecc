//! The errors of ureq, as those that both functions report.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use ask_core::completion::{ConnectError, UpstreamError};
use ureq::Error;

/// A [`ConnectError`] on its way through ureq.
#[derive(Debug)]
pub(super) struct Connecting(pub(super) ConnectError);

impl fmt::Display for Connecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::error::Error for Connecting {}

impl From<Connecting> for Error {
    fn from(error: Connecting) -> Self {
        Error::Other(Box::new(error))
    }
}

/// Returns the error of a request without a response. `received_any` is set if a part of the
/// response has arrived.
pub(super) fn request_error(error: Error, deadline: Instant, received_any: bool) -> UpstreamError {
    match error {
        Error::Other(other) => match other.downcast::<Connecting>() {
            Ok(error) => match error.0 {
                ConnectError::TimedOut if deadline_passed(deadline) => UpstreamError::Timeout,
                other => UpstreamError::Connect(other),
            },
            Err(other) => UpstreamError::Protocol(other.to_string()),
        },
        Error::Timeout(_) => UpstreamError::Timeout,
        Error::Io(_) if received_any => UpstreamError::IncompleteMessage,
        Error::Io(_) => UpstreamError::ConnectionClosed,
        other => UpstreamError::Protocol(other.to_string()),
    }
}

/// Returns whether a body could not be read because of the deadline.
pub(super) fn is_timeout(error: io::Error, deadline: Instant) -> bool {
    matches!(Error::from(error), Error::Timeout(_)) || deadline_passed(deadline)
}

/// Returns whether the deadline has passed, or is about to.
///
/// Behind a SOCKS proxy, ureq waits in whole milliseconds and divides them by the addresses of a
/// name. So it gives up shortly before the deadline, because of it.
fn deadline_passed(deadline: Instant) -> bool {
    Instant::now() + Duration::from_millis(20) >= deadline
}
