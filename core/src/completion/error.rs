//! A failed attempt.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::RETRY_AFTER;

use crate::failure::Failure;
use crate::lang::Localized;

/// A failed attempt to get an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptError {
    /// The failure for the client, if this was the last attempt.
    pub failure: Failure,
    /// Set if the same request may succeed later.
    pub retryable: bool,
    /// The upstream's `Retry-After`.
    pub retry_after: Option<String>,
}

impl From<Failure> for AttemptError {
    /// Creates an error that is not retryable.
    fn from(failure: Failure) -> Self {
        Self { failure, retryable: false, retry_after: None }
    }
}

impl AttemptError {
    /// Creates a retryable error.
    pub fn retryable(failure: Failure) -> Self {
        Self { failure, retryable: true, retry_after: None }
    }

    /// Makes the error retryable if the upstream failed without a known reason.
    pub(super) fn or_retryable(mut self) -> Self {
        self.retryable |= matches!(self.failure, Failure::UpstreamFailed(_));
        self
    }

    /// Creates the error of a reply that ended before the answer did.
    pub(super) fn connection_closed() -> Self {
        Failure::UpstreamFailed(Localized::new(
            "it closed the connection before the answer was complete",
            "它在回答完成之前断开了连接",
        ))
        .into()
    }

    /// Adds the upstream's `Retry-After`. A rate limit passes it on to the client.
    pub(super) fn with_retry_after(mut self, retry_after: Option<&str>) -> Self {
        self.retry_after = retry_after.map(str::to_owned);
        if let Failure::UpstreamBusy { retry_after } = &mut self.failure {
            retry_after.clone_from(&self.retry_after);
        }
        self
    }
}

/// Returns a valid `Retry-After`: seconds, or a date.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?;
    let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
    let is_valid =
        is_number && value.parse::<u32>().is_ok() || httpdate::parse_http_date(value).is_ok();
    is_valid.then(|| value.to_owned())
}

/// Returns the wait that a `Retry-After` asks for, or `None` if it is invalid.
pub fn parse_retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let seconds = value.parse().ok().map(Duration::from_secs);
    let until_date = || {
        let date = httpdate::parse_http_date(value).ok()?;
        Some(date.duration_since(now).unwrap_or_default())
    };
    seconds.or_else(until_date)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Sun, 22 Nov 2026 00:00:00 GMT").unwrap();
        let wait = |value| parse_retry_after(value, now);
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("Sun, 22 Nov 2026 00:00:09 GMT"), Some(Duration::from_secs(9)));
        assert_eq!(wait("Sat, 21 Nov 2026 00:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("soon"), None);
        let in_headers = |value: &str| {
            retry_after(&HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]))
        };
        assert_eq!(in_headers("soon"), None);
        assert_eq!(in_headers("+7"), None);
        assert_eq!(in_headers("20").as_deref(), Some("20"));
    }

    #[test]
    fn only_a_rate_limit_passes_retry_after_on() {
        let busy = Failure::UpstreamBusy { retry_after: None };
        let busy = AttemptError::retryable(busy).with_retry_after(Some("20"));
        assert_eq!(busy.failure.retry_after().as_deref(), Some("20"));
        let failed = AttemptError::connection_closed().with_retry_after(Some("20"));
        assert_eq!(failed.retry_after.as_deref(), Some("20"));
        assert_eq!(failed.failure.retry_after(), None);
    }
}
