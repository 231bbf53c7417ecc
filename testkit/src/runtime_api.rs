//! The platform's runtime API: `ready`, `next`, `response` and `error`, and what can fail there.
//!
//! It speaks SCF's protocol, and AWS Lambda's, whose paths end in the same segments.
//! An event stays the next one until a reply or an error is accepted for it.
//!
//! ```
//! use testkit::runtime_api::{Event, RuntimeApi};
//! use testkit::Wire;
//!
//! let api = RuntimeApi::start();
//! api.offer(Event::new("id-1", b"{}"));
//! let mut function = Wire::connect(api.address());
//! function.send("GET /runtime/invocation/next HTTP/1.1\r\n\r\n");
//! assert_eq!(function.response().header("request_id"), Some("id-1"));
//! function.send("POST /runtime/invocation/response HTTP/1.1\r\nContent-Length: 2\r\n\r\nok");
//! function.response();
//! function.send("GET /runtime/invocation/next HTTP/1.1\r\n\r\n");
//! let idle = api.wait_until_idle().unwrap();
//! assert_eq!(idle.posts[0].body, b"ok");
//! ```

use std::collections::VecDeque;
use std::io::{self, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::endpoint::{self, unique_ip};
pub use crate::runtime_fault::{ERROR, Fault, RESPONSE};
use crate::{Disconnect, Endpoint, Request};

/// The path on which a function posts that it is ready.
pub const READY: &str = "/runtime/init/ready";
/// The path on which a function asks for an event.
pub const NEXT: &str = "/runtime/invocation/next";

/// Maximum wait for a function.
const LIMIT: Duration = Duration::from_secs(60);

/// An event, ready to be sent.
#[derive(Clone)]
pub struct Event(Arc<[u8]>);

impl Event {
    /// Makes an event with a time limit of 60 s.
    pub fn new(request_id: &str, body: impl AsRef<[u8]>) -> Self {
        Self::with_limit(request_id, Duration::from_secs(60), body)
    }

    /// Makes an event with this time limit.
    pub fn with_limit(request_id: &str, limit: Duration, body: impl AsRef<[u8]>) -> Self {
        let limit = limit.as_millis();
        Self::with_headers(
            &[&format!("request_id: {request_id}"), &format!("time_limit_in_ms: {limit}")],
            body,
        )
    }

    /// Makes an event with these headers and no others.
    pub fn with_headers(headers: &[&str], body: impl AsRef<[u8]>) -> Self {
        Self(crate::http::response(200, headers, body).into())
    }
}

/// A call with a body: `ready`, a reply, or an error.
#[derive(Debug)]
pub struct Post {
    /// The path of the call.
    pub path: String,
    /// The body of the call.
    pub body: Vec<u8>,
    /// The time since the event was handed out.
    pub after: Duration,
}

impl Post {
    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        crate::http::parse_json(&self.body)
    }
}

/// The state in which a function waits and all events are done.
#[derive(Debug)]
pub struct Idle {
    /// The time of the call that waits.
    pub since: Instant,
    /// All posts since the last offer or the last wait.
    pub posts: Vec<Post>,
    /// The number of events handed out in that time, repetitions included.
    pub handed_out: usize,
}

/// The runtime API of one function. It ends with the value.
pub struct RuntimeApi {
    endpoint: Endpoint,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    offered: Condvar,
    handed_out: Condvar,
    idle: Condvar,
}

struct State {
    fault: Fault,
    /// The first one is out if `handed_out_at` is set.
    events: VecDeque<Event>,
    handed_out_at: Option<Instant>,
    handed_out: usize,
    posts: Vec<Post>,
    /// Calls that wait for an event, and the time of the last of them.
    waiting: usize,
    waiting_since: Option<Instant>,
    disconnects: usize,
}

impl Default for State {
    fn default() -> Self {
        Self {
            fault: Fault::None,
            events: VecDeque::new(),
            handed_out_at: None,
            handed_out: 0,
            posts: Vec::new(),
            waiting: 0,
            waiting_since: None,
            disconnects: 0,
        }
    }
}

impl State {
    fn is_idle(&self) -> bool {
        self.events.is_empty() && self.waiting > 0
    }
}

