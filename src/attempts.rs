//! The attempts at one question, with the waits between them.

use std::time::{Duration, Instant, SystemTime};

use ask_core::Failure;
use ask_core::completion::{AttemptError, Cooldowns, CurrentTime, Retry};
use ask_host::random;

/// Makes attempts until one succeeds, until a failure is not retryable, or until the next one would
/// begin after the deadline. `wait` waits before a retry.
///
/// # Errors
/// The failure of the last attempt.
pub(crate) fn first_success<T>(
    retry: &mut Retry<'_>,
    cooldowns: &mut Cooldowns,
    deadline: Instant,
    wait: impl Fn(Duration),
    attempt: impl Fn(&Retry<'_>) -> Result<T, AttemptError>,
) -> Result<T, Failure> {
    loop {
        let error = match attempt(retry) {
            Ok(success) => return Ok(success),
            Err(error) => error,
        };
        let now = CurrentTime {
            instant: Instant::now(),
            system: SystemTime::now(),
            remaining: Some(deadline.saturating_duration_since(Instant::now())),
        };
        wait(retry.next_attempt(error, cooldowns, now, random())?);
    }
}
