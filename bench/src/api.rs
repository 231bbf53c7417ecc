//! A runtime API in as few steps as there can be: SCF's calls and AWS Lambda's, told apart by their paths. It hands
//! events out when told to, one at a time, and takes the time from an event out to its reply in.

use std::borrow::Cow;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::http::{Connection, find, reply};

/// A function that is silent for so long has gone.
const SILENCE: Duration = Duration::from_secs(60);

/// A Function URL's event (document 583/96099), with the headers that a browser sends.
const EVENT: &str = r#"{"body":"","headers":{"accept":"*/*","accept-encoding":"gzip, deflate, br","accept-language":"en;q=0.9","host":"1300000000-abcdefgh12.ap-singapore.tencentscf.com","user-agent":"curl/8.5.0","x-scf-remote-addr":"203.0.113.7"},"httpMethod":"GET","path":"/","queryString":{"question":"What is Rust?"}}"#;

/// What goes out, and what is right to come back.
#[derive(Clone, Copy)]
pub(crate) struct Script {
    /// The reply to `next` that holds the event of this number.
    pub(crate) event: fn(usize) -> Cow<'static, [u8]>,
    /// Whether this is the reply to the event of this number.
    pub(crate) is_right: fn(usize, &[u8]) -> bool,
}

/// The same event each time. Every reply carries the answer; one that does not is none.
const SAME: Script = Script {
    event: |_| {
        static EVENT_OUT: LazyLock<Vec<u8>> =
            LazyLock::new(|| event("5b9ea1c4-3e1f-4f6c-8d5b-0242ac110002", 60_000, EVENT));
        Cow::Borrowed(&EVENT_OUT)
    },
    is_right: |_, body| find(body, b"Rust is").is_some(),
};

/// An event as the reply to `next`, with the id of its request and its time limit in milliseconds.
pub(crate) fn event(request_id: &str, limit: usize, event: &str) -> Vec<u8> {
    let headers = format!(
        "request_id: {request_id}\r\nmemory_limit_in_mb: 128\r\ntime_limit_in_ms: {limit}\r\n\
         Lambda-Runtime-Aws-Request-Id: {request_id}\r\nLambda-Runtime-Deadline-Ms: 4000000000000\r\n\
         Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:1:function:ask\r\n"
    );
    reply("200 OK", &headers, event.as_bytes())
}

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
    /// The event that is out, and since when.
    out: Option<(usize, Instant)>,
    /// How many events have gone out.
    sent: usize,
    times: Vec<Duration>,
    /// What was wrong.
    wrong: Vec<String>,
    closed: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Api {
    /// Hands out the same event again and again.
    pub(crate) fn start() -> anyhow::Result<Self> {
        Self::with(SAME)
    }

    pub(crate) fn with(script: Script) -> anyhow::Result<Self> {
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
                thread::spawn(move || serve(stream, &shared, script));
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
        let wrong = std::mem::take(&mut state.wrong);
        ensure!(wrong.is_empty(), "{} wrong replies, the first: {}", wrong.len(), wrong[0]);
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

fn serve(stream: TcpStream, shared: &Shared, script: Script) {
    let _ = stream.set_nodelay(true);
    let mut connection = Connection::new(stream);
    let taken = reply("200 OK", "", b"{}");
    loop {
        let Ok(Some((line, body))) = connection.request() else { return };
        let call = line.split(' ').nth(1).and_then(|path| path.rsplit('/').next());
        let sent = match call {
            Some("next") => match may_go(shared) {
                Some(number) => connection.reply(&(script.event)(number)),
                None => return,
            },
            Some("response" | "error") => {
                let mut state = shared.state();
                match state.out.take().map(|(number, sent)| (number, sent.elapsed())) {
                    Some((number, time))
                        if call == Some("response") && (script.is_right)(number, body) =>
                    {
                        state.times.push(time);
                    }
                    out => {
                        let number = out.map(|(number, _)| number);
                        state.wrong.push(format!(
                            "to {number:?}: {line} {}",
                            String::from_utf8_lossy(body)
                        ));
                    }
                }
                drop(state);
                connection.reply(&taken)
            }
            _ => connection.reply(&taken),
        };
        if sent.is_err() {
            return;
        }
    }
}

/// Holds the call until an event may go out, and tells its number; nothing where none will.
fn may_go(shared: &Shared) -> Option<usize> {
    let mut state = shared.state();
    if let Some((number, _)) = state.out.take() {
        state.wrong.push(format!("to {number}: none"));
    }
    if state.left == 0 {
        state.waiting = Some(Instant::now());
        shared.changed.notify_all();
    }
    let mut state = shared
        .changed
        .wait_while(state, |state| state.left == 0 && !state.closed)
        .unwrap_or_else(PoisonError::into_inner);
    if state.closed {
        return None;
    }
    let number = state.sent;
    state.left -= 1;
    state.sent += 1;
    state.waiting = None;
    state.out = Some((number, Instant::now()));
    Some(number)
}
