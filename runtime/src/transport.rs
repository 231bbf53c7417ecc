//! Connections to the runtime API for the feature `transport`: plain TCP, one name lookup per
//! process, one write per request. Only this file uses ureq's `unversioned` API, for which the
//! feature pins ureq to its minor version.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::OnceLock;
use std::{io, mem};

use http::Uri;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use ureq::config::Config;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};
use ureq::{Agent, Error};

/// Builds an agent for a single host.
pub(crate) fn agent(config: Config) -> Agent {
    Agent::with_parts(config, TcpConnector, CachedResolver::default())
}

/// Resolves the host once and caches the addresses. ureq alone would resolve it for each call,
/// even if it has an open connection.
#[derive(Debug, Default)]
struct CachedResolver {
    resolver: DefaultResolver,
    addresses: OnceLock<ResolvedSocketAddrs>,
}

impl Resolver for CachedResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        if let Some(addresses) = self.addresses.get() {
            return Ok(addresses.clone());
        }
        let addresses = self.resolver.resolve(uri, config, timeout)?;
        Ok(self.addresses.get_or_init(|| addresses).clone())
    }
}

/// Opens plain TCP connections.
#[derive(Debug)]
struct TcpConnector;

impl Connector for TcpConnector {
    type Out = TcpTransport;

    fn connect(
        &self,
        details: &ConnectionDetails,
        _: Option<()>,
    ) -> Result<Option<TcpTransport>, Error> {
        let config = details.config;
        let mut stream = Err(ErrorKind::AddrNotAvailable.into());
        for address in &details.addrs {
            stream = match config.timeouts().connect {
                Some(timeout) => TcpStream::connect_timeout(address, timeout),
                None => TcpStream::connect(address),
            };
            if stream.is_ok() {
                break;
            }
        }
        let stream = stream?;
        stream.set_nodelay(true)?;
        Ok(Some(TcpTransport {
            stream,
            buffers: LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size()),
            unsent: 0,
            received_any: false,
        }))
    }
}

/// A TCP connection that sends when its output buffer is full or a response is awaited. A small
/// request leaves in a single write.
///
/// It ignores ureq's timeouts after connecting. The platform forbids one for `next`
/// (<https://cloud.tencent.com/document/product/583/47274>). After a timeout, a reply would be
/// posted again, perhaps after a freeze. It could then count for the next invocation.
#[derive(Debug)]
struct TcpTransport {
    stream: TcpStream,
    buffers: LazyBuffers,
    /// Number of unsent bytes at the start of the output buffer.
    unsent: usize,
    /// `true` if the last read returned bytes.
    received_any: bool,
}

impl TcpTransport {
    /// Sends the unsent bytes. Write errors are ignored: the peer may have responded before it
    /// closed the connection, as to a reply that is too large. The next read returns that
    /// response, or the error.
    fn flush(&mut self) {
        let unsent = mem::take(&mut self.unsent);
        let _ = self.stream.write_all(&self.buffers.output()[..unsent]);
    }
}

impl Transport for TcpTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), Error> {
        self.unsent += amount;
        if self.output().is_empty() {
            self.flush();
        }
        Ok(())
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, Error> {
        self.flush();
        let amount = loop {
            match self.stream.read(self.buffers.input_append_buf()) {
                Ok(amount) => break amount,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Hide the error's kind: ureq treats a reset as EOF of a body without a length.
                Err(error) => return Err(io::Error::other(error).into()),
            }
        };
        self.buffers.input_appended(amount);
        self.received_any = amount > 0;
        Ok(amount > 0)
    }

    /// Returns `false` after EOF, an error, or bytes that no request asked for. ureq calls this
    /// after each response and before each request. The first of the two needs no system call.
    fn is_open(&mut self) -> bool {
        if mem::take(&mut self.received_any) {
            return true;
        }
        let peeked = recv(&self.stream, &mut [0], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        matches!(peeked, Err(Errno::WOULDBLOCK))
    }
}

/// Forwards to the buffers, except that output starts after the unsent bytes.
impl Buffers for TcpTransport {
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
