//! A provider that says what it was asked, and holds the end back where that is wanted.

use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use serde_json::{Value, json};

use super::provider::{Message, read_message};
use super::reply::{End, Reply, replies};
use crate::support::{KEY, PATIENCE, Server, TOKEN, Wire};

/// The head of an answer.
pub(crate) const HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// How far a held provider has come.
#[derive(Default)]
struct Progress {
    asked: Vec<String>,
    /// Whoever waits may go on.
    is_released: bool,
}

/// A provider that says what it was asked, in two pieces. Before the second, who asks for a `slow` answer waits.
pub(crate) struct Provider {
    url: String,
    progress: Arc<(Mutex<Progress>, Condvar)>,
}

impl Provider {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let progress = Arc::<(Mutex<Progress>, Condvar)>::default();
        let of_each = progress.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let progress = of_each.clone();
                // Where the other end goes, there is nothing to do.
                thread::spawn(move || drop(answer(stream, &progress)));
            }
        });
        Self { url, progress }
    }

    pub(crate) fn server(&self, vars: &[(&str, &str)]) -> Server {
        let usual = [("OPENAI_API_KEY", KEY), ("ASK_TOKEN", TOKEN), ("OPENAI_BASE_URL", &self.url)];
        Server::start(&[&usual[..], vars].concat())
    }

    /// Waits until so many have asked.
    pub(crate) fn wait(&self, count: usize) {
        let (progress, changed) = &*self.progress;
        let is_less = |progress: &mut Progress| progress.asked.len() < count;
        let (progress, waited) =
            changed.wait_timeout_while(progress.lock().unwrap(), PATIENCE, is_less).unwrap();
        assert!(!waited.timed_out(), "{} of {count} have asked", progress.asked.len());
    }

    pub(crate) fn release(&self) {
        self.progress.0.lock().unwrap().is_released = true;
        self.progress.1.notify_all();
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.progress.0.lock().unwrap().asked.clone()
    }
}

fn answer(
    stream: TcpStream,
    (progress, changed): &(Mutex<Progress>, Condvar),
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut wire = BufReader::new(stream);
    loop {
        let question = question(&read_message(&mut wire)?);
        progress.lock().unwrap().asked.push(question.clone());
        changed.notify_all();
        let wire = wire.get_mut();
        wire.write_all(format!("{HEAD}{}", piece("You said ")).as_bytes())?;
        if question.starts_with("slow") {
            let held = changed
                .wait_while(progress.lock().unwrap(), |progress| !progress.is_released)
                .unwrap();
            drop(held);
        }
        wire.write_all(
            format!("{}{}0\r\n\r\n", piece(&question), chunk("data: [DONE]\n\n")).as_bytes(),
        )?;
    }
}

/// What is asked: the last segment of a path, or the question.
fn question((head, body): &Message) -> String {
    let path = head.split(' ').nth(1).unwrap_or_default();
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let asked = body["messages"][0]["content"].as_str().or(path.rsplit('/').next());
    asked.unwrap_or_default().to_owned()
}

pub(crate) fn piece(text: &str) -> String {
    chunk(&format!("data: {}\n\n", json!({"choices": [{"delta": {"content": text}}]})))
}

fn chunk(bytes: &str) -> String {
    format!("{:x}\r\n{bytes}\r\n", bytes.len())
}

/// A question by way of the proxy, or as server-sent events.
pub(crate) fn ask(question: &str, is_proxied: bool) -> String {
    let target = match is_proxied {
        true => format!("/v1/{question}"),
        false => format!("/ask?format=sse&q={question}"),
    };
    format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n"
    )
}

/// The whole answer to this question, and nothing else.
#[track_caller]
pub(crate) fn is_answer(reply: &Reply, question: &str) {
    assert!(reply.status == 200 && reply.is_whole, "{question}: {reply:?}");
    let text = reply.text();
    let says = |part: &str| text.contains(&format!("\"{part}\""));
    assert!(
        says("You said ") && says(question) && text.ends_with("data: [DONE]\n\n"),
        "{question}: {text}"
    );
}

/// The one reply that is the rest of what comes.
#[track_caller]
pub(crate) fn rest(wire: &mut Wire) -> Reply {
    let mut replies = replies(wire.rest().as_bytes(), End::Closed).unwrap();
    assert_eq!(replies.len(), 1);
    replies.remove(0)
}
