//! A provider that fails on demand: each request says how.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;
use socket2::{Domain, Socket, Type};

use super::script::{Connect, FAULTS, Fault, How, Script};
use crate::support::{PATIENCE, header};
use crate::tls::Root;

/// How a provider is reached, and what is wrong with that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Plain,
    Tls,
    /// Plain, and with all the time in the world.
    Unhurried,
    Blocked(Connect),
}

/// A provider and what it has seen.
pub(crate) struct Provider {
    pub(crate) url: String,
    /// The file with the roots to trust.
    pub(crate) roots: Option<PathBuf>,
    pub(crate) sights: Arc<Sights>,
    mended: Arc<AtomicBool>,
    on_mending: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

/// What a provider has seen, by row.
#[derive(Default)]
pub(crate) struct Sights {
    rows: Mutex<HashMap<usize, Sight>>,
    changed: Condvar,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Sight {
    /// The requests, whole ones.
    pub(crate) requests: Vec<Message>,
    /// So often it has said what it had to say.
    pub(crate) said: usize,
    /// Connections that have not ended.
    pub(crate) open: usize,
}

impl Sights {
    fn note(&self, row: usize, note: impl FnOnce(&mut Sight)) {
        note(self.rows.lock().unwrap().entry(row).or_default());
        self.changed.notify_all();
    }

    pub(crate) fn of(&self, row: usize) -> Sight {
        self.rows.lock().unwrap().get(&row).cloned().unwrap_or_default()
    }

    /// Waits for this to be so; whether it came to that in time.
    pub(crate) fn wait(
        &self,
        row: usize,
        patience: Duration,
        is_so: impl Fn(&Sight) -> bool,
    ) -> bool {
        let rows = self.rows.lock().unwrap();
        let is_not = |rows: &mut HashMap<usize, Sight>| !is_so(rows.entry(row).or_default());
        !self.changed.wait_timeout_while(rows, patience, is_not).unwrap().1.timed_out()
    }
}

/// A message, head and body.
pub(crate) type Message = (String, Vec<u8>);

/// Bytes both ways, whatever is below them.
trait Wire: Read + Write {}
impl<T: Read + Write> Wire for T {}

impl Provider {
    pub(crate) fn start(way: Way) -> Self {
        let sights = Arc::new(Sights::default());
        let mended = Arc::new(AtomicBool::new(false));
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let is_tls = !matches!(
            way,
            Way::Plain
                | Way::Unhurried
                | Way::Blocked(Connect::Refused | Connect::NotTaken | Connect::Reset)
        );
        let root = is_tls.then(Root::new);
        let config = root.as_ref().map(|root| root.config("127.0.0.1"));
        let wrong = match way {
            Way::Blocked(Connect::WrongRoot) => Some(Root::new().config("127.0.0.1")),
            Way::Blocked(Connect::WrongName) => {
                root.as_ref().map(|root| root.config("elsewhere.example"))
            }
            _ => None,
        };
        // Nobody listens yet: who comes is refused. A queue that is full neither takes nor refuses.
        let waiting = match way {
            Way::Blocked(Connect::NotTaken) => {
                socket.listen(0).unwrap();
                let knock = || TcpStream::connect_timeout(&address, Duration::from_millis(100));
                std::iter::from_fn(|| knock().ok()).collect()
            }
            _ => Vec::new(),
        };
        let serving =
            Serving { way, config, wrong, sights: sights.clone(), mended: mended.clone() };
        let serve: Box<dyn FnOnce() + Send> = Box::new(move || {
            drop(waiting);
            socket.listen(4096).unwrap();
            let (listener, serving) = (TcpListener::from(socket), Arc::new(serving));
            thread::spawn(move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    let serving = serving.clone();
                    thread::spawn(move || serving.serve(stream));
                }
            });
        });
        let on_mending = match way {
            Way::Blocked(Connect::Refused | Connect::NotTaken) => Some(serve),
            _ => {
                serve();
                None
            }
        };
        let scheme = if is_tls { "https" } else { "http" };
        let url = format!("{scheme}://{address}/v1");
        let roots = root.map(|root| root.file);
        Self { url, roots, sights, mended, on_mending: Mutex::new(on_mending) }
    }

    /// From now on nothing is wrong with the way.
    pub(crate) fn mend(&self) {
        self.mended.store(true, Ordering::SeqCst);
        if let Some(mend) = self.on_mending.lock().unwrap().take() {
            mend();
        }
    }
}

