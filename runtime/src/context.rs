use std::time::{Duration, Instant};

use http::HeaderMap;

/// What the platform says about an invocation.
///
/// It comes in the headers of `GET /runtime/invocation/next` (document 583/47274). Any of them
/// may be missing, and a value that is no number counts as missing.
#[derive(Clone, Debug)]
pub struct Context {
    /// Names the invocation in the platform's log. Empty where the platform names none.
    pub request_id: String,
    /// Memory of the instance, in megabytes.
    pub memory_limit_mb: Option<u32>,
    /// How long the invocation may take. Past it, the platform ends the instance.
    pub time_limit: Option<Duration>,
    /// When the event began to arrive.
    pub received: Instant,
    /// Whether this is the first event of this instance.
    pub cold: bool,
}

impl Context {
    /// Returns the moment by which the platform must have the reply, `None` where no limit is
    /// known. Leave some of it for the reply's own way.
    pub fn deadline(&self) -> Option<Instant> {
        self.received.checked_add(self.time_limit?)
    }

    /// Reads the headers of an event that has just begun to arrive. Header names are compared
    /// without case: documents and samples write them differently.
    pub(crate) fn read(headers: &HeaderMap) -> Context {
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