impl RuntimeApi {
    /// Listens on a free port of 127.0.0.1.
    pub fn start() -> Self {
        Self::start_on(Ipv4Addr::LOCALHOST.into())
    }

    /// Listens on an address of its own (Linux), which stays its own while it refuses.
    pub fn start_unique() -> Self {
        Self::start_on(unique_ip())
    }

    fn start_on(ip: IpAddr) -> Self {
        let shared = Arc::<Shared>::default();
        let serving = shared.clone();
        // A function that has ended is no failure.
        let endpoint =
            Endpoint::start_on(ip, move |endpoint, stream| drop(serving.serve(endpoint, stream)));
        Self { endpoint, shared }
    }

    /// The value of `SCF_RUNTIME_API`; `SCF_RUNTIME_API_PORT` may be its port.
    pub fn address(&self) -> SocketAddr {
        self.endpoint.address()
    }

    /// Lets this fail at the next opportunity.
    pub fn set_fault(&self, fault: Fault) {
        self.shared.lock().fault = fault;
    }

    /// Accepts connections again.
    pub fn resume(&self) {
        self.endpoint.resume();
    }

    /// Refuses connections from now on.
    pub fn refuse(&self) {
        self.endpoint.refuse();
    }

    /// Closes all connections, one that waits for an event included.
    pub fn disconnect(&self) {
        self.shared.lock().disconnects += 1;
        self.shared.offered.notify_all();
        self.endpoint.disconnect();
    }

    /// Offers an event after those that are not done, and drops all earlier posts.
    pub fn offer(&self, event: Event) {
        self.offer_all([event]);
    }

    /// Offers several events.
    pub fn offer_all(&self, events: impl IntoIterator<Item = Event>) {
        let mut state = self.shared.lock();
        state.events.extend(events);
        state.posts.clear();
        state.handed_out = 0;
        self.shared.offered.notify_all();
    }

    /// Waits until an event is out, and returns since when.
    ///
    /// # Errors
    ///
    /// The event was not handed out within a minute.
    pub fn wait_until_handed_out(&self) -> io::Result<Instant> {
        let state =
            self.shared.wait(&self.shared.handed_out, |state| state.handed_out_at.is_some());
        Ok(state?.handed_out_at.expect("an event that is out"))
    }

    /// Waits until no event is left and the function asks for one.
    ///
    /// # Errors
    ///
    /// That did not come within a minute.
    pub fn wait_until_idle(&self) -> io::Result<Idle> {
        let mut state = self.shared.wait(&self.shared.idle, State::is_idle)?;
        let since = state.waiting_since.expect("a call that waits");
        let posts = std::mem::take(&mut state.posts);
        Ok(Idle { since, posts, handed_out: std::mem::take(&mut state.handed_out) })
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.refuse();
        self.disconnect();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn wait(
        &self,
        changed: &Condvar,
        is_reached: impl Fn(&State) -> bool,
    ) -> io::Result<MutexGuard<'_, State>> {
        let waited = changed.wait_timeout_while(self.lock(), LIMIT, |state| !is_reached(state));
        let (state, waited) = waited.unwrap();
        if waited.timed_out() {
            let State { events, handed_out, posts, .. } = &*state;
            let (events, posts) = (events.len(), posts.len());
            return Err(io::Error::other(format!(
                "the function is stuck: {events} events left, {handed_out} handed out, {posts} posts"
            )));
        }
        Ok(state)
    }

    /// Returns the fault and removes it, if it is one of these.
    fn strike(&self, faults: &[Fault]) -> Fault {
        let fault = &mut self.lock().fault;
        match faults.contains(fault) {
            true => std::mem::replace(fault, Fault::None),
            false => Fault::None,
        }
    }

