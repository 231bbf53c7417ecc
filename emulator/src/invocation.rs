//! The result of an event.

use std::{process::ExitStatus, time::Duration};

use serde_json::{Value, json};

/// Maximum size of an event and of a reply, in bytes: 6 MB for synchronous invocations
/// (<https://cloud.tencent.com/document/product/583/11637>).
pub const MAX_BYTES: usize = 6 * 1024 * 1024;

/// The platform's default time limit of an invocation.
const DEFAULT_TIME_LIMIT: Duration = Duration::from_secs(3);

/// Status of an invocation that the emulator ends.
pub(crate) const CANCELED: u16 = 499;

/// The result of an event.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// Unique id in the form of a UUID.
    pub request_id: String,
    /// The bytes that the function posted, or the platform's error.
    pub reply: Result<Vec<u8>, Failure>,
    /// Time from the delivery of the event to the reply. Queue and cold start are excluded.
    pub duration: Duration,
    /// Time from the start of the process until it was ready, for the first event of an instance.
    pub cold_start: Option<Duration>,
    /// Maximum memory of the instance so far, in bytes, if `/proc` tells.
    pub memory: Option<u64>,
    /// Lines that the function printed. The first invocation of an instance includes the lines
    /// printed at start.
    pub log: Vec<String>,
}

impl Invocation {
    /// Creates the result of an event that has not reached an instance.
    pub(crate) fn failed(request_id: String, failure: Failure) -> Self {
        Self {
            request_id,
            reply: Err(failure),
            duration: Duration::ZERO,
            cold_start: None,
            memory: None,
            log: Vec::new(),
        }
    }

    /// Returns the billed duration: whole milliseconds, rounded up.
    pub(crate) fn billed_ms(&self) -> u128 {
        self.duration.as_micros().div_ceil(1000)
    }
}

/// Returns the report line of an invocation, as the cloud console shows it.
pub(crate) fn report_line(invocation: &Invocation, memory_limit_mb: u32) -> String {
    let Invocation { request_id, duration, .. } = invocation;
    let ms = duration.as_secs_f64() * 1000.0;
    let billed = invocation.billed_ms();
    let mut line = format!(
        "Report RequestId: {request_id} Duration:{ms:.2}ms BillDuration:{billed}ms \
         Memory:{memory_limit_mb}MB"
    );
    if let Some(memory) = invocation.memory {
        line += &format!(" MemUsage:{:.2}MB", memory as f64 / f64::from(1 << 20));
    }
    if let Some(cold_start) = invocation.cold_start {
        line += &format!(" ColdStart:{}ms", cold_start.as_millis());
    }
    if *duration > DEFAULT_TIME_LIMIT {
        line += " (over 3 s, the platform's default time limit)";
    }
    line
}

/// The platform's error for an invocation without a reply, with the platform's status codes and
/// texts (<https://cloud.tencent.com/document/product/583/42611>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Status: 400, 405, 406, 407, 410, 430, 433, 434, 436, 439, 443, 446 or 450, or 499 if the
    /// emulator has stopped or restarted the function.
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

    pub(crate) fn incomplete_request() -> Self {
        Self::new(400, "InvalidParameterValue: incomplete request body")
    }

    pub(crate) fn not_started(cause: &str) -> Self {
        Self::new(405, format!("ContainerStateExited: {cause}"))
    }

    pub(crate) fn exited_before_ready(status: ExitStatus, log: &[String]) -> Self {
        let hint = match status.code() {
            _ if log.iter().any(|line| line.contains("AWS_LAMBDA_")) => {
                "; this is a runtime of AWS Lambda, and SCF's runtime API is another one"
            }
            Some(126) => "; a file of the function is not executable: run chmod 755",
            Some(127) => "; a command was not found: --env PATH passes your PATH",
            _ => "",
        };
        Self::not_started(&format!("process exited before it was ready ({status}){hint}"))
    }

    pub(crate) fn event_too_large() -> Self {
        Self::new(406, format!("RequestTooLarge: event too large (maximum {MAX_BYTES} bytes)"))
    }

    pub(crate) fn request_too_large() -> Self {
        Self::new(406, format!("RequestTooLarge: body too large (maximum {MAX_BYTES} bytes)"))
    }

    pub(crate) fn reply_too_large() -> Self {
        Self::new(407, "The size of response exceeds the upper limit (6MB)")
    }

    pub(crate) fn response_too_large() -> Self {
        Self::new(410, "The size of response body exceeds the upper limit (6MB)")
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

    pub(crate) fn out_of_memory(used: u64, limit_mb: u32) -> Self {
        let used = used.div_ceil(1 << 20);
        Self::new(434, format!("Memory limit exceeded: {used} MB used (limit {limit_mb} MB)"))
    }

    pub(crate) fn not_invocable() -> Self {
        Self::new(436, "InvalidParameterValue: a Web function takes requests, not events")
    }

    pub(crate) fn exited(status: ExitStatus) -> Self {
        Self::new(439, format!("User process exit when running: process exited ({status})"))
    }

    pub(crate) fn invalid_response(cause: &str) -> Self {
        Self::new(443, format!("UserCodeError: {cause}"))
    }

    pub(crate) fn not_listening(cause: &str) -> Self {
        Self::new(446, format!("PortBindingFailed: {cause}"))
    }

    pub(crate) fn not_ready(limit: Duration, hint: &str) -> Self {
        let seconds = limit.as_secs_f64();
        Self::new(
            450,
            format!("InitContainerTimeout: no POST /runtime/init/ready in {seconds} seconds{hint}"),
        )
    }

    pub(crate) fn stopped() -> Self {
        Self::new(CANCELED, "RequestCanceled: the emulator has stopped")
    }

    pub(crate) fn restarted() -> Self {
        Self::new(CANCELED, "RequestCanceled: the emulator has restarted the function")
    }

    /// Returns whether the instance ends with this failure.
    pub(crate) fn ends_instance(&self) -> bool {
        matches!(self.status, 405 | 433 | 434 | 439 | 446 | 450 | CANCELED)
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
