//! The platform's side of a test: a runtime API that says what it is told to, byte by byte.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use scf_runtime::{Context, Runtime};

/// Longer than any test takes.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// What the runtime API does with one call.
pub(crate) enum Turn {
    /// Answers with these bytes and keeps the connection.
    Answer(Vec<u8>),
    /// The same, each byte a packet of its own.
    Dribble(Vec<u8>),
    /// Answers with these bytes, which may be none or not the whole, and ends the connection.
    Close(Vec<u8>),
    /// The same, with a reset.
    Reset(Vec<u8>),
    /// Answers with these bytes before the call's body has arrived, and ends the connection.
    Early(Vec<u8>),
    /// Ends the connection without an answer, but not before this time.
    Late(Duration),
}

/// A call as it arrived.
#[derive(Debug)]
pub(crate) struct Call {
    /// Method and path.
    pub(crate) line: String,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// Counts the connections, from zero.
    pub(crate) connection: usize,
}

impl Call {
    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }
}

/// A runtime API that takes its turns one by one, then is gone.
pub(crate) struct Canned {
    listener: TcpListener,
    /// Tells of each connection that has been ended.
    ended: Sender<()>,
}

impl Canned {
    pub(crate) fn new() -> (Canned, Receiver<()>) {
        let (ended, told) = channel();
        (Canned { listener: TcpListener::bind("127.0.0.1:0").unwrap(), ended }, told)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// Takes the turns and returns the calls.
    pub(crate) fn take(self, turns: Vec<Turn>) -> Vec<Call> {
        let mut calls = Vec::new();
        let mut connections = 0;
        let mut open = None;
        for turn in turns {
            let (mut stream, head) = match open.take().and_then(read_head) {
                Some(call) => call,
                // The client has ended the connection, or there was none: it goes on elsewhere.
                None => {
                    connections += 1;
                    read_head(self.accept()).expect("the loop has ended")
                }
            };
            // A connection that is ended before all has been read is reset.
            let body = match turn {
                Turn::Early(_) => Vec::new(),
                Turn::Reset(_) => read_body(&mut stream, &head, 1),
                _ => read_body(&mut stream, &head, 0),
            };
            let line = head.split(" http/1.1").next().unwrap().to_owned();
            calls.push(Call { line, head, body, connection: connections - 1 });
            match turn {
                Turn::Answer(bytes) => {
                    stream.write_all(&bytes).unwrap();
                    open = Some(stream);
                }
                Turn::Dribble(bytes) => {
                    bytes.iter().for_each(|&byte| stream.write_all(&[byte]).unwrap());
                    open = Some(stream);
                }
                Turn::Late(time) => thread::sleep(time),
                Turn::Close(bytes) | Turn::Reset(bytes) | Turn::Early(bytes) => {
                    stream.write_all(&bytes).unwrap();
                    drop(stream);
                    let _ = self.ended.send(());
                }
            }
        }
        calls
    }

    fn accept(&self) -> TcpStream {
        let (stream, _) = self.listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream
    }
}

/// Reads a head, in lower case, but for its last byte. `None` when the client has ended the
/// connection.
fn read_head(mut stream: TcpStream) -> Option<(TcpStream, String)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r") {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(0) => return None,
            Ok(_) => head.push(byte[0]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("the loop says nothing"),
            Err(_) => return None,
        }
    }
    Some((stream, String::from_utf8(head).unwrap().to_lowercase()))
}

/// Reads the head's last byte and the body, and takes all but so many bytes of them off the
/// connection.
fn read_body(stream: &mut TcpStream, head: &str, left: usize) -> Vec<u8> {
    let length = head.split_once("content-length: ").map_or(0, |(_, rest)| {
        let (length, _) = rest.split_once('\r').unwrap();
        length.parse().unwrap()
    });
    let mut rest = vec![0; 1 + length];
    let (taken, peeked) = rest.split_at_mut(1 + length - left);
    stream.read_exact(taken).unwrap();
    if left > 0 {
        stream.peek(peeked).unwrap();
    }
    rest.split_off(1)
}

/// An answer with a length.
pub(crate) fn answer(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// Takes a call.
pub(crate) fn ok() -> Turn {
    Turn::Answer(answer("200 OK", "", "ok"))
}

/// Hands out an event.
pub(crate) fn event(body: impl AsRef<[u8]>) -> Turn {
    Turn::Answer(answer("200 OK", "request_id: r-1\r\n", body))
}

/// Runs the handler behind a runtime API that takes these turns, `ready` included, and returns
/// the calls that it got.
#[track_caller]
pub(crate) fn run<H>(turns: Vec<Turn>, handler: H) -> Vec<Call>
where
    H: FnMut(Vec<u8>, &Context) -> anyhow::Result<Vec<u8>> + Send + 'static,
{
    let (canned, _told) = Canned::new();
    run_on(canned, LONG, turns, handler)
}

/// As [`run`], with the canned API and the loop's patience given.
#[track_caller]
pub(crate) fn run_on<H>(
    canned: Canned,
    patience: Duration,
    turns: Vec<Turn>,
    handler: H,
) -> Vec<Call>
where
    H: FnMut(Vec<u8>, &Context) -> anyhow::Result<Vec<u8>> + Send + 'static,
{
    let address = canned.address();
    let runtime = Runtime::new(&address.to_string()).unwrap();
    // The loop outlives the turns, unless it ends too early.
    let looped = thread::spawn(move || runtime.patience(patience).run_bytes(handler));
    thread::spawn(move || {
        let _ = looped.join();
        tell_the_end(address);
    });
    canned.take(turns)
}

/// Tells a canned API that waits for a call that there will be none.
pub(crate) fn tell_the_end(address: impl ToSocketAddrs) {
    // Where it has taken all its turns, it is gone.
    let _ = TcpStream::connect(address);
}

/// A handler that gives the event back.
pub(crate) fn echo(event: Vec<u8>, _: &Context) -> anyhow::Result<Vec<u8>> {
    Ok(event)
}

/// The lines of the calls.
pub(crate) fn lines(calls: &[Call]) -> Vec<&str> {
    calls.iter().map(|call| call.line.as_str()).collect()
}

/// A context for a handler that is called directly.
pub(crate) fn context() -> Context {
    Context {
        request_id: "r-1".to_owned(),
        memory_limit_mb: None,
        time_limit: None,
        received: Instant::now(),
        cold: true,
    }
}

pub(crate) const READY: &str = "post /runtime/init/ready";
pub(crate) const NEXT: &str = "get /runtime/invocation/next";
pub(crate) const RESPONSE: &str = "post /runtime/invocation/response";
pub(crate) const ERROR: &str = "post /runtime/invocation/error";
