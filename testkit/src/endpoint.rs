use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

/// A manner in which one side leaves a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disconnect {
    /// Closes both directions, without the end that TLS would announce.
    Close,
    /// Closes its own direction and reads on.
    HalfClose,
    /// Resets the connection once it is dropped.
    Reset,
    /// Stays, and sends nothing more until the peer closes.
    Hold,
}

impl Disconnect {
    /// Leaves the connection, which has to be dropped next.
    pub fn apply(self, stream: &TcpStream) {
        self.apply_reading(stream, &mut &*stream);
    }

    /// Leaves a connection whose bytes are read by way of `reader`, such as TLS.
    pub fn apply_reading(self, stream: &TcpStream, reader: &mut impl Read) {
        // A peer that has left before is no failure.
        match self {
            Self::Close => drop(stream.shutdown(Shutdown::Both)),
            Self::HalfClose => drop(stream.shutdown(Shutdown::Write)),
            Self::Reset => drop(SockRef::from(stream).set_linger(Some(Duration::ZERO))),
            Self::Hold => drop(io::copy(reader, &mut io::sink())),
        }
    }
}

/// An address that serves each connection on a thread of its own until the value is dropped.
///
/// On demand it refuses connections, or leaves them pending, or closes those that are open.
///
/// ```
/// use std::io::Write;
/// use testkit::{Endpoint, Wire};
///
/// let endpoint = Endpoint::start(|mut stream| stream.write_all(b"hello").unwrap());
/// assert_eq!(Wire::connect(endpoint.address()).rest(), "hello");
/// endpoint.refuse();
/// assert!(std::net::TcpStream::connect(endpoint.address()).is_err());
/// ```
pub struct Endpoint(Arc<Shared>);

type Serve = dyn Fn(&Shared, &TcpStream) + Send + Sync;

/// The part that the connections' threads hold.
pub(crate) struct Shared {
    address: SocketAddr,
    serve: Box<Serve>,
    state: Mutex<State>,
    connections: Mutex<Vec<Weak<TcpStream>>>,
    accepted: AtomicUsize,
}

enum State {
    Refusing,
    Accepting {
        listener: Arc<TcpListener>,
        is_closing: Arc<AtomicBool>,
        thread: JoinHandle<()>,
    },
    /// Accepts nothing, and the queue is full with one connection.
    Stalled {
        listener: Socket,
        _queued: TcpStream,
    },
}

/// A loopback address of this process that no other endpoint has: its ports stay free while it
/// refuses connections. Linux routes all of 127.0.0.0/8.
pub(crate) fn unique_ip() -> IpAddr {
    static COUNT: AtomicU16 = AtomicU16::new(1);
    let [high, low] = COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    Ipv4Addr::new(127, 64 + (std::process::id() % 128) as u8, high, low).into()
}

impl Endpoint {
    /// Listens on a free port of 127.0.0.1.
    pub fn start(serve: impl Fn(&TcpStream) + Send + Sync + 'static) -> Self {
        Self::start_on(Ipv4Addr::LOCALHOST.into(), move |_, stream| serve(stream))
    }

    /// Listens on an address of its own (Linux), which stays its own while it refuses.
    pub fn start_unique(serve: impl Fn(&TcpStream) + Send + Sync + 'static) -> Self {
        Self::start_on(unique_ip(), move |_, stream| serve(stream))
    }

    pub(crate) fn start_on(
        ip: IpAddr,
        serve: impl Fn(&Shared, &TcpStream) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let shared = Arc::new(Shared {
            address: listener.local_addr().unwrap(),
            serve: Box::new(serve),
            state: Mutex::new(State::Refusing),
            connections: Mutex::default(),
            accepted: AtomicUsize::new(0),
        });
        shared.accept(listener);
        Self(shared)
    }

    /// The address to connect to.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// The number of connections accepted so far.
    pub fn connections(&self) -> usize {
        self.0.accepted.load(Ordering::Acquire)
    }

