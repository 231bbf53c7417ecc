//! An address at which somebody listens, or does not for a while.

use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

type Serve = dyn Fn(&Arc<Door>, &TcpStream) + Send + Sync;

/// Serves each connection in a thread of its own, while it is open.
pub(super) struct Door {
    pub(super) address: SocketAddr,
    serve: Box<Serve>,
    state: Mutex<State>,
    connections: Mutex<Vec<Weak<TcpStream>>>,
}

enum State {
    Shut,
    Open(Arc<TcpListener>, JoinHandle<()>),
    /// Listens, accepts nothing, and has no room for more than this one to wait.
    Full {
        listener: Socket,
        _waiting: TcpStream,
    },
}

impl Door {
    /// An address of its own, which nobody takes while it is shut.
    pub(super) fn new(serve: impl Fn(&Arc<Self>, &TcpStream) + Send + Sync + 'static) -> Arc<Self> {
        static COUNT: AtomicU16 = AtomicU16::new(1);
        let [high, low] = COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let network = 64 + (std::process::id() % 128) as u8;
        let listener = TcpListener::bind((Ipv4Addr::new(127, network, high, low), 0)).unwrap();
        let door = Arc::new(Self {
            address: listener.local_addr().unwrap(),
            serve: Box::new(serve),
            state: Mutex::new(State::Shut),
            connections: Mutex::default(),
        });
        door.accept(listener);
        door
    }

    /// Listens again.
    pub(super) fn open(self: &Arc<Self>) {
        self.shut();
        self.accept(TcpListener::bind(self.address).unwrap());
    }

    /// Refuses from now on whoever comes. Connections that there are go on.
    pub(super) fn shut(&self) {
        let state = std::mem::replace(&mut *self.state.lock().unwrap(), State::Shut);
        // Closing alone would leave it open for as long as a process that is being started has a copy.
        match state {
            State::Shut => {}
            State::Open(listener, accepting) => {
                SockRef::from(&*listener).shutdown(Shutdown::Both).unwrap();
                accepting.join().unwrap();
            }
            State::Full { listener, .. } => listener.shutdown(Shutdown::Both).unwrap(),
        }
    }

    /// Neither refuses nor takes whoever comes.
    pub(super) fn fill(&self) {
        self.shut();
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.set_reuse_address(true).unwrap();
        listener.bind(&self.address.into()).unwrap();
        listener.listen(0).unwrap();
        let waiting = TcpStream::connect(self.address).unwrap();
        *self.state.lock().unwrap() = State::Full { listener, _waiting: waiting };
    }

    /// Closes all connections.
    pub(super) fn hang_up(&self) {
        for connection in self.connections.lock().unwrap().drain(..) {
            if let Some(connection) = connection.upgrade() {
                let _ = connection.shutdown(Shutdown::Both);
            }
        }
    }

    fn accept(self: &Arc<Self>, listener: TcpListener) {
        let (door, listener) = (self.clone(), Arc::new(listener));
        let listening = listener.clone();
        let accepting = thread::spawn(move || {
            while let Ok((stream, _)) = listening.accept() {
                let (door, stream) = (door.clone(), Arc::new(stream));
                stream.set_nodelay(true).unwrap();
                door.connections.lock().unwrap().push(Arc::downgrade(&stream));
                thread::spawn(move || (door.serve)(&door, &stream));
            }
        });
        *self.state.lock().unwrap() = State::Open(listener, accepting);
    }
}

/// How a server ends a connection when it has said its last.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum End {
    Closes,
    Resets,
    /// Says nothing more for as long as the caller stays.
    Silent,
}

impl End {
    /// Comes about before the connection is dropped; `rest` is how to read it.
    pub(super) fn of(self, stream: &TcpStream, rest: &mut impl std::io::Read) {
        match self {
            Self::Closes => drop(stream.shutdown(Shutdown::Both)),
            // No lingering: what is dropped is reset.
            Self::Resets => SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap(),
            Self::Silent => drop(std::io::copy(rest, &mut std::io::sink())),
        }
    }
}
