//! The context of an invocation.

use std::env;
use std::time::{Duration, Instant};

use http::HeaderMap;

/// The context of an invocation, from the headers of `GET /runtime/invocation/next`
/// (<https://cloud.tencent.com/document/product/583/47274>) and the environment
/// (<https://cloud.tencent.com/document/product/583/30228>).
///
/// The platform may leave out any of these values. A header that is not a number counts as
/// missing.
#[derive(Clone, Debug)]
#[non_exhaustive]
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
    /// Name of the function (`SCF_FUNCTIONNAME`). Empty if missing.
    pub function_name: String,
    /// Version of the function (`SCF_FUNCTIONVERSION`), such as `$LATEST`. Empty if missing.
    pub function_version: String,
    /// Namespace of the function (`SCF_NAMESPACE`). Empty if missing.
    pub namespace: String,
    /// Region of the function (`TENCENTCLOUD_REGION`), such as `ap-singapore`. Empty if missing.
    pub region: String,
}

impl Context {
    /// Returns a context for calling a handler in a test: a cold instance with 128 MB and 3
    /// seconds. Change any field.
    ///
    /// ```
    /// let mut context = scf_runtime::Context::for_test();
    /// context.request_id = "r-1".to_owned();
    /// ```
    pub fn for_test() -> Context {
        Context {
            request_id: "test".to_owned(),
            memory_limit_mb: Some(128),
            time_limit: Some(Duration::from_secs(3)),
            received: Instant::now(),
            cold: true,
            function_name: "test".to_owned(),
            function_version: "$LATEST".to_owned(),
            namespace: "default".to_owned(),
            region: "ap-singapore".to_owned(),
        }
    }

    /// Returns the time at which the platform ends the instance, or `None` if the event has no
    /// time limit. Reply earlier: the reply has to arrive by then.
    pub fn deadline(&self) -> Option<Instant> {
        self.received.checked_add(self.time_limit?)
    }

    /// Returns the time until the [`deadline`](Context::deadline), or `None` if the event has no
    /// time limit. Zero after the deadline.
    pub fn remaining(&self) -> Option<Duration> {
        Some(self.deadline()?.saturating_duration_since(Instant::now()))
    }

    /// Creates the context of an instance that has received no event yet.
    pub(crate) fn of_instance() -> Context {
        let var = |name| env::var(name).unwrap_or_default();
        Context {
            request_id: String::new(),
            memory_limit_mb: None,
            time_limit: None,
            received: Instant::now(),
            cold: true,
            function_name: var("SCF_FUNCTIONNAME"),
            function_version: var("SCF_FUNCTIONVERSION"),
            namespace: var("SCF_NAMESPACE"),
            region: var("TENCENTCLOUD_REGION"),
        }
    }

    /// Reads the headers of an event that has just arrived. Their case does not matter: the
    /// documents write them in more than one way.
    pub(crate) fn read_headers(&mut self, headers: &HeaderMap) {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let number = |name| text(name).and_then(|value| value.parse::<u64>().ok());
        self.request_id = text("request_id").unwrap_or_default().to_owned();
        self.memory_limit_mb = number("memory_limit_in_mb").and_then(|mb| mb.try_into().ok());
        self.time_limit = number("time_limit_in_ms").map(Duration::from_millis);
        self.received = Instant::now();
    }

    /// The span of the invocation.
    #[cfg(feature = "tracing")]
    pub(crate) fn span(&self) -> tracing::Span {
        tracing::info_span!("invocation", request_id = self.request_id, cold = self.cold)
    }
}
