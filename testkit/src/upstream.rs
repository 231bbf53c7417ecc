//! An HTTP server that replies by a script and records its requests.
//!
//! ```
//! use testkit::{Gate, Turn, Upstream, Wire, chat, http};
//!
//! let gate = Gate::default();
//! let upstream = Upstream::new([
//!     Turn::from(http::response(503, &["retry-after: 0"], "")),
//!     Turn::default().wait(&gate).send(chat::completion("Yes.")).close(),
//! ]);
//! let mut client = Wire::connect(upstream.address());
//! client.send("GET /one HTTP/1.1\r\n\r\nGET /two HTTP/1.1\r\n\r\n");
//! assert_eq!(client.response().status(), 503);
//! upstream.wait_for_requests(2);
//! gate.open();
//! assert_eq!(client.response().status(), 200);
//! assert_eq!(client.rest(), "");
//! ```

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use crate::{Disconnect, Endpoint, Gate, Request, WAIT_LIMIT};

/// Steps that an upstream takes for one request. Without an end it then reads the next request.
#[derive(Clone, Debug, Default)]
pub struct Turn(Vec<Step>);

#[derive(Clone, Debug)]
enum Step {
    Send(Vec<u8>),
    Wait(Gate),
    Trickle(Vec<u8>),
    Leave(Disconnect),
}

impl Turn {
    /// Closes the connection and sends nothing.
    pub fn closing() -> Self {
        Self::default().close()
    }

    /// Stays silent until the client closes.
    pub fn silent() -> Self {
        Self::default().hold()
    }

    /// Sends these bytes.
    pub fn send(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.then(Step::Send(bytes.into()))
    }

    /// Waits until the gate is open.
    pub fn wait(self, gate: &Gate) -> Self {
        self.then(Step::Wait(gate.clone()))
    }

    /// Sends these bytes every 100 ms until the client closes.
    pub fn trickle(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.then(Step::Trickle(bytes.into()))
    }

    /// Closes the connection.
    pub fn close(self) -> Self {
        self.then(Step::Leave(Disconnect::Close))
    }

    /// Resets the connection.
    pub fn reset(self) -> Self {
        self.then(Step::Leave(Disconnect::Reset))
    }

    /// Sends nothing more until the client closes.
    pub fn hold(self) -> Self {
        self.then(Step::Leave(Disconnect::Hold))
    }

    fn then(mut self, step: Step) -> Self {
        self.0.push(step);
        self
    }
}

impl<B: Into<Vec<u8>>> From<B> for Turn {
    fn from(bytes: B) -> Self {
        Self::default().send(bytes)
    }
}

/// The stand-in for the upstream of a function.
pub struct Upstream {
    endpoint: Endpoint,
    scheme: &'static str,
    observed: Arc<Observed>,
}

#[derive(Default)]
struct Observed {
    requests: Mutex<Vec<Request>>,
    changed: Condvar,
}

impl Upstream {
    /// Takes one turn a request, over all connections; the last one for all that follow.
    pub fn new<T: Into<Turn>>(turns: impl IntoIterator<Item = T>) -> Self {
        Self::by_request(in_turn(turns))
    }

    /// Takes the same turn for every request.
    pub fn always(turn: impl Into<Turn>) -> Self {
        Self::new([turn])
    }

    /// Chooses a turn by the request and the number of requests before it.
    pub fn by_request(choose: impl Fn(usize, &Request) -> Turn + Send + Sync + 'static) -> Self {
        let observed = Arc::<Observed>::default();
        let shared = observed.clone();
        let serve = move |stream: &TcpStream| shared.serve(stream, stream, &choose);
        Self { endpoint: Endpoint::start(serve), scheme: "http", observed }
    }

    /// Does the same as [`Self::new`] over TLS.
    #[cfg(feature = "tls")]
    pub fn with_tls<T: Into<Turn>>(
        turns: impl IntoIterator<Item = T>,
        config: Arc<rustls::ServerConfig>,
    ) -> Self {
        let observed = Arc::<Observed>::default();
        let (shared, choose) = (observed.clone(), in_turn(turns));
        let serve = move |stream: &TcpStream| {
            shared.serve(crate::tls::accept(&config, stream), stream, &choose);
        };
        Self { endpoint: Endpoint::start(serve), scheme: "https", observed }
    }

    /// The address to connect to.
    pub fn address(&self) -> SocketAddr {
        self.endpoint.address()
    }

    /// The URL of a path on this server.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address())
    }

    /// The number of connections so far.
    pub fn connections(&self) -> usize {
        self.endpoint.connections()
    }

    /// Closes all open connections.
    pub fn disconnect(&self) {
        self.endpoint.disconnect();
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.observed.requests.lock().unwrap().clone()
    }

    /// Removes and returns the requests so far.
    pub fn take_requests(&self) -> Vec<Request> {
        std::mem::take(&mut *self.observed.requests.lock().unwrap())
    }

    /// The only request so far.
    #[track_caller]
    pub fn request(&self) -> Request {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.remove(0)
    }

    /// Waits until this many requests have come.
    #[track_caller]
    pub fn wait_for_requests(&self, count: usize) {
        let requests = self.observed.requests.lock().unwrap();
        let is_less = |requests: &mut Vec<Request>| requests.len() < count;
        let waited = self.observed.changed.wait_timeout_while(requests, WAIT_LIMIT, is_less);
        let (requests, waited) = waited.unwrap();
        assert!(!waited.timed_out(), "{} of {count} requests", requests.len());
    }
}

fn in_turn<T: Into<Turn>>(
    turns: impl IntoIterator<Item = T>,
) -> impl Fn(usize, &Request) -> Turn + Send + Sync + 'static {
    let turns: Vec<Turn> = turns.into_iter().map(Into::into).collect();
    move |number, _| turns[number.min(turns.len() - 1)].clone()
}

impl Observed {
    fn serve(
        &self,
        stream: impl Read + Write,
        socket: &TcpStream,
        choose: &impl Fn(usize, &Request) -> Turn,
    ) {
        let mut stream = BufReader::new(stream);
        while let Some(request) = Request::read(&mut stream) {
            let turn = {
                let mut requests = self.requests.lock().unwrap();
                let turn = choose(requests.len(), &request);
                requests.push(request);
                turn
            };
            self.changed.notify_all();
            for step in turn.0 {
                match step {
                    // A client that has left is no failure.
                    Step::Send(bytes) => drop(stream.get_mut().write_all(&bytes)),
                    Step::Wait(gate) => gate.wait(),
                    Step::Trickle(bytes) => {
                        while stream.get_mut().write_all(&bytes).is_ok() {
                            thread::sleep(Duration::from_millis(100));
                        }
                    }
                    Step::Leave(disconnect) => {
                        return disconnect.apply_reading(socket, &mut stream);
                    }
                }
            }
        }
    }
}