/// What it takes to serve one connection.
struct Serving {
    way: Way,
    config: Option<Arc<ServerConfig>>,
    /// Shown until the way is mended.
    wrong: Option<Arc<ServerConfig>>,
    sights: Arc<Sights>,
    mended: Arc<AtomicBool>,
}

impl Serving {
    fn serve(&self, mut tcp: TcpStream) {
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        tcp.set_nodelay(true).unwrap();
        let is_mended = self.mended.load(Ordering::SeqCst);
        if let (Way::Blocked(how), false) = (self.way, is_mended) {
            match how {
                Connect::Reset => return reset(&tcp),
                Connect::NoTls | Connect::TlsClosed | Connect::TlsReset | Connect::TlsSilent => {
                    // It has said hello, all of it.
                    let _ = tcp.read(&mut [0; 4096]);
                    match how {
                        Connect::TlsClosed => return,
                        Connect::TlsReset => return reset(&tcp),
                        Connect::NoTls => drop(tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
                        _ => {}
                    }
                    return wait_for_end(&mut tcp);
                }
                Connect::Refused | Connect::NotTaken | Connect::WrongRoot | Connect::WrongName => {}
            }
        }
        let wrong = self.wrong.as_ref().filter(|_| !is_mended);
        let bytes = tcp.try_clone().unwrap();
        let wire: Box<dyn Wire> = match wrong.or(self.config.as_ref()) {
            Some(config) => {
                Box::new(StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), bytes))
            }
            None => Box::new(bytes),
        };
        self.answer(wire, &tcp);
    }

    fn answer(&self, wire: Box<dyn Wire>, tcp: &TcpStream) {
        let mut wire = BufReader::new(wire);
        let Ok(message) = read_message(&mut wire) else { return };
        let Some((fault, row, streamed)) = wanted(&message) else {
            panic!("nobody asked for {message:?}")
        };
        self.sights.note(row, |sight| {
            sight.requests.push(message);
            sight.open += 1;
        });
        let script = if streamed { Script::streamed(fault) } else { Script::whole(fault) };
        // Where the other end goes, there is nothing to do.
        let _ = wire.get_mut().write_all(&script.wire).and_then(|()| wire.get_mut().flush());
        self.sights.note(row, |sight| sight.said += 1);
        match fault {
            Fault::In(_, How::Closed) => {}
            Fault::In(_, How::Reset) => reset(tcp),
            _ => wait_for_end(&mut wire),
        }
        // Without a goodbye, that of TLS either.
        drop(wire);
        self.sights.note(row, |sight| sight.open -= 1);
    }
}

/// Closes it without a goodbye.
pub(crate) fn reset(tcp: &TcpStream) {
    let _ = socket2::SockRef::from(tcp).set_linger(Some(Duration::ZERO));
}

fn wait_for_end(wire: &mut impl Read) {
    while wire.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {}
}

/// Which fault a request asks for, in which row, and whether the answer is to be streamed.
fn wanted((head, body): &Message) -> Option<(Fault, usize, bool)> {
    let path = head.split(' ').nth(1)?;
    let (words, streamed) = match path.strip_prefix("/v1/rows/") {
        Some(words) => (words.replace('/', " "), true),
        None => {
            let body: Value = serde_json::from_slice(body).ok()?;
            (body["messages"][0]["content"].as_str()?.to_owned(), body["stream"] == true)
        }
    };
    let mut numbers = words.split(' ').map(str::parse);
    let fault = numbers.next()?.ok()?;
    Some((FAULTS[fault], numbers.next()?.ok()?, streamed))
}

/// A message to its end, read strictly.
pub(crate) fn read_message(wire: &mut impl BufRead) -> io::Result<Message> {
    let broken = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if wire.read_line(&mut head)? == 0 {
            return Err(broken());
        }
    }
    let mut body = Vec::new();
    if let Some(length) = header(&head, "content-length") {
        body.resize(length.parse().map_err(io::Error::other)?, 0);
        wire.read_exact(&mut body)?;
    } else if let Some(coding) = header(&head, "transfer-encoding") {
        assert_eq!(coding, "chunked");
        loop {
            let mut line = String::new();
            wire.read_line(&mut line)?;
            let size = line.strip_suffix("\r\n").ok_or_else(broken)?;
            let size = usize::from_str_radix(size, 16).map_err(io::Error::other)?;
            let mut chunk = vec![0; size + 2];
            wire.read_exact(&mut chunk)?;
            assert!(chunk.ends_with(b"\r\n"), "no end of a chunk");
            if size == 0 {
                break;
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }
    Ok((head, body))
}
