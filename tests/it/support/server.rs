//! Servers on real sockets that say what they are told to, byte by byte, and keep what they are told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use serde_json::{Value, json};

/// A connection, plain or encrypted.
pub(crate) trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

/// Where something listens. It ends with this value; connections end with their callers.
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
}

/// Serves each connection in a thread of its own.
pub(crate) fn listen(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Listening {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let ended = Arc::new(AtomicBool::new(false));
    let (count, is_over, serve) = (connections.clone(), ended.clone(), Arc::new(serve));
    thread::spawn(move || {
        for stream in listener.incoming() {
            if is_over.load(Ordering::Acquire) {
                return;
            }
            count.fetch_add(1, Ordering::AcqRel);
            let (stream, serve) = (stream.unwrap(), serve.clone());
            thread::spawn(move || serve(stream));
        }
    });
    Listening { address, connections, ended }
}

impl Listening {
    /// So many connections came until now.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Acquire)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        let _ = TcpStream::connect(self.address);
    }
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Method, target and version.
    pub(crate) line: String,
    /// Names in lower case, in the order in which they came.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// Reads one; nothing where the caller has gone, or says something else.
    pub(crate) fn read(stream: &mut impl BufRead) -> Option<Self> {
        let mut line = || {
            let mut line = Vec::new();
            stream.read_until(b'\n', &mut line).ok()?;
            String::from_utf8(line).ok()?.strip_suffix("\r\n").map(str::to_owned)
        };
        let mut request = Self { line: line()?, headers: Vec::new(), body: Vec::new() };
        loop {
            let line = line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':')?;
            request.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
        request.body.resize(length, 0);
        stream.read_exact(&mut request.body).ok()?;
        Some(request)
    }

    /// The value of a header that comes once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values =
            self.headers.iter().filter(|header| header.0 == name).map(|header| header.1.as_str());
        let value = values.next();
        assert_eq!(values.next(), None, "{name} comes twice");
        value
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The target, without method and version.
    pub(crate) fn target(&self) -> &str {
        self.line.split(' ').nth(1).unwrap()
    }
}

/// What a server does with a request: one thing after the other, then it reads the next one.
#[derive(Clone)]
pub(crate) enum Act {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Waits for a signal of the test's.
    Wait(Gate),
    /// Closes the connection.
    Close,
    /// Says nothing more for as long as the caller stays.
    Hold,
}

/// A signal that a test gives, once and for all.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    pub(crate) fn wait(&self) {
        drop(self.0.1.wait_while(self.0.0.lock().unwrap(), |open| !*open).unwrap());
    }
}

/// An HTTP server that keeps what it was asked.
pub(crate) struct Server {
    listening: Listening,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Takes these turns, one for each request over all connections; the last one for all that follow.
    pub(crate) fn new(turns: impl IntoIterator<Item = Vec<Act>>) -> Self {
        Self::wrapped(turns, |stream| stream)
    }

    /// The same turn for every request.
    pub(crate) fn always(turn: impl Into<Vec<Act>>) -> Self {
        Self::new([turn.into()])
    }

    /// The same over connections that are something else on the wire.
    pub(crate) fn wrapped<S: Stream>(
        turns: impl IntoIterator<Item = Vec<Act>>,
        wrap: impl Fn(TcpStream) -> S + Send + Sync + 'static,
    ) -> Self {
        let turns: Vec<_> = turns.into_iter().collect();
        Self::deciding(wrap, move |count, _| turns[count.min(turns.len() - 1)].clone())
    }

    /// A turn by the request, and by how many came before.
    pub(crate) fn by_request(
        decide: impl Fn(usize, &Request) -> Vec<Act> + Send + Sync + 'static,
    ) -> Self {
        Self::deciding(|stream| stream, decide)
    }

    fn deciding<S: Stream>(
        wrap: impl Fn(TcpStream) -> S + Send + Sync + 'static,
        decide: impl Fn(usize, &Request) -> Vec<Act> + Send + Sync + 'static,
    ) -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = requests.clone();
        let listening = listen(move |stream| {
            let mut stream = BufReader::new(wrap(stream));
            while let Some(request) = Request::read(&mut stream) {
                let turn = {
                    let mut kept = kept.lock().unwrap();
                    kept.push(request);
                    decide(kept.len() - 1, &kept[kept.len() - 1])
                };
                for act in turn {
                    match act {
                        // A caller that has gone is nobody's trouble.
                        Act::Send(bytes) => drop(stream.get_mut().write_all(&bytes)),
                        Act::Wait(gate) => gate.wait(),
                        Act::Close => return,
                        Act::Hold => drop(stream.read_to_end(&mut Vec::new())),
                    }
                }
                let _ = stream.get_mut().flush();
            }
        });
        Self { listening, requests }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listening.address
    }

    /// `http://127.0.0.1:port` and a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    pub(crate) fn connections(&self) -> usize {
        self.listening.connections()
    }

    /// What it was asked until now.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The one request that there was.
    #[track_caller]
    pub(crate) fn request(&self) -> Request {
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests[0].clone()
    }
}

/// A whole reply: a status, header lines without their ends, a body of known length.
pub(crate) fn reply(status: u16, headers: &[&str], body: impl AsRef<[u8]>) -> Vec<Act> {
    let body = body.as_ref();
    let length = format!("content-length: {}", body.len());
    let lines: Vec<&str> = headers.iter().copied().chain([length.as_str()]).collect();
    let mut bytes =
        format!("HTTP/1.1 {status} Canned\r\n{}\r\n\r\n", lines.join("\r\n")).into_bytes();
    bytes.extend_from_slice(body);
    vec![Act::Send(bytes)]
}

pub(crate) fn json_reply(status: u16, body: &Value) -> Vec<Act> {
    reply(status, &["content-type: application/json"], body.to_string())
}

/// An error object as OpenAI writes it.
pub(crate) fn failing(status: u16, code: &str, message: &str) -> Vec<Act> {
    let kind = "invalid_request_error";
    json_reply(
        status,
        &json!({"error": {"message": message, "type": kind, "param": null, "code": code}}),
    )
}

/// A chat completion that says this.
pub(crate) fn answer(content: impl Into<Value>) -> Vec<Act> {
    let content: Value = content.into();
    json_reply(
        200,
        &json!({
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "canned-model",
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": content, "refusal": null},
                "logprobs": null,
                "finish_reason": "stop",
            }],
            "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8},
        }),
    )
}

/// A body in chunks.
pub(crate) fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for chunk in body.chunks(size) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

/// Hands bytes on, both ways, until both sides have ended.
pub(crate) fn splice(one: TcpStream, other: TcpStream) {
    let copy = |mut from: TcpStream, mut to: TcpStream| {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Write);
    };
    let (back, forth) = (other.try_clone().unwrap(), one.try_clone().unwrap());
    thread::spawn(move || copy(back, forth));
    copy(one, other);
}
