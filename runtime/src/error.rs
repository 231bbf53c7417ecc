//! The errors that end the event loop.

use std::fmt;

/// The reason for which the event loop ended or could not start.
///
/// [`Display`](fmt::Display) and [`Debug`] print the same sentence, because `main` prints the
/// `Debug` of the error that it returns.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// `SCF_RUNTIME_API` is not set. The platform sets it, and so does the emulator.
    MissingAddress,
    /// The address of the runtime API is invalid. Holds the reason.
    InvalidAddress(String),
    /// The runtime API failed for longer than the maximum outage. End the process then, so that
    /// the platform starts a new instance.
    Outage {
        /// The address of the runtime API.
        address: String,
        /// The last failed call and its cause.
        cause: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::MissingAddress => {
                f.write_str("SCF_RUNTIME_API is not set (run the function with scf-emulator)")
            }
            Error::InvalidAddress(reason) => {
                write!(f, "invalid address of the runtime API: {reason}")
            }
            Error::Outage { address, cause } => {
                write!(f, "the runtime API at {address} keeps failing: {cause}")
            }
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}
