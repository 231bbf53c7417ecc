//! Exact timeouts behind a SOCKS proxy, where the socket is ureq's own.

use std::time::{Duration, Instant};

use ureq::Error;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

/// A wait up to this length is not divided.
const SHORT_WAIT: Duration = Duration::from_millis(500);

/// Wraps the connection of the SOCKS connector, if it opened one.
#[derive(Debug)]
pub(super) struct StepwiseConnector;

impl<In: Transport> Connector<In> for StepwiseConnector {
    type Out = StepwiseTransport<In>;

    fn connect(
        &self,
        _: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        Ok(chained.map(StepwiseTransport))
    }
}

/// A transport that divides long waits into steps.
///
/// It uses socket timeouts. Linux keeps them on a timer wheel (its `kernel/time/timer.c`), where
/// they may be late by an eighth of the wait: of 59 s, by 7.
#[derive(Debug)]
pub(super) struct StepwiseTransport<T>(T);

impl<T: Transport> Transport for StepwiseTransport<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.0.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.0.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let start = Instant::now();
        loop {
            let remaining = (!timeout.after.is_not_happening())
                .then(|| timeout.after.saturating_sub(start.elapsed()));
            let step = remaining.map(step);
            let after = step.map_or(timeout.after, Into::into);
            match self.0.await_input(NextTimeout { after, ..timeout }) {
                Err(Error::Timeout(_)) if step < remaining => {}
                result => return result,
            }
        }
    }

    fn is_open(&mut self) -> bool {
        self.0.is_open()
    }

    fn is_tls(&self) -> bool {
        self.0.is_tls()
    }
}

/// Returns the next step of a wait.
fn step(remaining: Duration) -> Duration {
    if remaining <= SHORT_WAIT { remaining } else { remaining * 3 / 4 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_that_are_late_by_an_eighth_end_in_time() {
        for millis in [1, 400, 501, 2_700, 59_000, 900_000] {
            let limit = Duration::from_millis(millis);
            let (mut elapsed, mut steps) = (Duration::ZERO, 0);
            while elapsed < limit {
                let step = step(limit - elapsed);
                elapsed += step + step / 8;
                steps += 1;
            }
            assert!(elapsed <= limit + Duration::from_millis(63), "{millis}: {elapsed:?}");
            assert!(steps < 8, "{millis}: {steps} steps");
        }
    }
}
