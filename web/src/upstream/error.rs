//! The errors of hyper and of sockets, as those that both functions report.

use std::error::Error as StdError;
use std::io;

use ask_core::completion::{ConnectError, UpstreamError};
use socket2::{Domain, Socket, Type};

/// Returns the error of a request without a response.
pub(super) fn request_error(error: &hyper::Error, received_any: bool) -> UpstreamError {
    match is_connection_closed(error) {
        // The body of the request is the only source of user errors.
        _ if error.is_user() => UpstreamError::RequestBody,
        true if received_any => UpstreamError::IncompleteMessage,
        true => UpstreamError::ConnectionClosed,
        false => UpstreamError::Protocol(error.to_string()),
    }
}

/// Returns whether the connection has been closed.
pub(super) fn is_connection_closed(error: &hyper::Error) -> bool {
    let is_io = error.source().is_some_and(|source| source.is::<io::Error>());
    is_io || error.is_canceled() || error.is_closed() || error.is_incomplete_message()
}

/// Returns the error of a failed connection attempt.
pub(super) fn connect_error(error: &(dyn StdError + 'static)) -> ConnectError {
    match io_error(error) {
        Some(error) if is_out_of_descriptors(error) => ConnectError::OutOfDescriptors,
        Some(error) if error.kind() == io::ErrorKind::TimedOut => ConnectError::TimedOut,
        Some(error) => ConnectError::Io(error.kind()),
        None => ConnectError::Io(io::ErrorKind::Other),
    }
}

/// Returns the error of a failed connection attempt through the proxy at `address`.
pub(super) fn proxy_error(error: &(dyn StdError + 'static), address: String) -> ConnectError {
    match io_error(error) {
        Some(_) => match connect_error(error) {
            ConnectError::Io(kind) => ConnectError::ProxyUnreachable(address, kind),
            other => other,
        },
        None => ConnectError::ProxyRefused(address, error.to_string()),
    }
}

fn io_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a io::Error> {
    let mut causes = std::iter::successors(Some(error), |&error| error.source());
    causes.find_map(|cause| cause.downcast_ref::<io::Error>())
}

/// Returns whether a descriptor can be opened at the moment.
pub(super) fn can_open_descriptor() -> bool {
    !Socket::new(Domain::IPV4, Type::DGRAM, None).is_err_and(|error| is_out_of_descriptors(&error))
}

/// Returns whether the process or the system is out of descriptors. The standard library has no
/// [`io::ErrorKind`] for it.
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}
