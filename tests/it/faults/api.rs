//! A runtime API that hands out one event at a time, keeps what is posted, and is well but for one fault.

use std::io::{self, BufReader, Write};
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::door::{Door, End};
use super::platform::Platform;
use crate::support::Request;

const NEXT: &str = "/runtime/invocation/next";
pub(super) const RESPONSE: &str = "/runtime/invocation/response";
pub(super) const ERROR: &str = "/runtime/invocation/error";

/// Longer than anything takes that ends at all.
pub(super) const LONG: Duration = Duration::from_secs(30);

/// The platform's side of one function. It ends with this value.
pub(super) struct Api {
    door: Arc<Door>,
    shared: Arc<Shared>,
}

/// What the function has posted for an event.
pub(super) struct Post {
    pub(super) path: String,
    pub(super) body: Vec<u8>,
    /// Since the event was handed out.
    pub(super) after: Duration,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// What is still to go wrong.
    fault: Option<Platform>,
    event: Option<Event>,
    /// When the event was handed out, lately.
    handed: Option<Instant>,
    posts: Vec<Post>,
    /// So many calls wait for an event.
    waiting: usize,
    /// How often all connections were closed.
    hung_up: usize,
}

#[derive(Clone)]
struct Event {
    headers: String,
    body: Vec<u8>,
}

