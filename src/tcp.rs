//! TCP to the provider, whose waits end when they should. ureq's own sets time-outs of the socket, which Linux keeps on a
//! wheel of timers (its `kernel/time/timer.c`) and may let run over by an eighth: of 59 s, 7. `poll` is exact.

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

use crate::connect::left;

/// Opens TCP connections, where no proxy before it has opened one.
#[derive(Debug)]
pub(crate) struct Tcp;

impl<In: Transport> Connector<In> for Tcp {
    type Out = Either<In, Socket>;

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
        Ok(Some(Either::B(Socket { stream, buffers })))
    }
}

/// Tries one address after the other, each for its share of the time that is left.
fn connect(details: &ConnectionDetails) -> Result<TcpStream, Error> {
    let mut failed = Error::Io(ErrorKind::AddrNotAvailable.into());
    for (tried, address) in details.addrs.iter().enumerate() {
        let others = details.addrs.len() - tried;
        let share = left(details).after.checked_div(others as u32).unwrap_or_default();
        if share.is_zero() {
            return Err(Error::Timeout(details.timeout.reason));
        }
        failed = match TcpStream::connect_timeout(address, share) {
            Ok(stream) => return Ok(stream),
            Err(error) if error.kind() == ErrorKind::TimedOut => Error::Timeout(Timeout::Connect),
            Err(error) => error.into(),
        };
    }
    Err(failed)
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    buffers: LazyBuffers,
}

impl Transport for Socket {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let began = Instant::now();
        let mut output = &self.buffers.output()[..amount];
        while !output.is_empty() {
            match send(&self.stream, output, SendFlags::DONTWAIT) {
                Ok(sent) => output = &output[sent..],
                Err(Errno::WOULDBLOCK) => wait(&self.stream, PollFlags::OUT, began, timeout)?,
                Err(Errno::INTR) => {}
                Err(error) => return Err(io::Error::from(error).into()),
            }
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let began = Instant::now();
        loop {
            // An answer is never there yet.
            wait(&self.stream, PollFlags::IN, began, timeout)?;
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
        // An open connection has nothing to say before it is asked.
        let peeked = recv(&self.stream, &mut [0], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        matches!(peeked, Err(Errno::WOULDBLOCK))
    }
}

/// Waits until the socket is ready, for what is left of a time that began earlier.
fn wait(
    stream: &TcpStream,
    ready: PollFlags,
    began: Instant,
    timeout: NextTimeout,
) -> Result<(), Error> {
    loop {
        let left = timeout.after.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Err(Error::Timeout(timeout.reason));
        }
        // What no clock can hold never comes.
        let left = Timespec::try_from(left).ok();
        match poll(&mut [PollFd::new(stream, ready)], left.as_ref()) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(io::Error::from(error).into()),
        }
    }
}
