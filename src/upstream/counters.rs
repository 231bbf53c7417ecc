//! Counters of connections, which tell what happened during a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ureq::Error;
use ureq::unversioned::transport::{Buffers, NextTimeout, Transport};

/// Counts opened connections and received bytes. They tell whether a request used a connection of
/// an earlier one, and whether a part of the response arrived.
#[derive(Clone, Debug, Default)]
pub(super) struct ConnectionCounters(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    opened: AtomicU64,
    received: AtomicU64,
}

impl ConnectionCounters {
    /// Returns the number of connections that were opened, or tried to be.
    pub(super) fn opened(&self) -> u64 {
        self.0.opened.load(Ordering::Relaxed)
    }

    /// Returns the number of reads that returned bytes.
    pub(super) fn received(&self) -> u64 {
        self.0.received.load(Ordering::Relaxed)
    }

    /// Counts one more connection.
    pub(super) fn count_opened(&self) {
        self.0.opened.fetch_add(1, Ordering::Relaxed);
    }
}

/// A transport whose reads are counted.
#[derive(Debug)]
pub(super) struct CountedTransport<T> {
    transport: T,
    counters: ConnectionCounters,
}

impl<T> CountedTransport<T> {
    /// Wraps a transport.
    pub(super) fn new(transport: T, counters: ConnectionCounters) -> Self {
        Self { transport, counters }
    }
}

impl<T: Transport> Transport for CountedTransport<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.transport.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.transport.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let progress = self.transport.await_input(timeout)?;
        self.counters.0.received.fetch_add(progress.into(), Ordering::Relaxed);
        Ok(progress)
    }

    fn is_open(&mut self) -> bool {
        self.transport.is_open()
    }

    fn is_tls(&self) -> bool {
        self.transport.is_tls()
    }
}
