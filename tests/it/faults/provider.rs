//! A provider that is well but for a while, and what it may do wrong meanwhile.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
use std::thread;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, Stream};

use super::door::{Door, End};
use crate::support::{Act, Authority, Request, Scratch, answer};

/// Where it happens, and what.
pub(super) enum Fault {
    None,
    /// Nobody listens.
    Refuses,
    /// The connection is neither refused nor taken.
    Full,
    /// At connect, before a byte is read.
    Taken(End),
    /// In the handshake: in place of the server's words, or half way through them.
    Handshake(Option<&'static [u8]>, End),
    /// A certificate that is not the provider's, or of old.
    Certificate {
        stranger: bool,
        expired: bool,
        name: Option<&'static str>,
    },
    /// A whole reply, after which the connection is kept.
    Says(Vec<u8>),
    /// So much of a reply, and the end.
    Breaks(Vec<u8>, End),
    /// The same, for the first request alone.
    BreaksOnce(Vec<u8>, End),
    /// This, and then a byte every now and then.
    Trickles(&'static str),
    /// This, before the request has been read.
    Early(Vec<u8>),
}

impl Fault {
    fn needs_tls(&self) -> bool {
        matches!(self, Self::Handshake(..) | Self::Certificate { .. })
    }

    /// Whether it comes before a request is sent, so that a kept connection would not notice.
    fn is_before_requests(&self) -> bool {
        matches!(self, Self::Refuses | Self::Full | Self::Taken(_)) || self.needs_tls()
    }

    /// Whether the provider notices that it is asked.
    pub(super) fn is_noticed(&self) -> bool {
        !matches!(self, Self::Refuses | Self::Full)
    }
}

/// The tests' own authority, and its certificate as a file.
pub(super) static AUTHORITY: LazyLock<(Authority, Scratch)> = LazyLock::new(|| {
    let authority = Authority::new();
    let file = authority.file();
    (authority, file)
});

/// A provider that is well, then not, then well again.
pub(super) struct Provider {
    door: Arc<Door>,
    shared: Arc<Shared>,
}

struct Shared {
    fault: &'static Fault,
    is_ill: AtomicBool,
    has_broken: AtomicBool,
    /// Well and ill, where it speaks TLS.
    tls: OnceLock<(Arc<ServerConfig>, Arc<ServerConfig>)>,
    /// Called once it is asked while it is ill.
    noticed: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl Provider {
    pub(super) fn start(fault: &'static Fault, https: bool) -> Self {
        let shared = Arc::new(Shared {
            fault,
            is_ill: AtomicBool::new(false),
            has_broken: AtomicBool::new(false),
            tls: OnceLock::new(),
            noticed: OnceLock::new(),
        });
        let serving = shared.clone();
        let door = Door::new(move |_, stream| {
            // A caller that has gone is nobody's trouble.
            let _ = serving.serve(stream);
        });
        if https || fault.needs_tls() {
            let address = door.address.ip().to_string();
            let well = AUTHORITY.0.config(&address, false);
            let ill = match *fault {
                Fault::Certificate { stranger, expired, name } => {
                    let stranger = stranger.then(Authority::new);
                    let authority = stranger.as_ref().unwrap_or(&AUTHORITY.0);
                    authority.config(name.unwrap_or(&address), expired)
                }
                _ => well.clone(),
            };
            let _ = shared.tls.set((well, ill));
        }
        Self { door, shared }
    }

    pub(super) fn url(&self) -> String {
        let scheme = if self.shared.tls.get().is_some() { "https" } else { "http" };
        format!("{scheme}://{}/v1", self.door.address)
    }

    /// From now on it is ill.
    pub(super) fn fall_ill(&self, noticed: impl Fn() + Send + Sync + 'static) {
        let _ = self.shared.noticed.set(Box::new(noticed));
        self.shared.is_ill.store(true, Ordering::Release);
        match self.shared.fault {
            Fault::Refuses => self.door.shut(),
            Fault::Full => self.door.fill(),
            _ => {}
        }
        if self.shared.fault.is_before_requests() {
            self.door.hang_up();
        }
    }

    /// Nothing is wrong with it any more.
    pub(super) fn recover(&self) {
        self.shared.is_ill.store(false, Ordering::Release);
        if !self.shared.fault.is_noticed() {
            self.door.open();
        }
    }

    /// Closes the connections that it keeps.
    pub(super) fn hang_up(&self) {
        self.door.hang_up();
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.door.shut();
        self.door.hang_up();
    }
}

impl Shared {
    /// Whether it is ill, which it has been asked to show now.
    fn is_struck(&self) -> bool {
        let is_ill = self.is_ill.load(Ordering::Acquire);
        if let Some(noticed) = self.noticed.get().filter(|_| is_ill) {
            noticed();
        }
        is_ill
    }

    fn serve(&self, mut stream: &TcpStream) -> io::Result<()> {
        let is_ill = self.is_ill.load(Ordering::Acquire);
        let tls = self.tls.get().map(|(well, ill)| if is_ill { ill } else { well }.clone());
        if self.fault.is_before_requests() && self.is_struck() {
            match (self.fault, &tls) {
                (Fault::Taken(end), _) => {
                    end.of(stream, &mut stream);
                    return Ok(());
                }
                (Fault::Handshake(words, end), Some(config)) => {
                    let flight = first_flight(config, stream)?;
                    stream.write_all(words.unwrap_or(&flight[..flight.len() / 2]))?;
                    end.of(stream, &mut stream);
                    return Ok(());
                }
                _ => {}
            }
        }
        match tls {
            Some(config) => {
                let mut connection = ServerConnection::new(config).unwrap();
                let mut socket = stream;
                self.converse(stream, Stream::new(&mut connection, &mut socket))
            }
            None => self.converse(stream, stream),
        }
    }

    fn converse(&self, socket: &TcpStream, stream: impl Read + Write) -> io::Result<()> {
        let mut stream = BufReader::new(stream);
        while !stream.fill_buf()?.is_empty() {
            let fault = match self.fault {
                _ if !self.is_struck() => &Fault::None,
                Fault::BreaksOnce(..) if self.has_broken.swap(true, Ordering::AcqRel) => {
                    &Fault::None
                }
                fault => fault,
            };
            if let Fault::Early(bytes) = fault {
                return stream.get_mut().write_all(bytes);
            }
            if Request::read(&mut stream).is_none() {
                break;
            }
            match fault {
                Fault::Says(bytes) => stream.get_mut().write_all(bytes)?,
                Fault::Breaks(bytes, end) | Fault::BreaksOnce(bytes, end) => {
                    stream.get_mut().write_all(bytes)?;
                    stream.get_mut().flush()?;
                    end.of(socket, &mut stream);
                    break;
                }
                Fault::Trickles(first) => {
                    stream.get_mut().write_all(first.as_bytes())?;
                    loop {
                        stream.get_mut().write_all(b" ")?;
                        stream.get_mut().flush()?;
                        thread::sleep(Duration::from_millis(100));
                    }
                }
                _ => stream.get_mut().write_all(&bytes(answer("Yes.")))?,
            }
            stream.get_mut().flush()?;
        }
        Ok(())
    }
}

/// What a server answers to the client's first words.
fn first_flight(config: &Arc<ServerConfig>, mut stream: &TcpStream) -> io::Result<Vec<u8>> {
    let mut connection = ServerConnection::new(config.clone()).unwrap();
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

/// What a server says in this turn.
pub(super) fn bytes(turn: Vec<Act>) -> Vec<u8> {
    let said = turn
        .into_iter()
        .filter_map(|act| if let Act::Send(bytes) = act { Some(bytes) } else { None });
    said.flatten().collect()
}
