//! TCP with exact timeouts.
//!
//! ureq's own transport sets socket timeouts. Linux keeps them on a timer wheel (its
//! `kernel/time/timer.c`), where they may be late by an eighth: of 59 s, by 7. `poll` is exact.

use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport,
};
use ureq::{Error, Timeout};

use super::timeout::remaining_timeout;

/// Opens TCP connections, unless a proxy connector has opened one.
#[derive(Debug)]
pub(super) struct TcpConnector;

impl<In: Transport> Connector<In> for TcpConnector {
    type Out = Either<In, TcpTransport>;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        if let Some(opened) = chained {
            return Ok(Some(Either::A(opened)));
        }
        let stream = connect(details)?;
        stream.set_nodelay(true)?;
        let buffers = LazyBuffers::new(
            details.config.input_buffer_size(),
            details.config.output_buffer_size(),
        );
        Ok(Some(Either::B(TcpTransport { stream, buffers })))
    }
}

/// Tries the addresses one by one, each with an equal share of the remaining time.
fn connect(details: &ConnectionDetails) -> Result<TcpStream, Error> {
    let mut last = Error::Io(ErrorKind::AddrNotAvailable.into());
    for (tried, address) in details.addrs.iter().enumerate() {
        let others = details.addrs.len() - tried;
        let share = remaining_timeout(details).after.checked_div(others as u32).unwrap_or_default();
        if share.is_zero() {
            return Err(Error::Timeout(details.timeout.reason));
        }
        last = match TcpStream::connect_timeout(address, share) {
            Ok(stream) => return Ok(stream),
            Err(error) if error.kind() == ErrorKind::TimedOut => Error::Timeout(Timeout::Connect),
            Err(error) => error.into(),
        };
    }
    Err(last)
}

/// An open connection.
#[derive(Debug)]
pub(super) struct TcpTransport {
    stream: TcpStream,
    buffers: LazyBuffers,
}

impl Transport for TcpTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let start = Instant::now();
        let mut output = &self.buffers.output()[..amount];
        while !output.is_empty() {
            match send(&self.stream, output, SendFlags::DONTWAIT) {
                Ok(sent) => output = &output[sent..],
                Err(Errno::WOULDBLOCK) => wait(&self.stream, PollFlags::OUT, start, timeout)?,
                Err(Errno::INTR) => {}
                Err(error) => return Err(io::Error::from(error).into()),
            }
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let start = Instant::now();
        loop {
            // The response has not arrived yet, so wait before the first read.
            wait(&self.stream, PollFlags::IN, start, timeout)?;
            match recv(&self.stream, self.buffers.input_append_buf(), RecvFlags::DONTWAIT) {
                Ok((_, amount)) => {
                    self.buffers.input_appended(amount);
                    return Ok(amount > 0);
                }
                Err(Errno::WOULDBLOCK | Errno::INTR) => {}
                Err(error) => return Err(io::Error::from(error).into()),
            }
        }
    }

    fn is_open(&mut self) -> bool {
        // An open connection has no input before a request.
        let peeked = recv(&self.stream, &mut [0], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        matches!(peeked, Err(Errno::WOULDBLOCK))
    }
}

/// Waits until the socket is ready. The timeout began at `start`.
fn wait(
    stream: &TcpStream,
    ready: PollFlags,
    start: Instant,
    timeout: NextTimeout,
) -> Result<(), Error> {
    loop {
        let remaining = timeout.after.saturating_sub(start.elapsed());
        if remaining.is_zero() {
            return Err(Error::Timeout(timeout.reason));
        }
        // A duration too long for `timespec` means no timeout.
        let remaining = Timespec::try_from(remaining).ok();
        match poll(&mut [PollFd::new(stream, ready)], remaining.as_ref()) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(io::Error::from(error).into()),
        }
    }
}
