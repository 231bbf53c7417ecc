//! An upstream that fails on demand: each request names its fault.

use std::collections::HashMap;
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};

use rustls::ServerConfig;
use serde_json::Value;
use testkit::{Authority, Disconnect, Endpoint, Request, Scratch, accept_tls};

use super::script::{Connect, FAULTS, FailureMode, Fault, Script};
use crate::support::WAIT_LIMIT;

/// The way from the app to the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Plain,
    Tls,
    /// The same as `Plain`, to an app without `ASK_TIMEOUT`.
    Unlimited,
    /// Connecting fails.
    Blocked(Connect),
}

impl Transport {
    fn is_tls(self) -> bool {
        use Connect::{Refused, Reset, Stalled};
        !matches!(self, Self::Plain | Self::Unlimited | Self::Blocked(Refused | Stalled | Reset))
    }
}

pub(super) struct FaultyUpstream {
    pub(super) url: String,
    /// The roots that the app is to trust.
    pub(super) roots: Option<Scratch>,
    pub(super) observed: Arc<ObservedRows>,
    endpoint: Endpoint,
    shared: Arc<Shared>,
}

/// The observations of an upstream, by row.
#[derive(Default)]
pub(super) struct ObservedRows {
    rows: Mutex<HashMap<usize, Observed>>,
    changed: Condvar,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Observed {
    /// The complete requests.
    pub(super) requests: Vec<Request>,
    /// The number of scripts that were sent.
    pub(super) sent: usize,
    /// The number of connections that have not ended.
    pub(super) open: usize,
}

impl ObservedRows {
    fn note(&self, row: usize, note: impl FnOnce(&mut Observed)) {
        note(self.rows.lock().unwrap().entry(row).or_default());
        self.changed.notify_all();
    }

    pub(super) fn of(&self, row: usize) -> Observed {
        self.rows.lock().unwrap().get(&row).cloned().unwrap_or_default()
    }

    /// Waits for a state of a row, for a limited time.
    pub(super) fn wait(&self, row: usize, is_reached: impl Fn(&Observed) -> bool) {
        let rows = self.rows.lock().unwrap();
        let is_not = |rows: &mut HashMap<_, _>| !is_reached(rows.entry(row).or_default());
        drop(self.changed.wait_timeout_while(rows, WAIT_LIMIT, is_not).unwrap());
    }
}

impl FaultyUpstream {
    pub(super) fn start(transport: Transport) -> Self {
        let observed = Arc::<ObservedRows>::default();
        let shared = Arc::new(Shared {
            transport,
            tls: OnceLock::new(),
            is_unblocked: AtomicBool::new(false),
            observed: observed.clone(),
        });
        let serving = shared.clone();
        let endpoint = Endpoint::start_unique(move |stream| serving.serve(stream));
        let mut roots = None;
        if transport.is_tls() {
            let authority = Authority::new();
            let address = endpoint.address().ip().to_string();
            let valid = authority.server(&address);
            let blocked = match transport {
                Transport::Blocked(Connect::WrongRoot) => Authority::new().server(&address),
                Transport::Blocked(Connect::WrongName) => authority.server("elsewhere.example"),
                _ => valid.clone(),
            };
            let _ = shared.tls.set([blocked, valid]);
            roots = Some(authority.file());
        }
        match transport {
            Transport::Blocked(Connect::Refused) => endpoint.refuse(),
            Transport::Blocked(Connect::Stalled) => endpoint.stall(),
            _ => {}
        }
        let scheme = if roots.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}/v1", endpoint.address());
        Self { url, roots, observed, endpoint, shared }
    }

    /// Lets connecting succeed from now on.
    pub(super) fn unblock(&self) {
        self.shared.is_unblocked.store(true, Ordering::SeqCst);
        if let Transport::Blocked(Connect::Refused | Connect::Stalled) = self.shared.transport {
            self.endpoint.resume();
        }
    }
}

struct Shared {
    transport: Transport,
    /// The TLS servers while connecting fails, and afterwards.
    tls: OnceLock<[Arc<ServerConfig>; 2]>,
    is_unblocked: AtomicBool,
    observed: Arc<ObservedRows>,
}

impl Shared {
    fn serve(&self, mut stream: &TcpStream) {
        stream.set_read_timeout(Some(WAIT_LIMIT)).unwrap();
        let is_unblocked = self.is_unblocked.load(Ordering::SeqCst);
        if let (Transport::Blocked(failure), false) = (self.transport, is_unblocked) {
            let disconnect = match failure {
                Connect::Reset => return Disconnect::Reset.apply(stream),
                Connect::NoTls | Connect::TlsSilent => Some(Disconnect::Hold),
                Connect::TlsClosed => Some(Disconnect::Close),
                Connect::TlsReset => Some(Disconnect::Reset),
                _ => None,
            };
            if let Some(disconnect) = disconnect {
                // After the whole ClientHello.
                let _ = stream.read(&mut [0; 4096]);
                if failure == Connect::NoTls {
                    let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
                }
                return disconnect.apply(stream);
            }
        }
        match self.tls.get() {
            Some(tls) => {
                self.reply(accept_tls(&tls[usize::from(is_unblocked)], stream), stream);
            }
            None => self.reply(stream, stream),
        }
    }

    fn reply(&self, stream: impl Read + Write, socket: &TcpStream) {
        let mut stream = BufReader::new(stream);
        let Some(request) = Request::read(&mut stream) else { return };
        let Some((fault, row, is_streamed)) = wanted(&request) else {
            panic!("no fault in {request:?}")
        };
        self.observed.note(row, |observed| {
            observed.requests.push(request);
            observed.open += 1;
        });
        let script = if is_streamed { Script::streamed(fault) } else { Script::buffered(fault) };
        // A client that has left is no failure.
        let _ = stream.get_mut().write_all(&script.wire);
        self.observed.note(row, |observed| observed.sent += 1);
        let disconnect = match fault {
            Fault::In(_, FailureMode::Closed) => Disconnect::Close,
            Fault::In(_, FailureMode::Reset) => Disconnect::Reset,
            _ => Disconnect::Hold,
        };
        disconnect.apply_reading(socket, &mut stream);
        self.observed.note(row, |observed| observed.open -= 1);
    }
}

/// Returns the fault of a request, its row, and whether it asks for a stream.
fn wanted(request: &Request) -> Option<(Fault, usize, bool)> {
    let (words, is_streamed) = match request.target().strip_prefix("/v1/rows/") {
        Some(words) => (words.replace('/', " "), true),
        None => {
            let body: Value = serde_json::from_slice(&request.body).ok()?;
            (body["messages"][0]["content"].as_str()?.to_owned(), body["stream"] == true)
        }
    };
    let mut numbers = words.split(' ').map(str::parse);
    let fault = numbers.next()?.ok()?;
    Some((FAULTS[fault], numbers.next()?.ok()?, is_streamed))
}
