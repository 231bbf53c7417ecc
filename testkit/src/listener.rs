use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use crate::{WAIT_LIMIT, Wire, poll};

/// A listening socket on loopback. The test accepts and serves each connection itself.
///
/// ```
/// use testkit::{Listener, Wire};
///
/// let listener = Listener::bind();
/// listener.assert_unused();
/// let client = Wire::connect(listener.address());
/// let mut upstream = listener.accept();
/// client.close();
/// assert_eq!(upstream.rest(), "");
/// ```
pub struct Listener(TcpListener);

impl Listener {
    /// Listens on a free port of 127.0.0.1.
    pub fn bind() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    /// The address to connect to.
    pub fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// `http://127.0.0.1:port` and a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// Accepts the next connection. Panics if none comes within [`WAIT_LIMIT`].
    #[track_caller]
    pub fn accept(&self) -> Wire {
        let mut accepted = None;
        let came = poll(WAIT_LIMIT, || match self.0.accept() {
            Ok((stream, _)) => accepted.replace(stream).is_none(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            Err(error) => panic!("{error}"),
        });
        assert!(came, "no connection came");
        let stream = accepted.unwrap();
        stream.set_nonblocking(false).unwrap();
        Wire::new(stream)
    }

    /// Expects that no connection waits to be accepted.
    #[track_caller]
    pub fn assert_unused(&self) {
        assert_eq!(self.0.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "a connection came");
    }
}

/// Returns a port on which a program under test can listen. No other test gets it, and the system
/// gives higher ones to clients.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + u16::try_from(std::process::id() % 100).unwrap() * 100;
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return port;
        }
    }
}
