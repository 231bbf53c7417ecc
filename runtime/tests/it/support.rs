//! A canned runtime API: it sends the bytes of a test and records the calls.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use scf_runtime::{Context, Runtime};

/// Read timeout, longer than any test takes.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(20);

/// The reaction to one call.
pub(crate) enum Action {
    /// Sends these bytes and keeps the connection.
    Send(Vec<u8>),
    /// Sends these bytes one by one and keeps the connection.
    SendByByte(Vec<u8>),
    /// Sends these bytes and closes the connection.
    Close(Vec<u8>),
    /// Sends these bytes and resets the connection.
    Reset(Vec<u8>),
    /// Sends these bytes before reading the body, and closes the connection.
    CloseEarly(Vec<u8>),
    /// Closes the connection without a response after this time.
    CloseAfter(Duration),
}

/// A received call.
#[derive(Debug)]
pub(crate) struct Call {
    /// Method and path, in lower case.
    pub(crate) line: String,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// Number of the connection, from zero.
    pub(crate) connection: usize,
}

impl Call {
    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }
}

/// A runtime API that handles one call per action.
pub(crate) struct CannedApi {
    listener: TcpListener,
    /// Gets a message for each closed connection.
    closed: Sender<()>,
}

impl CannedApi {
    pub(crate) fn new() -> (CannedApi, Receiver<()>) {
        let (sender, closed) = channel();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        (CannedApi { listener, closed: sender }, closed)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// Performs the actions and returns the calls.
    pub(crate) fn serve(self, actions: Vec<Action>) -> Vec<Call> {
        let mut calls = Vec::new();
        let mut connections = 0;
        let mut open = None;
        for action in actions {
            let (mut stream, head) = match open.take().and_then(read_head) {
                Some(call) => call,
                // The client has closed the connection, or there is none yet.
                None => {
                    connections += 1;
                    read_head(self.accept()).expect("the loop has ended without a call")
                }
            };
            // Closing a socket with unread bytes sends a reset.
            let body = match action {
                Action::CloseEarly(_) => Vec::new(),
                Action::Reset(_) => read_body(&mut stream, &head, 1),
                _ => read_body(&mut stream, &head, 0),
            };
            let line = head.split(" http/1.1").next().unwrap().to_owned();
            calls.push(Call { line, head, body, connection: connections - 1 });
            match action {
                Action::Send(bytes) => {
                    stream.write_all(&bytes).unwrap();
                    open = Some(stream);
                }
                Action::SendByByte(bytes) => {
                    bytes.iter().for_each(|&byte| stream.write_all(&[byte]).unwrap());
                    open = Some(stream);
                }
                Action::CloseAfter(time) => thread::sleep(time),
                Action::Close(bytes) | Action::Reset(bytes) | Action::CloseEarly(bytes) => {
                    stream.write_all(&bytes).unwrap();
                    drop(stream);
                    let _ = self.closed.send(());
                }
            }
        }
        calls
    }

    fn accept(&self) -> TcpStream {
        let (stream, _) = self.listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        stream
    }
}

/// Reads a head except its last byte, in lower case. Returns `None` if the client has closed the
/// connection.
fn read_head(mut stream: TcpStream) -> Option<(TcpStream, String)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r") {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(0) => return None,
            Ok(_) => head.push(byte[0]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                panic!("timed out waiting for a call")
            }
            Err(_) => return None,
        }
    }
    Some((stream, String::from_utf8(head).unwrap().to_lowercase()))
}

/// Reads the head's last byte and the body. The last `left` bytes stay unread in the socket.
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

/// Returns a response with a `Content-Length`.
pub(crate) fn response(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// Accepts a POST.
pub(crate) fn ok() -> Action {
    Action::Send(response("200 OK", "", "ok"))
}

/// Returns an event.
pub(crate) fn event(body: impl AsRef<[u8]>) -> Action {
    Action::Send(response("200 OK", "request_id: r-1\r\n", body))
}

/// Runs the loop against these actions, the one for `ready` included, and returns the calls.
#[track_caller]
pub(crate) fn run<H>(actions: Vec<Action>, handler: H) -> Vec<Call>
where
    H: FnMut(Vec<u8>, &Context) -> anyhow::Result<Vec<u8>> + Send + 'static,
{
    let (api, _closed) = CannedApi::new();
    run_on(api, TIMEOUT, actions, handler)
}

/// Runs the loop against this API, with this maximum outage.
#[track_caller]
pub(crate) fn run_on<H>(
    api: CannedApi,
    max_outage: Duration,
    actions: Vec<Action>,
    handler: H,
) -> Vec<Call>
where
    H: FnMut(Vec<u8>, &Context) -> anyhow::Result<Vec<u8>> + Send + 'static,
{
    let address = api.address();
    let runtime = Runtime::new(&address.to_string()).unwrap();
    let event_loop = thread::spawn(move || runtime.max_outage(max_outage).run_bytes(handler));
    // If the loop ends before the actions do, fail the test instead of waiting for a call.
    thread::spawn(move || {
        let _ = event_loop.join();
        unblock_accept(address);
    });
    api.serve(actions)
}

/// Makes a canned API that waits for a connection fail.
pub(crate) fn unblock_accept(address: impl ToSocketAddrs) {
    // The API may have ended already.
    let _ = TcpStream::connect(address);
}

/// A handler that returns the event.
pub(crate) fn echo(event: Vec<u8>, _: &Context) -> anyhow::Result<Vec<u8>> {
    Ok(event)
}

/// Returns the lines of the calls.
pub(crate) fn lines(calls: &[Call]) -> Vec<&str> {
    calls.iter().map(|call| call.line.as_str()).collect()
}

/// Returns a context for calling a handler directly.
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