    /// Accepts connections again.
    pub fn resume(&self) {
        self.refuse();
        self.0.accept(TcpListener::bind(self.0.address).unwrap());
    }

    /// Refuses connections from now on. Accepted ones stay, queued ones are reset.
    pub fn refuse(&self) {
        self.0.refuse();
    }

    /// Leaves connections pending from now on, neither accepted nor refused: the queue is full.
    pub fn stall(&self) {
        self.refuse();
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.set_reuse_address(true).unwrap();
        listener.bind(&self.0.address.into()).unwrap();
        listener.listen(0).unwrap();
        let queued = TcpStream::connect(self.0.address).unwrap();
        *self.0.state.lock().unwrap() = State::Stalled { listener, _queued: queued };
    }

    /// Closes all open connections.
    pub fn disconnect(&self) {
        for connection in self.0.connections.lock().unwrap().drain(..) {
            if let Some(connection) = connection.upgrade() {
                Disconnect::Close.apply(&connection);
            }
        }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.refuse();
        self.disconnect();
    }
}

impl Shared {
    pub(crate) fn refuse(&self) {
        let state = std::mem::replace(&mut *self.state.lock().unwrap(), State::Refusing);
        // Closing alone is not enough: a process that is being started may hold a copy.
        match state {
            State::Refusing => {}
            State::Accepting { listener, is_closing, thread } => {
                is_closing.store(true, Ordering::Release);
                let _ = SockRef::from(&*listener).shutdown(Shutdown::Both);
                drop(listener);
                // Wakes `accept` on systems where the shutdown does not.
                let _ = TcpStream::connect(self.address);
                thread.join().unwrap();
            }
            State::Stalled { listener, .. } => drop(listener.shutdown(Shutdown::Both)),
        }
    }

    fn accept(self: &Arc<Self>, listener: TcpListener) {
        let (shared, listener) = (self.clone(), Arc::new(listener));
        let is_closing = Arc::<AtomicBool>::default();
        let (accepting, is_over) = (listener.clone(), is_closing.clone());
        let thread = thread::spawn(move || {
            while let Ok((stream, _)) = accepting.accept() {
                if is_over.load(Ordering::Acquire) {
                    break;
                }
                let (shared, stream) = (shared.clone(), Arc::new(stream));
                stream.set_nodelay(true).unwrap();
                shared.accepted.fetch_add(1, Ordering::AcqRel);
                let mut connections = shared.connections.lock().unwrap();
                connections.retain(|connection| connection.strong_count() > 0);
                connections.push(Arc::downgrade(&stream));
                drop(connections);
                thread::spawn(move || (shared.serve)(&shared, &stream));
            }
        });
        *self.state.lock().unwrap() = State::Accepting { listener, is_closing, thread };
    }
}

/// Copies bytes both ways until both sides have ended.
pub fn splice(one: &TcpStream, other: &TcpStream) {
    let copy = |mut from: &TcpStream, mut to: &TcpStream| {
        let _ = io::copy(&mut from, &mut to);
        Disconnect::HalfClose.apply(to);
    };
    thread::scope(|scope| {
        scope.spawn(|| copy(other, one));
        copy(one, other);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{WAIT_LIMIT, Wire, poll};

    #[test]
    fn endpoint_refuses_stalls_and_resumes() {
        let endpoint = Endpoint::start_unique(|stream| Disconnect::Hold.apply(stream));
        let connect = || TcpStream::connect_timeout(&endpoint.address(), Duration::from_millis(50));
        let mut open = Wire::new(connect().unwrap());
        assert!(poll(WAIT_LIMIT, || endpoint.connections() == 1));
        endpoint.refuse();
        assert_eq!(connect().unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        endpoint.stall();
        assert_eq!(connect().unwrap_err().kind(), io::ErrorKind::TimedOut);
        endpoint.resume();
        connect().unwrap();
        assert!(open.is_open());
        endpoint.disconnect();
        assert_eq!(open.rest(), "");
    }
}
