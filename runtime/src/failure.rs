//! The report of a failed invocation.

use std::any::type_name;
use std::error::Error;
use std::fmt::Display;

use serde::Serialize;

/// A failed invocation, reported to the platform as
/// `{"errorType": "…", "errorMessage": "…"}`.
///
/// Every error with a message converts with `?`: a type of your own, `anyhow::Error`, a boxed
/// error, a string. The type is the name of its Rust type, the message its
/// [`Display`](std::fmt::Display). Of an `anyhow::Error`, the message has all causes. Of others,
/// use [`with_causes`](Failure::with_causes) if `Display` leaves them out.
///
/// ```
/// use scf_runtime::Failure;
///
/// fn pieces(text: &str) -> Result<u32, Failure> {
///     let pieces = text.parse()?;
///     if pieces == 0 {
///         return Err(Failure::new("EmptyOrder", "order is empty"));
///     }
///     Ok(pieces)
/// }
///
/// let failure = pieces("many").unwrap_err();
/// assert_eq!(failure.error_type, "core::num::error::ParseIntError");
/// assert_eq!(failure.error_message, "invalid digit found in string");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Failure {
    /// The kind of error.
    pub error_type: String,
    /// The message.
    pub error_message: String,
}

impl Failure {
    /// Creates a failure of a type and with a message of your own.
    pub fn new(error_type: impl Into<String>, error_message: impl Into<String>) -> Failure {
        Failure { error_type: error_type.into(), error_message: error_message.into() }
    }

    /// Creates a failure from an error and its [sources](Error::source), joined by colons.
    pub fn with_causes<E: Error>(error: &E) -> Failure {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message += &format!(": {cause}");
            source = cause.source();
        }
        Failure::new(type_name::<E>(), message)
    }
}

// `Failure` itself must not implement `Display`: `From<Failure> for Failure` would exist twice.
impl<E: Display> From<E> for Failure {
    fn from(error: E) -> Failure {
        // The alternate form of an `anyhow::Error` includes its causes.
        Failure::new(type_name::<E>(), format!("{error:#}"))
    }
}
