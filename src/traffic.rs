//! What happens on a connection while the provider is waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ureq::Error;
use ureq::unversioned::transport::{Buffers, NextTimeout, Transport};

/// Counts what happens on connections: a caller can tell whether its request went out on one that was kept from an
/// earlier one, and whether any byte of a reply came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traffic(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    opened: AtomicU64,
    heard: AtomicU64,
}

impl Traffic {
    /// So many connections were opened until now, or tried to be.
    pub(crate) fn opened(&self) -> u64 {
        self.0.opened.load(Ordering::Relaxed)
    }

    /// So often bytes of a reply came until now.
    pub(crate) fn heard(&self) -> u64 {
        self.0.heard.load(Ordering::Relaxed)
    }

    /// One more is to be opened.
    pub(crate) fn opens(&self) {
        self.0.opened.fetch_add(1, Ordering::Relaxed);
    }
}

/// A connection whose traffic is counted, and whose time-outs come in time.
#[derive(Debug)]
pub(crate) struct Watched<T> {
    transport: T,
    traffic: Traffic,
}

impl<T> Watched<T> {
    /// Watches what comes on this connection.
    pub(crate) fn new(transport: T, traffic: Traffic) -> Self {
        Self { transport, traffic }
    }
}

impl<T: Transport> Transport for Watched<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.transport.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.transport.transmit_output(amount, timeout)
    }

    /// Waits step by step: behind a SOCKS proxy the socket is ureq's, whose long time-outs are late by seconds.
    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let began = Instant::now();
        loop {
            let left = (!timeout.after.is_not_happening())
                .then(|| timeout.after.saturating_sub(began.elapsed()));
            let step = left.map(step);
            let after = step.map_or(timeout.after, Into::into);
            match self.transport.await_input(NextTimeout { after, ..timeout }) {
                Err(Error::Timeout(_)) if step < left => {}
                Ok(progress) => {
                    self.traffic.0.heard.fetch_add(progress.into(), Ordering::Relaxed);
                    return Ok(progress);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn is_open(&mut self) -> bool {
        self.transport.is_open()
    }

    fn is_tls(&self) -> bool {
        self.transport.is_tls()
    }
}

/// How much of the time left to wait at once. Linux keeps the time-outs of sockets on a wheel of timers (its
/// `kernel/time/timer.c`) and may be late by an eighth of the wait: of 59 s, up to 5.
fn step(left: Duration) -> Duration {
    /// Here an eighth does no harm.
    const SHORT: Duration = Duration::from_millis(500);
    if left <= SHORT { left } else { left * 3 / 4 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_that_is_late_by_an_eighth_each_time_ends_in_time() {
        for millis in [1, 400, 501, 2_700, 59_000, 900_000] {
            let limit = Duration::from_millis(millis);
            let (mut spent, mut steps) = (Duration::ZERO, 0);
            while spent < limit {
                let step = step(limit - spent);
                spent += step + step / 8;
                steps += 1;
            }
            assert!(spent <= limit + Duration::from_millis(63), "{millis}: {spent:?}");
            assert!(steps < 8, "{millis}: {steps} steps");
        }
    }
}
