//! Clients of every kind.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use testkit::Disconnect::{self, HalfClose, Reset};
use testkit::End;
use testkit::http::{chunk, find};

use crate::support::{TOKEN, WAIT_LIMIT};

/// The behaviour of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Client {
    Plain,
    ByteByByte,
    Chunked,
    Expecting,
    Http10,
    Pipelining,
    SlowReader,
    LeavesInHead(Disconnect),
    LeavesInBody(Disconnect),
    LeavesAfterRequest(Disconnect),
    LeavesInResponse(Disconnect),
}

pub(super) const CLIENTS: &[Client] = &[
    Client::Plain,
    Client::ByteByByte,
    Client::Chunked,
    Client::Expecting,
    Client::Http10,
    Client::Pipelining,
    Client::SlowReader,
    Client::LeavesInHead(HalfClose),
    Client::LeavesInHead(Reset),
    Client::LeavesInBody(HalfClose),
    Client::LeavesInBody(Reset),
    Client::LeavesAfterRequest(HalfClose),
    Client::LeavesAfterRequest(Reset),
    Client::LeavesInResponse(HalfClose),
    Client::LeavesInResponse(Reset),
];

/// The question of a row.
pub(super) struct Question {
    /// Method and target.
    pub(super) line: String,
    pub(super) id: String,
    pub(super) body: String,
}

/// A request for the health, which closes the connection.
pub(super) fn health(id: &str) -> String {
    let headers = format!("Host: localhost\r\nX-Scf-Request-Id: {id}\r\nConnection: close\r\n");
    format!("GET /healthz HTTP/1.1\r\n{headers}\r\n")
}

/// The bytes that a client received.
pub(super) struct Received {
    pub(super) bytes: Vec<u8>,
    pub(super) end: End,
    pub(super) took: Duration,
}

/// The time without bytes after which none are expected.
const QUIET: Duration = Duration::from_millis(50);

impl Client {
    /// Returns the manner in which it leaves, or `None` if it waits for the end of the response.
    pub(super) fn disconnect(self) -> Option<Disconnect> {
        match self {
            Self::LeavesInHead(disconnect)
            | Self::LeavesInBody(disconnect)
            | Self::LeavesAfterRequest(disconnect)
            | Self::LeavesInResponse(disconnect) => Some(disconnect),
            _ => None,
        }
    }

    /// Asks, and reads to the end. If no end is expected, it leaves once `last` has come, at the
    /// earliest when `wait_for_script` returns.
    pub(super) fn ask(
        self,
        address: SocketAddr,
        question: &Question,
        last: Option<&str>,
        wait_for_script: impl Fn(),
    ) -> Received {
        let began = Instant::now();
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        if self == Self::SlowReader {
            socket.set_recv_buffer_size(4096).unwrap();
        }
        socket.connect(&address.into()).unwrap();
        let mut wire = TcpStream::from(socket);
        wire.set_nodelay(true).unwrap();
        wire.set_read_timeout(Some(WAIT_LIMIT)).unwrap();
        let mut bytes = Vec::new();
        let end = self.send(&mut wire, question, &mut bytes).unwrap_or_else(|| {
            if let (None, Some(last)) = (self.disconnect(), last) {
                wait_for_script();
                read(&mut wire, &mut bytes, 64, |bytes| contains(bytes, last.as_bytes()))
                    .unwrap_or_else(|| {
                        wire.set_read_timeout(Some(QUIET)).unwrap();
                        read(&mut wire, &mut bytes, 64, |_| false).unwrap_or(End::Open)
                    })
            } else {
                let size = if self == Self::SlowReader { 7 } else { 64 << 10 };
                read(&mut wire, &mut bytes, size, |bytes| bytes.len() > 4096).unwrap_or_else(|| {
                    read(&mut wire, &mut bytes, 64 << 10, |_| false).unwrap_or(End::Open)
                })
            }
        });
        Received { bytes, end, took: began.elapsed() }
    }

    /// Sends the question. Returns the end if the connection has ended with that.
    fn send(self, wire: &mut TcpStream, question: &Question, bytes: &mut Vec<u8>) -> Option<End> {
        let Question { line, id, body } = question;
        let version = if self == Self::Http10 { "1.0" } else { "1.1" };
        let length = format!("Content-Length: {}\r\n", body.len());
        let close = "Connection: close\r\n";
        let more = match self {
            Self::Chunked => format!("Transfer-Encoding: chunked\r\n{close}"),
            Self::Expecting => format!("Expect: 100-continue\r\n{length}{close}"),
            Self::Pipelining => length,
            _ => length + close,
        };
        let head = format!(
            "{line} HTTP/{version}\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\
             X-Scf-Request-Id: {id}\r\nContent-Type: text/plain\r\n{more}\r\n"
        );
        let (first, rest) = body.split_at(body.len() / 2);
        // A server may have closed after an error.
        let mut send = |text: &str| drop(wire.write_all(text.as_bytes()));
        match self {
            Self::Plain | Self::Http10 | Self::SlowReader => send(&(head + body)),
            Self::ByteByByte => (head + body).split_inclusive(|_| true).for_each(send),
            Self::Chunked => {
                send(&head);
                [first, rest, ""].map(chunk).iter().for_each(|chunk| send(chunk));
            }
            Self::Expecting => {
                send(&head);
                let ended = read(wire, bytes, 1, |bytes| bytes.ends_with(b"\r\n\r\n"));
                if ended.is_some() {
                    return ended;
                }
                // Any other status is the response.
                if bytes.starts_with(b"HTTP/1.1 100 ") {
                    drop(wire.write_all(body.as_bytes()));
                }
            }
            Self::Pipelining => send(&(head + body + &health("next"))),
            Self::LeavesInHead(_) => send(&head[..head.len() / 2]),
            Self::LeavesInBody(_) => send(&(head + first)),
            Self::LeavesAfterRequest(_) => send(&(head + body)),
            Self::LeavesInResponse(_) => {
                send(&(head + body));
                // Without a response in time, it leaves all the same.
                wire.set_read_timeout(Some(QUIET)).unwrap();
                let ended = read(wire, bytes, 20, |bytes| !bytes.is_empty());
                wire.set_read_timeout(Some(WAIT_LIMIT)).unwrap();
                if ended.is_some() {
                    return ended;
                }
            }
        }
        let disconnect = self.disconnect()?;
        disconnect.apply(wire);
        // After a reset there is nothing to read.
        (disconnect == Reset).then_some(End::Open)
    }
}

/// Reads in steps of this size until there is enough. Returns the end if it comes before, and
/// `None` also if nothing comes within the timeout of the socket.
fn read(
    wire: &mut TcpStream,
    bytes: &mut Vec<u8>,
    size: usize,
    is_enough: impl Fn(&[u8]) -> bool,
) -> Option<End> {
    let mut step = vec![0; size];
    while !is_enough(bytes) {
        match wire.read(&mut step) {
            Ok(0) => return Some(End::Closed),
            Ok(read) => bytes.extend_from_slice(&step[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Some(End::Reset),
            Err(error) => panic!("{error}"),
        }
    }
    None
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    part.is_empty() || find(bytes, part).is_some()
}
