//! Callers of every kind.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::provider::reset;
use super::reply::End;
use crate::support::{PATIENCE, TOKEN};

/// How a caller says goodbye.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goodbye {
    /// It closes its side and listens on.
    HalfClosed,
    /// It goes without a word.
    Reset,
}

/// What a caller does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    Plain,
    ByteByByte,
    InChunks,
    Expecting,
    OfHttp10,
    Pipelining,
    ReadingSlowly,
    LeavingInHead(Goodbye),
    LeavingInBody(Goodbye),
    LeavingOnceItHasAsked(Goodbye),
    LeavingInReply(Goodbye),
}

use Goodbye::{HalfClosed, Reset};

pub(crate) const CALLERS: &[Caller] = &[
    Caller::Plain,
    Caller::ByteByByte,
    Caller::InChunks,
    Caller::Expecting,
    Caller::OfHttp10,
    Caller::Pipelining,
    Caller::ReadingSlowly,
    Caller::LeavingInHead(HalfClosed),
    Caller::LeavingInHead(Reset),
    Caller::LeavingInBody(HalfClosed),
    Caller::LeavingInBody(Reset),
    Caller::LeavingOnceItHasAsked(HalfClosed),
    Caller::LeavingOnceItHasAsked(Reset),
    Caller::LeavingInReply(HalfClosed),
    Caller::LeavingInReply(Reset),
];

/// What it asks.
pub(crate) struct Question {
    /// Method and target.
    pub(crate) line: String,
    pub(crate) id: String,
    pub(crate) body: String,
}

/// A request that asks for nothing but our health.
pub(crate) fn health(id: &str) -> String {
    format!(
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Scf-Request-Id: {id}\r\nConnection: close\r\n\r\n"
    )
}

/// What a caller got.
pub(crate) struct Got {
    pub(crate) bytes: Vec<u8>,
    pub(crate) end: End,
    pub(crate) took: Duration,
}

/// Where nothing more can be seen for so long, nothing comes.
const SILENCE: Duration = Duration::from_millis(50);

impl Caller {
    pub(crate) fn stays(self) -> bool {
        !matches!(
            self,
            Self::LeavingInHead(_)
                | Self::LeavingInBody(_)
                | Self::LeavingOnceItHasAsked(_)
                | Self::LeavingInReply(_)
        )
    }

    /// Asks, and takes what comes until the end. Where no end is to come, it leaves when what is to come has come:
    /// `last` of it, at the earliest when `said` returns.
    pub(crate) fn ask(
        self,
        address: SocketAddr,
        question: &Question,
        last: Option<&str>,
        said: impl Fn(),
    ) -> Got {
        let began = Instant::now();
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        if self == Self::ReadingSlowly {
            socket.set_recv_buffer_size(4096).unwrap();
        }
        socket.connect(&address.into()).unwrap();
        let mut wire = TcpStream::from(socket);
        wire.set_nodelay(true).unwrap();
        wire.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut bytes = Vec::new();
        let end = self.talk(&mut wire, question, &mut bytes).unwrap_or_else(|| {
            if let (true, Some(last)) = (self.stays(), last) {
                said();
                read(&mut wire, &mut bytes, 64, |bytes| contains(bytes, last.as_bytes()))
                    .unwrap_or_else(|| {
                        wire.set_read_timeout(Some(SILENCE)).unwrap();
                        read(&mut wire, &mut bytes, 64, |_| false).unwrap_or(End::Open)
                    })
            } else {
                let size = if self == Self::ReadingSlowly { 7 } else { 64 << 10 };
                read(&mut wire, &mut bytes, size, |bytes| bytes.len() > 4096).unwrap_or_else(|| {
                    read(&mut wire, &mut bytes, 64 << 10, |_| false).unwrap_or(End::Open)
                })
            }
        });
        Got { bytes, end, took: began.elapsed() }
    }

    /// Says what is to be said; how it ended where it has ended with that.
    fn talk(self, wire: &mut TcpStream, question: &Question, bytes: &mut Vec<u8>) -> Option<End> {
        let Question { line, id, body } = question;
        let version = if self == Self::OfHttp10 { "1.0" } else { "1.1" };
        let more = match self {
            Self::InChunks => "Transfer-Encoding: chunked\r\nConnection: close\r\n".to_owned(),
            Self::Expecting => {
                format!(
                    "Expect: 100-continue\r\nContent-Length: {}\r\nConnection: close\r\n",
                    body.len()
                )
            }
            Self::Pipelining => format!("Content-Length: {}\r\n", body.len()),
            _ => format!("Content-Length: {}\r\nConnection: close\r\n", body.len()),
        };
        let head = format!(
            "{line} HTTP/{version}\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\
             X-Scf-Request-Id: {id}\r\nContent-Type: text/plain\r\n{more}\r\n"
        );
        let (first, rest) = body.split_at(body.len() / 2);
        // A server that has closed already has said why.
        let mut send = |said: &str| drop(wire.write_all(said.as_bytes()));
        match self {
            Self::Plain | Self::OfHttp10 | Self::ReadingSlowly => send(&(head + body)),
            Self::ByteByByte => (head + body).split_inclusive(|_| true).for_each(send),
            Self::InChunks => {
                send(&head);
                for chunk in [first, rest, ""] {
                    send(&format!("{:x}\r\n{chunk}\r\n", chunk.len()));
                }
            }
            Self::Expecting => {
                send(&head);
                let ended = read(wire, bytes, 1, |bytes| bytes.ends_with(b"\r\n\r\n"));
                if ended.is_some() {
                    return ended;
                }
                // Where it is no 100, it is the reply.
                if bytes.starts_with(b"HTTP/1.1 100 ") {
                    drop(wire.write_all(body.as_bytes()));
                }
            }
            Self::Pipelining => send(&(head + body + &health("next"))),
            Self::LeavingInHead(goodbye) => {
                send(&head[..head.len() / 2]);
                return goodbye.say(wire);
            }
            Self::LeavingInBody(goodbye) => {
                send(&(head + first));
                return goodbye.say(wire);
            }
            Self::LeavingOnceItHasAsked(goodbye) => {
                send(&(head + body));
                return goodbye.say(wire);
            }
            Self::LeavingInReply(goodbye) => {
                send(&(head + body));
                // Where no reply comes in time, it leaves without one.
                wire.set_read_timeout(Some(SILENCE)).unwrap();
                let ended = read(wire, bytes, 20, |bytes| !bytes.is_empty());
                wire.set_read_timeout(Some(PATIENCE)).unwrap();
                return ended.or_else(|| goodbye.say(wire));
            }
        }
        None
    }
}

impl Goodbye {
    fn say(self, wire: &TcpStream) -> Option<End> {
        match self {
            // Where the server has closed before, there is nothing to close.
            HalfClosed => drop(wire.shutdown(Shutdown::Write)),
            Reset => reset(wire),
        }
        (self == Reset).then_some(End::Open)
    }
}

/// Reads in steps of this size until there is enough; how it ended where it has ended before. Nothing, too, where nothing
/// comes for as long as the socket waits.
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
    part.is_empty() || bytes.windows(part.len()).any(|window| window == part)
}
