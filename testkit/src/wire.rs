use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::http::{End, Head, Request, Response, chunk_size};
use crate::{Disconnect, WAIT_LIMIT};

/// An end of a raw connection: a client's, or an upstream's that a test serves by hand.
///
/// Reads panic after [`WAIT_LIMIT`].
///
/// ```
/// use testkit::{Listener, Wire};
///
/// let listener = Listener::bind();
/// let mut client = Wire::connect(listener.address());
/// let mut upstream = listener.accept();
/// client.send("GET / HTTP/1.1\r\n\r\n");
/// assert_eq!(upstream.head().target(), "/");
/// upstream.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n");
/// assert_eq!(client.head().status(), 200);
/// assert_eq!(client.chunk(), "ok");
/// ```
pub struct Wire {
    /// The socket; what is read from it directly is lost to the other methods.
    pub stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Wire {
    /// Takes an open connection.
    pub fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(WAIT_LIMIT)).unwrap();
        stream.set_write_timeout(Some(WAIT_LIMIT)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { reader: BufReader::new(stream.try_clone().unwrap()), stream }
    }

    /// Connects as a client.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).unwrap())
    }

    /// Sends these bytes.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Reads a head.
    #[track_caller]
    pub fn head(&mut self) -> Head {
        Head::read(&mut self.reader).expect("a head")
    }

    /// Reads exactly this many bytes.
    #[track_caller]
    pub fn exactly(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.reader.read_exact(&mut bytes).expect("more bytes");
        bytes
    }

    /// Expects these bytes next.
    #[track_caller]
    pub fn expect(&mut self, expected: &str) {
        assert_eq!(String::from_utf8_lossy(&self.exactly(expected.len())), expected);
    }

    /// Reads one chunk; the last one is empty.
    #[track_caller]
    pub fn chunk(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).expect("the size of a chunk");
        let size = line.strip_suffix("\r\n").and_then(chunk_size);
        let bytes = self.exactly(size.unwrap_or_else(|| panic!("no size of a chunk: {line:?}")));
        self.expect("\r\n");
        String::from_utf8(bytes).unwrap()
    }

    /// Reads one request with its body.
    #[track_caller]
    pub fn request(&mut self) -> Request {
        Request::read(&mut self.reader).expect("a request")
    }

    /// Reads one response whose head names the length of its body.
    #[track_caller]
    pub fn response(&mut self) -> Response {
        let head = self.head();
        let length = head.header("content-length").expect("a length").parse().unwrap();
        let body = self.exactly(length);
        Response { head, body, is_complete: true }
    }

    /// Reads everything until the peer closes.
    #[track_caller]
    pub fn rest(&mut self) -> String {
        String::from_utf8_lossy(&self.rest_bytes()).into_owned()
    }

    #[track_caller]
    fn rest_bytes(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.reader.read_to_end(&mut rest).expect("an end");
        rest
    }

    /// Reads the one response that is all until the peer closes.
    #[track_caller]
    pub fn last_response(&mut self) -> Response {
        let mut responses = Response::parse_all(&self.rest_bytes(), End::Closed).unwrap();
        assert_eq!(responses.len(), 1, "{responses:?}");
        responses.remove(0)
    }

    /// Expects the peer to close or reset within this time; drops what it sends before.
    #[track_caller]
    pub fn assert_closes_within(&mut self, limit: Duration) {
        let began = Instant::now();
        self.stream.set_read_timeout(Some(limit)).unwrap();
        let mut bytes = [0; 64 * 1024];
        loop {
            match self.reader.read(&mut bytes) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
                Err(error) => panic!("still open after {:?}: {error}", began.elapsed()),
            }
        }
        assert!(began.elapsed() < limit, "closed after {:?}", began.elapsed());
    }

    /// Expects nothing for this time, no end either.
    #[track_caller]
    pub fn assert_silent_for(&mut self, time: Duration) {
        self.stream.set_read_timeout(Some(time)).unwrap();
        let read = self.reader.read(&mut [0]);
        assert_eq!(read.expect_err("bytes or an end").kind(), ErrorKind::WouldBlock);
        self.stream.set_read_timeout(Some(WAIT_LIMIT)).unwrap();
    }

    /// Returns `false` if the peer has closed or bytes have come.
    pub fn is_open(&self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).unwrap();
        peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// Closes both directions.
    pub fn close(self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Resets the connection.
    pub fn reset(self) {
        Disconnect::Reset.apply(&self.stream);
    }
}
