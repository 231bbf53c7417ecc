//! The result of an event.

use std::{process::ExitStatus, time::Duration};

use serde_json::{Value, json};

/// Maximum size of an event and of a reply, in bytes: 6 MB for synchronous invocations
/// (<https://cloud.tencent.com/document/product/583/11637>).
pub const MAX_BYTES: usize = 6 * 1024 * 1024;

/// The result of an event.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// Unique id in the form of a UUID.
    pub request_id: String,
    /// The bytes that the function posted, or the platform's error.
    pub reply: Result<Vec<u8>, Failure>,
    /// Time from the start of the invocation to the reply, cold start included and queue excluded.
    pub duration: Duration,
    /// Lines that the function printed. The first invocation of an instance includes the lines
    /// printed at start.
    pub log: Vec<String>,
}

impl Invocation {
    /// Creates the result of an event that has not reached an instance.
    pub(crate) fn failed(failure: Failure) -> Self {
        Self {
            request_id: new_request_id(),
            reply: Err(failure),
            duration: Duration::ZERO,
            log: Vec::new(),
        }
    }
}

/// The platform's error for an invocation without a reply, with the platform's status codes and
/// texts (<https://cloud.tencent.com/document/product/583/42611>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Status: 400, 405, 406, 407, 430, 433, 439 or 450, or 499 if the emulator has stopped.
    pub status: u16,
    /// Error message, with the cause if known.
    pub message: String,
    /// Body of the function's POST to `/runtime/invocation/error` (status 430). It is logged, and
    /// not sent to the client.
    pub report: Option<Vec<u8>>,
}

impl Failure {
    fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), report: None }
    }

    pub(crate) fn event_not_json(error: &serde_json::Error) -> Self {
        Self::new(400, format!("InvalidParameterValue: event is not JSON: {error}"))
    }

    pub(crate) fn not_started(cause: &str) -> Self {
        Self::new(405, format!("ContainerStateExited: {cause}"))
    }

    pub(crate) fn exited_before_ready(status: ExitStatus) -> Self {
        Self::not_started(&format!("process exited before it was ready ({status})"))
    }

    pub(crate) fn event_too_large() -> Self {
        Self::new(406, format!("RequestTooLarge: event too large (maximum {MAX_BYTES} bytes)"))
    }

    pub(crate) fn reply_too_large() -> Self {
        Self::new(407, "The size of response exceeds the upper limit (6MB)")
    }

    pub(crate) fn function_error(report: Vec<u8>) -> Self {
        Self { report: Some(report), ..Self::new(430, "user code exception caught") }
    }

    pub(crate) fn timed_out(limit: Duration, fetched: bool) -> Self {
        let seconds = limit.as_secs_f64();
        Self::new(
            433,
            if fetched {
                format!("Invoking task timed out after {seconds} seconds")
            } else {
                format!("Event acquisition wait timeout: event not fetched in {seconds} seconds")
            },
        )
    }

    pub(crate) fn exited(status: ExitStatus) -> Self {
        Self::new(439, format!("User process exit when running: process exited ({status})"))
    }

    pub(crate) fn not_ready(limit: Duration, next_before_ready: bool) -> Self {
        let seconds = limit.as_secs_f64();
        let hint = match next_before_ready {
            true => "; GET /runtime/invocation/next returns no event before it",
            false => "",
        };
        Self::new(
            450,
            format!("InitContainerTimeout: no POST /runtime/init/ready in {seconds} seconds{hint}"),
        )
    }

    pub(crate) fn stopped() -> Self {
        Self::new(499, "RequestCanceled: emulator stopped")
    }

    /// Returns whether the platform ends the instance after this error.
    pub(crate) fn ends_instance(&self) -> bool {
        matches!(self.status, 405 | 433 | 439 | 450)
    }

    /// Returns the platform's error JSON, with the last lines of the log as the stack trace.
    pub(crate) fn body(&self, request_id: &str, log: &[String]) -> Value {
        const MAX_LINES: usize = 20;
        json!({
            "errorCode": -1,
            "errorMessage": self.message,
            "requestId": request_id,
            "stackTrace": log[log.len().saturating_sub(MAX_LINES)..].join("\n"),
            "statusCode": self.status,
        })
    }
}

/// Returns a random id in the form of a version 4 UUID. It is not for security.
pub(crate) fn new_request_id() -> String {
    let bits = fastrand::u128(..) & !(0xf000c << 60) | 0x40008 << 60;
    let hex = format!("{bits:032x}");
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    parts.join("-")
}
