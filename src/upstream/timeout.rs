//! The rest of a timeout.

use std::time::Duration;

use ureq::unversioned::transport::time::Instant;
use ureq::unversioned::transport::{ConnectionDetails, NextTimeout};

/// Returns the rest of the time to connect. ureq gives the time at which connecting began.
pub(super) fn remaining_timeout(details: &ConnectionDetails) -> NextTimeout {
    let mut timeout = details.timeout;
    if !timeout.after.is_not_happening() {
        let elapsed = match ((details.current_time)(), details.now) {
            (Instant::Exact(now), Instant::Exact(start)) => now.saturating_duration_since(start),
            _ => Duration::ZERO,
        };
        timeout.after = timeout.after.saturating_sub(elapsed).into();
    }
    timeout
}