impl Api {
    pub(super) fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let serving = shared.clone();
        // A function that has gone is nobody's trouble.
        let door = Door::new(move |door, stream| drop(serving.serve(door, stream)));
        Self { door, shared }
    }

    pub(super) fn host_and_port(&self) -> (String, String) {
        (self.door.address.ip().to_string(), self.door.address.port().to_string())
    }

    /// This goes wrong the next time that it can.
    pub(super) fn fall_ill(&self, fault: Platform) {
        self.shared.lock().fault = Some(fault);
    }

    pub(super) fn recover(&self) {
        self.shared.lock().fault = None;
    }

    /// Listens again.
    pub(super) fn open(&self) {
        self.door.open();
    }

    /// Refuses whoever comes.
    pub(super) fn shut(&self) {
        self.door.shut();
    }

    /// Closes all connections, that which waits for an event included.
    pub(super) fn hang_up(&self) {
        self.shared.lock().hung_up += 1;
        self.shared.changed.notify_all();
        self.door.hang_up();
    }

    /// Lays an event out for whoever asks.
    pub(super) fn offer(&self, id: &str, limit: Duration, body: Vec<u8>) {
        let headers = format!("request_id: {id}\r\ntime_limit_in_ms: {}\r\n", limit.as_millis());
        let mut state = self.shared.lock();
        state.event = Some(Event { headers, body });
        state.handed = None;
        state.posts.clear();
        self.shared.changed.notify_all();
    }

    /// Waits until the event has been handed out.
    pub(super) fn handed(&self) -> Result<Instant> {
        let state = self.shared.until(|state| state.handed.is_some())?;
        state.handed.context("the event is not handed out")
    }

    /// Waits until the function has nothing to do but to wait for an event, and takes what it has posted until then.
    pub(super) fn settled(&self) -> Result<Vec<Post>> {
        let mut state = self.shared.until(|state| state.event.is_none() && state.waiting > 0)?;
        Ok(std::mem::take(&mut state.posts))
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.shut();
        self.hang_up();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn until(&self, is_so: impl Fn(&State) -> bool) -> Result<MutexGuard<'_, State>> {
        let waited = self.changed.wait_timeout_while(self.lock(), LONG, |state| !is_so(state));
        let (state, waited) = waited.unwrap();
        let handed = if state.handed.is_some() { "handed out" } else { "not handed out" };
        ensure!(!waited.timed_out(), "stuck: an event {handed}, {} posts", state.posts.len());
        Ok(state)
    }

    /// Whether one of these is to go wrong; then it does now.
    fn strikes(&self, faults: &[Platform]) -> Option<Platform> {
        self.lock().fault.take_if(|fault| faults.contains(fault))
    }

    fn serve(&self, door: &Door, stream: &TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream);
        while let Some(request) = Request::read(&mut reader) {
            let is_kept = match request.target() {
                NEXT => self.next(door, stream)?,
                path @ (RESPONSE | ERROR) => {
                    self.post(door, stream, path.to_owned(), request.body)?
                }
                _ => self.take(door, stream)?,
            };
            if !is_kept || self.lock().fault == Some(Platform::ClosesAlways) {
                break;
            }
        }
        Ok(())
    }

    /// Hands the event out once there is one. Tells whether the connection is kept, as the others do.
    fn next(&self, door: &Door, mut stream: &TcpStream) -> io::Result<bool> {
        let mut state = self.lock();
        let hung_up = state.hung_up;
        state.waiting += 1;
        self.changed.notify_all();
        let is_idle = |state: &mut State| state.event.is_none() && state.hung_up == hung_up;
        let mut state = self.changed.wait_while(state, is_idle).unwrap();
        state.waiting -= 1;
        let event = state.event.clone().filter(|_| state.hung_up == hung_up);
        drop(state);
        let Some(event) = event else { return Ok(false) };
        match self.strikes(&[Platform::ResetsNext, Platform::FailsNext, Platform::CutsNext]) {
            Some(Platform::FailsNext) => self.say(stream, "500 Canned", "", b"no"),
            Some(Platform::CutsNext) => {
                let whole = answer("200 OK", &event.headers, &event.body);
                stream.write_all(&whole[..whole.len() - 9])?;
                Ok(false)
            }
            Some(_) => {
                End::Resets.of(stream, &mut io::empty());
                Ok(false)
            }
            None => {
                // Noted before the last byte has gone, lest the reply be there first.
                self.lock().handed = Some(Instant::now());
                self.changed.notify_all();
                if self.strikes(&[Platform::RefusesReply]).is_some() {
                    return self.say_last(door, stream, &event.headers, &event.body);
                }
                self.say(stream, "200 OK", &event.headers, &event.body)
            }
        }
    }

    /// Takes a reply or a report.
    fn post(
        &self,
        door: &Door,
        stream: &TcpStream,
        path: String,
        body: Vec<u8>,
    ) -> io::Result<bool> {
        let mut state = self.lock();
        let after = state.handed.map_or(Duration::ZERO, |handed| handed.elapsed());
        state.posts.push(Post { path, body, after });
        drop(state);
        match self.strikes(&[Platform::RejectsReply, Platform::FailsReply, Platform::HandsTwice]) {
            Some(Platform::RejectsReply) => return self.say(stream, "413 Canned", "", b"no"),
            Some(Platform::FailsReply) => return self.say(stream, "500 Canned", "", b"no"),
            Some(_) => return self.take(door, stream),
            None => {}
        }
        self.lock().event = None;
        if self.strikes(&[Platform::TakesAndResets]).is_some() {
            End::Resets.of(stream, &mut io::empty());
            return Ok(false);
        }
        self.take(door, stream)
    }

    /// Says that a call is well.
    fn take(&self, door: &Door, stream: &TcpStream) -> io::Result<bool> {
        match self.strikes(&[Platform::RefusesNext]) {
            Some(_) => self.say_last(door, stream, "", b"ok"),
            None => self.say(stream, "200 OK", "", b"ok"),
        }
    }

    /// Answers a call, at once or in some fifty pieces.
    fn say(
        &self,
        mut stream: &TcpStream,
        status: &str,
        headers: &str,
        body: &[u8],
    ) -> io::Result<bool> {
        let bytes = answer(status, headers, body);
        let is_slow = self.lock().fault == Some(Platform::Slow);
        let size = if is_slow { (bytes.len() / 50).max(1) } else { bytes.len() };
        bytes.chunks(size).try_for_each(|piece| stream.write_all(piece))?;
        Ok(true)
    }

    /// Answers a call, after which nobody listens any more.
    fn say_last(
        &self,
        door: &Door,
        stream: &TcpStream,
        headers: &str,
        body: &[u8],
    ) -> io::Result<bool> {
        door.shut();
        // So that the next call needs another connection for sure.
        self.say(stream, "200 OK", &format!("connection: close\r\n{headers}"), body)?;
        Ok(false)
    }
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}
