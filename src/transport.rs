//! A connection to the provider, with TLS or without, over which a request leaves whole.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::mem;

use rustls::{ClientConnection, StreamOwned};
use ureq::Error;
use ureq::config::Config;
use ureq::unversioned::transport::{
    Buffers, LazyBuffers, NextTimeout, Transport, TransportAdapter,
};

/// What bytes travel on.
pub(crate) enum Stream {
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

/// The socket, under TLS where there is any. A provider that has stopped reading may have said why, as of a request that is
/// too large for it: that nothing can be written any more is left to the reading that follows.
pub(crate) struct Socket(pub(crate) TransportAdapter);

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

/// A connection that holds output back until its buffer is full or the answer is awaited, so that a request's head and
/// body leave together, in one TLS record. By itself, ureq sends the two apart.
pub(crate) struct Connection {
    stream: Stream,
    buffers: LazyBuffers,
    /// How many bytes at the start of the output buffer wait to be sent.
    held: usize,
    /// Whether the last thing that happened was that bytes came in.
    heard: bool,
}

impl Connection {
    pub(crate) fn new(stream: Stream, config: &Config) -> Self {
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Self { stream, buffers, held: 0, heard: false }
    }

    fn send(&mut self, timeout: NextTimeout) -> Result<(), Error> {
        let held = mem::take(&mut self.held);
        let output = &self.buffers.output()[..held];
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
        self.held += amount;
        if self.output().is_empty() { self.send(timeout) } else { Ok(()) }
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.send(timeout)?;
        let input = self.buffers.input_append_buf();
        let amount = match &mut self.stream {
            Stream::Plain(socket) => socket.read(input)?,
            Stream::Tls(stream) => stream.read(input)?,
        };
        self.buffers.input_appended(amount);
        self.heard = amount > 0;
        Ok(self.heard)
    }

    /// Asked when an answer has been read, and before the next request: once is enough.
    fn is_open(&mut self) -> bool {
        mem::take(&mut self.heard) || self.stream.socket().get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }
}

/// The buffers, with the output that is held back out of reach.
impl Buffers for Connection {
    fn output(&mut self) -> &mut [u8] {
        &mut self.buffers.output()[self.held..]
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        let (tmp, output) = self.buffers.tmp_and_output();
        (tmp, &mut output[self.held..])
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
