//! An upstream that works, then fails for a while, then works again.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
use std::thread;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection};
use testkit::{Authority, Disconnect, Endpoint, Request, Scratch, accept_tls, chat};

/// A failure of the upstream, by its place.
pub(super) enum Fault {
    None,
    /// Refuses connections.
    Refuses,
    /// Leaves connections pending, neither refused nor accepted.
    Stalls,
    /// Accepts the connection, and leaves it before it reads a byte.
    Accepts(Disconnect),
    /// Sends these bytes in the TLS handshake, or half of its first flight, and leaves.
    Handshake(Option<&'static [u8]>, Disconnect),
    /// Uses a certificate of another authority, an expired one, or one for another name.
    Certificate {
        foreign: bool,
        expired: bool,
        name: Option<&'static str>,
    },
    /// Sends a complete reply and keeps the connection.
    Replies(Vec<u8>),
    /// Sends a part of a reply and leaves.
    Cuts(Vec<u8>, Disconnect),
    /// The same, for the first request alone.
    CutsOnce(Vec<u8>, Disconnect),
    /// Sends these bytes, and then one every 100 ms.
    Trickles(&'static str),
    /// Replies before it has read the request.
    RepliesEarly(Vec<u8>),
}

impl Fault {
    fn needs_tls(&self) -> bool {
        matches!(self, Self::Handshake(..) | Self::Certificate { .. })
    }

    /// Returns whether an open connection would not show it.
    fn is_before_requests(&self) -> bool {
        matches!(self, Self::Refuses | Self::Stalls | Self::Accepts(_)) || self.needs_tls()
    }

    /// Returns whether the upstream sees that a client has come.
    pub(super) fn sees_the_client(&self) -> bool {
        !matches!(self, Self::Refuses | Self::Stalls)
    }
}

/// The authority of all rows, and its certificate as a file.
pub(super) static AUTHORITY: LazyLock<(Authority, Scratch)> = LazyLock::new(|| {
    let authority = Authority::new();
    let file = authority.file();
    (authority, file)
});

pub(super) struct FaultyUpstream {
    endpoint: Endpoint,
    shared: Arc<Shared>,
}

struct Shared {
    fault: &'static Fault,
    is_faulty: AtomicBool,
    has_cut: AtomicBool,
    /// The TLS servers without and with the fault.
    tls: OnceLock<[Arc<ServerConfig>; 2]>,
    /// The function to call when a client comes while the fault lasts.
    on_client: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl FaultyUpstream {
    pub(super) fn start(fault: &'static Fault, https: bool) -> Self {
        let shared = Arc::new(Shared {
            fault,
            is_faulty: AtomicBool::new(false),
            has_cut: AtomicBool::new(false),
            tls: OnceLock::new(),
            on_client: OnceLock::new(),
        });
        let serving = shared.clone();
        // A client that has left is no failure.
        let endpoint = Endpoint::start_unique(move |stream| drop(serving.serve(stream)));
        if https || fault.needs_tls() {
            let _ = shared.tls.set(fault.tls(endpoint.address()));
        }
        Self { endpoint, shared }
    }

    pub(super) fn url(&self) -> String {
        let scheme = if self.shared.tls.get().is_some() { "https" } else { "http" };
        format!("{scheme}://{}/v1", self.endpoint.address())
    }

    /// Lets the fault begin. `on_client` is called when a client comes.
    pub(super) fn begin_fault(&self, on_client: impl Fn() + Send + Sync + 'static) {
        let _ = self.shared.on_client.set(Box::new(on_client));
        self.shared.is_faulty.store(true, Ordering::Release);
        match self.shared.fault {
            Fault::Refuses => self.endpoint.refuse(),
            Fault::Stalls => self.endpoint.stall(),
            _ => {}
        }
        if self.shared.fault.is_before_requests() {
            self.endpoint.disconnect();
        }
    }

    pub(super) fn end_fault(&self) {
        self.shared.is_faulty.store(false, Ordering::Release);
        if !self.shared.fault.sees_the_client() {
            self.endpoint.resume();
        }
    }

    /// Closes all open connections.
    pub(super) fn disconnect(&self) {
        self.endpoint.disconnect();
    }
}

impl Fault {
    /// The TLS servers without and with the fault.
    fn tls(&self, address: SocketAddr) -> [Arc<ServerConfig>; 2] {
        let address = address.ip().to_string();
        let valid = AUTHORITY.0.server(&address);
        let Self::Certificate { foreign, expired, name } = *self else {
            return [valid.clone(), valid];
        };
        let foreign = foreign.then(Authority::new);
        let authority = foreign.as_ref().unwrap_or(&AUTHORITY.0);
        let name = name.unwrap_or(&address);
        let faulty = if expired { authority.expired_server(name) } else { authority.server(name) };
        [valid, faulty]
    }
}

impl Shared {
    /// Returns whether the fault lasts, and reports the client if it does.
    fn strikes(&self) -> bool {
        let is_faulty = self.is_faulty.load(Ordering::Acquire);
        if let Some(on_client) = self.on_client.get().filter(|_| is_faulty) {
            on_client();
        }
        is_faulty
    }

    fn serve(&self, mut stream: &TcpStream) -> io::Result<()> {
        let is_faulty = self.is_faulty.load(Ordering::Acquire);
        let tls = self.tls.get().map(|tls| &tls[usize::from(is_faulty)]);
        if self.fault.is_before_requests() && self.strikes() {
            match (self.fault, tls) {
                (Fault::Accepts(disconnect), _) => {
                    disconnect.apply(stream);
                    return Ok(());
                }
                (Fault::Handshake(bytes, disconnect), Some(config)) => {
                    let flight = first_flight(config, stream)?;
                    stream.write_all(bytes.unwrap_or(&flight[..flight.len() / 2]))?;
                    disconnect.apply(stream);
                    return Ok(());
                }
                _ => {}
            }
        }
        match tls {
            Some(config) => self.reply(stream, accept_tls(config, stream)),
            None => self.reply(stream, stream),
        }
    }

    fn reply(&self, socket: &TcpStream, stream: impl Read + Write) -> io::Result<()> {
        let mut stream = BufReader::new(stream);
        while !stream.fill_buf()?.is_empty() {
            let fault = match self.fault {
                _ if !self.strikes() => &Fault::None,
                Fault::CutsOnce(..) if self.has_cut.swap(true, Ordering::AcqRel) => &Fault::None,
                fault => fault,
            };
            if let Fault::RepliesEarly(bytes) = fault {
                return stream.get_mut().write_all(bytes);
            }
            if Request::read(&mut stream).is_none() {
                break;
            }
            match fault {
                Fault::Replies(bytes) => stream.get_mut().write_all(bytes)?,
                Fault::Cuts(bytes, disconnect) | Fault::CutsOnce(bytes, disconnect) => {
                    stream.get_mut().write_all(bytes)?;
                    disconnect.apply_reading(socket, &mut stream);
                    break;
                }
                Fault::Trickles(first) => {
                    stream.get_mut().write_all(first.as_bytes())?;
                    loop {
                        stream.get_mut().write_all(b" ")?;
                        thread::sleep(Duration::from_millis(100));
                    }
                }
                _ => stream.get_mut().write_all(&chat::completion("Yes."))?,
            }
        }
        Ok(())
    }
}

/// Reads the client's first flight, and returns the server's.
fn first_flight(config: &Arc<ServerConfig>, mut stream: &TcpStream) -> io::Result<Vec<u8>> {
    let mut connection = ServerConnection::new(config.clone()).map_err(io::Error::other)?;
    let mut flight = Vec::new();
    while flight.is_empty() {
        connection.read_tls(&mut stream)?;
        connection.process_new_packets().map_err(io::Error::other)?;
        while connection.wants_write() {
            connection.write_tls(&mut flight)?;
        }
    }
    Ok(flight)
}
