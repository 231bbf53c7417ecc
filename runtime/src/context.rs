//! The context of an invocation.

use std::time::{Duration, Instant};

use http::HeaderMap;

/// The context of an invocation, from the headers of `GET /runtime/invocation/next`
/// (<https://cloud.tencent.com/document/product/583/47274>).
///
/// Every header is optional. A value that is not a number counts as missing.
#[derive(Clone, Debug)]
pub struct Context {
    /// The invocation's id in the platform's log (`request_id`). Empty if missing.
    pub request_id: String,
    /// Memory of the instance, in MB (`memory_limit_in_mb`).
    pub memory_limit_mb: Option<u32>,
    /// Maximum duration of the invocation (`time_limit_in_ms`). The platform ends the instance
    /// after it.
    pub time_limit: Option<Duration>,
    /// The time at which the event's headers arrived.
    pub received: Instant,
    /// `true` for the first event of the instance.
    pub cold: bool,
}

impl Context {
    /// Returns the time at which the platform ends the instance, or `None` if the event has no
    /// time limit. Reply earlier: the reply has to arrive by then.
    pub fn deadline(&self) -> Option<Instant> {
        self.received.checked_add(self.time_limit?)
    }

    /// Reads the headers of an event that has just arrived, except `cold`. Their case does not
    /// matter: the documents write them in more than one way.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Context {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let number = |name| text(name).and_then(|value| value.parse::<u64>().ok());
        Context {
            request_id: text("request_id").unwrap_or_default().to_owned(),
            memory_limit_mb: number("memory_limit_in_mb").and_then(|mb| mb.try_into().ok()),
            time_limit: number("time_limit_in_ms").map(Duration::from_millis),
            received: Instant::now(),
            cold: false,
        }
    }
}
