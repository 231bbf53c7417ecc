//! A connection that sends a request in one piece, with or without TLS.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::mem;

use rustls::{ClientConnection, StreamOwned};
use ureq::Error;
use ureq::config::Config;
use ureq::unversioned::transport::{
    Buffers, LazyBuffers, NextTimeout, Transport, TransportAdapter,
};

/// The stream below a connection.
pub(super) enum Stream {
    Plain(Socket),
    Tls(Box<StreamOwned<ClientConnection, Socket>>),
}

impl Stream {
    fn socket(&mut self) -> &mut TransportAdapter {
        match self {
            Self::Plain(socket) => &mut socket.0,
            Self::Tls(stream) => &mut stream.sock.0,
        }
    }
}

/// The socket, below TLS if there is any.
///
/// It ignores errors of a write to a closed connection. The upstream may have responded before it
/// closed, as to a request that is too large. The next read returns the response, or the error.
pub(super) struct Socket(pub(super) TransportAdapter);

impl Read for Socket {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.write(bytes) {
            Err(error)
                if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) =>
            {
                Ok(bytes.len())
            }
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A connection that sends when its output buffer is full, or when it waits for input.
///
/// So the head and the body of a request leave together, in one TLS record. ureq sends them apart.
pub(super) struct Connection {
    stream: Stream,
    buffers: LazyBuffers,
    /// Number of bytes at the start of the output buffer that are not sent yet.
    unsent: usize,
    /// Set if the last operation received bytes.
    received: bool,
}

impl Connection {
    /// Creates a connection over an open stream.
    pub(super) fn new(stream: Stream, config: &Config) -> Self {
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Self { stream, buffers, unsent: 0, received: false }
    }

    fn flush(&mut self, timeout: NextTimeout) -> Result<(), Error> {
        let unsent = mem::take(&mut self.unsent);
        let output = &self.buffers.output()[..unsent];
        self.stream.socket().set_timeout(timeout);
        match &mut self.stream {
            Stream::Plain(socket) => socket.write_all(output)?,
            Stream::Tls(stream) => stream.write_all(output)?,
        }
        Ok(())
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}

impl Transport for Connection {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.unsent += amount;
        if self.output().is_empty() { self.flush(timeout) } else { Ok(()) }
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.flush(timeout)?;
        let input = self.buffers.input_append_buf();
        let amount = match &mut self.stream {
            Stream::Plain(socket) => socket.read(input)?,
            Stream::Tls(stream) => stream.read(input)?,
        };
        self.buffers.input_appended(amount);
        self.received = amount > 0;
        Ok(self.received)
    }

    // ureq calls this after a response and before the next request. One check is enough.
    fn is_open(&mut self) -> bool {
        mem::take(&mut self.received) || self.stream.socket().get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }
}

// The output that is not sent yet is out of reach.
impl Buffers for Connection {
    fn output(&mut self) -> &mut [u8] {
        &mut self.buffers.output()[self.unsent..]
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        let (tmp, output) = self.buffers.tmp_and_output();
        (tmp, &mut output[self.unsent..])
    }

    fn input(&self) -> &[u8] {
        self.buffers.input()
    }

    fn input_append_buf(&mut self) -> &mut [u8] {
        self.buffers.input_append_buf()
    }

    fn input_appended(&mut self, amount: usize) {
        self.buffers.input_appended(amount);
    }

    fn input_consume(&mut self, amount: usize) {
        self.buffers.input_consume(amount);
    }

    fn can_use_input(&self) -> bool {
        self.buffers.can_use_input()
    }
}