    fn serve(&self, endpoint: &endpoint::Shared, stream: &TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream);
        while let Some(request) = Request::read(&mut reader) {
            let is_kept = match request.target().rsplit('/').next() {
                Some("next") => self.next(endpoint, stream)?,
                Some("response" | "error") => self.post(endpoint, stream, request)?,
                _ => {
                    self.record(request);
                    self.confirm(endpoint, stream)?
                }
            };
            if !is_kept || self.lock().fault == Fault::CloseAlways {
                break;
            }
        }
        Ok(())
    }

    /// Hands the event out once there is one. Returns whether the connection is kept, as the
    /// functions below do.
    fn next(&self, endpoint: &endpoint::Shared, mut stream: &TcpStream) -> io::Result<bool> {
        let mut state = self.lock();
        let disconnects = state.disconnects;
        state.waiting += 1;
        state.waiting_since = Some(Instant::now());
        if state.is_idle() {
            self.idle.notify_all();
        }
        let has_none =
            |state: &mut State| state.events.is_empty() && state.disconnects == disconnects;
        let mut state = self.offered.wait_while(state, has_none).unwrap();
        state.waiting -= 1;
        let event = state.events.front().cloned().filter(|_| state.disconnects == disconnects);
        drop(state);
        let Some(Event(event)) = event else { return Ok(false) };
        match self.strike(&[Fault::ResetNext, Fault::FailNext, Fault::CutNext]) {
            Fault::FailNext => return self.send(stream, &plain(500)),
            Fault::CutNext => {
                stream.write_all(&event[..event.len() - 9])?;
                return Ok(false);
            }
            Fault::ResetNext => {
                Disconnect::Reset.apply(stream);
                return Ok(false);
            }
            _ => {}
        }
        // Noted before the last byte is sent: the reply may come at once.
        let mut state = self.lock();
        state.handed_out_at = Some(Instant::now());
        state.handed_out += 1;
        drop(state);
        self.handed_out.notify_all();
        match self.strike(&[Fault::RefuseResponse]) {
            Fault::None => self.send(stream, &event),
            _ => self.send_last(endpoint, stream, &event),
        }
    }

    fn record(&self, request: Request) {
        let mut state = self.lock();
        let after = state.handed_out_at.map_or(Duration::ZERO, |at| at.elapsed());
        let path = request.target().to_owned();
        state.posts.push(Post { path, body: request.body, after });
    }

    /// Takes a reply or an error.
    fn post(
        &self,
        endpoint: &endpoint::Shared,
        stream: &TcpStream,
        request: Request,
    ) -> io::Result<bool> {
        self.record(request);
        match self.strike(&[Fault::RejectResponse, Fault::FailResponse, Fault::Redeliver]) {
            Fault::RejectResponse => return self.send(stream, &plain(413)),
            Fault::FailResponse => return self.send(stream, &plain(500)),
            Fault::Redeliver => return self.confirm(endpoint, stream),
            _ => {}
        }
        let mut state = self.lock();
        if state.handed_out_at.take().is_some() {
            state.events.pop_front();
        }
        drop(state);
        if self.strike(&[Fault::ResetResponse]) == Fault::ResetResponse {
            Disconnect::Reset.apply(stream);
            return Ok(false);
        }
        self.confirm(endpoint, stream)
    }

    fn confirm(&self, endpoint: &endpoint::Shared, stream: &TcpStream) -> io::Result<bool> {
        match self.strike(&[Fault::RefuseNext]) {
            Fault::None => self.send(stream, &plain(200)),
            _ => self.send_last(endpoint, stream, &plain(200)),
        }
    }

    fn send(&self, mut stream: &TcpStream, bytes: &[u8]) -> io::Result<bool> {
        let is_slow = self.lock().fault == Fault::Slow;
        let size = if is_slow { (bytes.len() / 50).max(1) } else { bytes.len() };
        bytes.chunks(size).try_for_each(|piece| stream.write_all(piece))?;
        Ok(true)
    }

    /// Refuses connections, and sends the last reply on this one.
    fn send_last(
        &self,
        endpoint: &endpoint::Shared,
        stream: &TcpStream,
        bytes: &[u8],
    ) -> io::Result<bool> {
        endpoint.refuse();
        // The announced close makes the next call connect again.
        let line = crate::http::find(bytes, b"\r\n").expect("a status line") + 2;
        let bytes = [&bytes[..line], b"connection: close\r\n", &bytes[line..]].concat();
        self.send(stream, &bytes)?;
        Ok(false)
    }
}

fn plain(status: u16) -> Vec<u8> {
    crate::http::response(status, &[], "ok")
}
