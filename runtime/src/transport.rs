//! How bytes travel to the runtime API: plain TCP, one name look-up per process, one write per
//! request. The only room that knows ureq's `unversioned` hooks, for which ureq is pinned to its
//! minor version.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::OnceLock;
use std::time::Duration;
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

/// The platform is on the same machine, or next to it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Room for most requests and answers. Larger ones take several turns.
const BUFFER: usize = 16 * 1024;

/// Builds an agent that speaks to one host only.
pub(crate) fn agent(config: Config) -> Agent {
    Agent::with_parts(config, Connect, LookUpOnce::default())
}

/// Looks the host's name up at the first call and keeps the answer. By itself, ureq asks at
/// every call, before it looks for an open connection.
#[derive(Debug, Default)]
struct LookUpOnce {
    resolver: DefaultResolver,
    found: OnceLock<ResolvedSocketAddrs>,
}

impl Resolver for LookUpOnce {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        if let Some(found) = self.found.get() {
            return Ok(found.clone());
        }
        let found = self.resolver.resolve(uri, config, timeout)?;
        Ok(self.found.get_or_init(|| found).clone())
    }
}

/// Opens plain TCP connections.
#[derive(Debug)]
struct Connect;

impl Connector for Connect {
    type Out = Connection;

    fn connect(
        &self,
        details: &ConnectionDetails,
        _: Option<()>,
    ) -> Result<Option<Connection>, Error> {
        let mut stream = Err(ErrorKind::AddrNotAvailable.into());
        for address in &details.addrs {
            stream = TcpStream::connect_timeout(address, CONNECT_TIMEOUT);
            if stream.is_ok() {
                break;
            }
        }
        let stream = stream?;
        stream.set_nodelay(true)?;
        Ok(Some(Connection {
            stream,
            buffers: LazyBuffers::new(BUFFER, BUFFER),
            held: 0,
            heard: false,
        }))
    }
}

/// A connection that holds output back until its buffer is full or the answer is awaited, so
/// that a request's head and body leave together.
///
/// It knows no time-outs, hence ureq's are without effect: the platform says that `next` must
/// have none (document 583/47274), and a reply that is posted again only because its answer came
/// late, perhaps after the instance was frozen, could meet the next invocation.
#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    buffers: LazyBuffers,
    /// How many bytes at the start of the output buffer wait to be sent.
    held: usize,
    /// Whether the last thing that happened was that bytes came in.
    heard: bool,
}

impl Connection {
    /// Sends what is held. A peer that has stopped reading may have said why, as with a reply
    /// that is too large: a failure to write is left to the reading that follows.
    fn send(&mut self) {
        let held = mem::take(&mut self.held);
        let _ = self.stream.write_all(&self.buffers.output()[..held]);
    }
}

impl Transport for Connection {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), Error> {
        self.held += amount;
        if self.output().is_empty() {
            self.send();
        }
        Ok(())
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, Error> {
        self.send();
        let amount = loop {
            match self.stream.read(self.buffers.input_append_buf()) {
                Ok(amount) => break amount,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // By its kind, ureq would take a reset for the end of a body without a length.
                Err(error) => return Err(io::Error::other(error).into()),
            }
        };
        self.buffers.input_appended(amount);
        self.heard = amount > 0;
        Ok(amount > 0)
    }

    /// Asked when an answer has been read, and before the next request: once is enough.
    fn is_open(&mut self) -> bool {
        if mem::take(&mut self.heard) {
            return true;
        }
        // An open connection has nothing to say before it is asked.
        let peeked = recv(&self.stream, &mut [0], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        matches!(peeked, Err(Errno::WOULDBLOCK))
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
