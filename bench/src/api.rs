//! A runtime API in as few steps as there can be: SCF's calls and AWS Lambda's, told apart by their paths. It hands
//! events out when told to, one at a time, and takes the time from an event out to its reply in.

use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::http::{Connection, reply};

/// A function that is silent for so long has gone.
const SILENCE: Duration = Duration::from_secs(60);

/// A Function URL's event (document 583/96099), with the headers that a browser sends.
const EVENT: &str = r#"{"body":"","headers":{"accept":"*/*","accept-encoding":"gzip, deflate, br","accept-language":"en;q=0.9","host":"1300000000-abcdefgh12.ap-singapore.tencentscf.com","user-agent":"curl/8.5.0","x-scf-remote-addr":"203.0.113.7"},"httpMethod":"GET","path":"/","queryString":{"question":"What is Rust?"}}"#;

/// The runtime API of one function.
pub(crate) struct Api {
    pub(crate) port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Events that may still go out.
    left: usize,
    /// Since when the function has been waiting for an event.
    waiting: Option<Instant>,
    sent: Option<Instant>,
    times: Vec<Duration>,
    failed: usize,
    closed: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Api {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let shared = Arc::<Shared>::default();
        let mine = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if mine.state().closed {
                    break;
                }
                let shared = mine.clone();
                thread::spawn(move || serve(stream, &shared));
            }
        });
        Ok(Self { port, shared })
    }

    /// Waits until the function asks for an event, and returns when it did.
    pub(crate) fn first_next(&self) -> anyhow::Result<Instant> {
        self.wait(|state| state.waiting)
    }

    /// Has so many events answered, one after the other, and returns how long each took.
    pub(crate) fn round(&self, events: usize) -> anyhow::Result<Vec<Duration>> {
        self.first_next()?;
        let mut state = self.shared.state();
        (state.left, state.waiting) = (events, None);
        state.times = Vec::with_capacity(events);
        drop(state);
        self.shared.changed.notify_all();
        self.wait(|state| state.waiting.filter(|_| state.left == 0))?;
        let mut state = self.shared.state();
        ensure!(state.failed == 0, "the function failed {} times", state.failed);
        let times = std::mem::take(&mut state.times);
        ensure!(times.len() == events, "{} replies to {events} events", times.len());
        Ok(times)
    }

    fn wait<T>(&self, ready: impl Fn(&State) -> Option<T>) -> anyhow::Result<T> {
        let (state, _) = self
            .shared
            .changed
            .wait_timeout_while(self.shared.state(), SILENCE, |state| ready(state).is_none())
            .unwrap_or_else(PoisonError::into_inner);
        ready(&state).ok_or_else(|| anyhow::anyhow!("the function is silent"))
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.shared.state().closed = true;
        self.shared.changed.notify_all();
        // The listener looks up at the next connection.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn serve(stream: TcpStream, shared: &Shared) {
    let _ = stream.set_nodelay(true);
    let mut connection = Connection::new(stream);
    let taken = reply("200 OK", "", b"{}");
    let event = reply(
        "200 OK",
        "request_id: 5b9ea1c4-3e1f-4f6c-8d5b-0242ac110002\r\nmemory_limit_in_mb: 128\r\ntime_limit_in_ms: 60000\r\n\
         Lambda-Runtime-Aws-Request-Id: 5b9ea1c4-3e1f-4f6c-8d5b-0242ac110002\r\n\
         Lambda-Runtime-Deadline-Ms: 4000000000000\r\n\
         Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:1:function:ask\r\n",
        EVENT.as_bytes(),
    );
    loop {
        let Ok(Some((line, body))) = connection.request() else { return };
        let sent = match line.split(' ').nth(1).and_then(|path| path.rsplit('/').next()) {
            Some("next") => {
                if !may_go(shared) {
                    return;
                }
                connection.reply(&event)
            }
            Some("response") => {
                let mut state = shared.state();
                let time = state.sent.take().map(|sent| sent.elapsed()).unwrap_or_default();
                // Every reply carries the answer; one that does not is none.
                match body.windows(7).any(|window| window == b"Rust is") {
                    true => state.times.push(time),
                    false => state.failed += 1,
                }
                drop(state);
                connection.reply(&taken)
            }
            Some("error") => {
                shared.state().failed += 1;
                connection.reply(&taken)
            }
            _ => connection.reply(&taken),
        };
        if sent.is_err() {
            return;
        }
    }
}

/// Holds the call until an event may go out; false where none will.
fn may_go(shared: &Shared) -> bool {
    let mut state = shared.state();
    if state.left == 0 {
        state.waiting = Some(Instant::now());
        shared.changed.notify_all();
    }
    let mut state = shared
        .changed
        .wait_while(state, |state| state.left == 0 && !state.closed)
        .unwrap_or_else(PoisonError::into_inner);
    if state.closed {
        return false;
    }
    state.left -= 1;
    state.waiting = None;
    state.sent = Some(Instant::now());
    true
}
