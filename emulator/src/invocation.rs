use std::{process::ExitStatus, time::Duration};

use serde_json::{Value, json};

use crate::MAX_BYTES;

/// What became of one event.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// One per invocation, in the form of a UUID.
    pub request_id: String,
    /// The bytes that the function posted, or the platform's word on why there are none.
    pub reply: Result<Vec<u8>, Failure>,
    /// From the event's turn to its reply, a cold start included.
    pub duration: Duration,
    /// What the function printed meanwhile; with the first event of an instance, what it printed at start, too.
    pub log: Vec<String>,
}

impl Invocation {
    /// One that never got as far as an instance.
    pub(crate) fn failed(failure: Failure) -> Self {
        Self {
            request_id: new_request_id(),
            reply: Err(failure),
            duration: Duration::ZERO,
            log: Vec::new(),
        }
    }
}

/// How the platform reports an invocation that brought no reply: its own status codes (583/42611) and words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The platform's status: 400, 405, 406, 407, 430, 433, 439 or 450; 499 once the emulator has stopped.
    pub status: u16,
    /// The platform's words, and the cause where the emulator knows more.
    pub message: String,
    /// What the function posted to `/runtime/invocation/error` (430). The platform logs it; the caller never sees it.
    pub report: Option<Vec<u8>>,
}

impl Failure {
    fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), report: None }
    }

    pub(crate) fn event_not_json(error: &serde_json::Error) -> Self {
        Self::new(400, format!("InvalidParameterValue: the event is not JSON: {error}"))
    }

    pub(crate) fn not_started(cause: &str) -> Self {
        Self::new(405, format!("ContainerStateExited: {cause}"))
    }

    pub(crate) fn exited_before_ready(status: ExitStatus) -> Self {
        Self::not_started(&format!("the process ended before it was ready, with {status}"))
    }

    pub(crate) fn event_too_large() -> Self {
        Self::new(406, format!("RequestTooLarge: the event is larger than {MAX_BYTES} bytes"))
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
                format!(
                    "Event acquisition wait timeout: nobody asked for the event in {seconds} seconds"
                )
            },
        )
    }

    pub(crate) fn exited(status: ExitStatus) -> Self {
        Self::new(439, format!("User process exit when running: the process ended with {status}"))
    }

    pub(crate) fn never_ready(limit: Duration, asked: bool) -> Self {
        let seconds = limit.as_secs_f64();
        let hint =
            if asked { ", but it asked for an event: the platform gives none before" } else { "" };
        Self::new(
            450,
            format!("InitContainerTimeout: no POST /runtime/init/ready in {seconds} seconds{hint}"),
        )
    }

    pub(crate) fn stopped() -> Self {
        Self::new(499, "RequestCanceled: the emulator has stopped")
    }

    /// Whether the platform ends the instance after it (583/42611).
    pub(crate) fn ends_instance(&self) -> bool {
        matches!(self.status, 405 | 433 | 439 | 450)
    }

    /// The body that the platform makes. Where it has a stack trace, here stand the function's last lines.
    pub(crate) fn body(&self, request_id: &str, log: &[String]) -> Value {
        const LAST: usize = 20;
        json!({
            "errorCode": -1,
            "errorMessage": self.message,
            "requestId": request_id,
            "stackTrace": log[log.len().saturating_sub(LAST)..].join("\n"),
            "statusCode": self.status,
        })
    }
}

/// A UUID of version 4, as far as its form goes.
pub(crate) fn new_request_id() -> String {
    let bits = fastrand::u128(..) & !(0xf000c << 60) | 0x40008 << 60;
    let hex = format!("{bits:032x}");
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    parts.join("-")
}
