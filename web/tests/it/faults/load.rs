//! Many callers at once, those who take nothing, and stops in the middle of it all.

use std::io::{BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::callers::health;
use super::provider::{Message, read_message, reset};
use super::reply::{End, Reply, replies};
use super::row::SOON;
use super::state::{Held, wait};
use crate::support::{KEY, PATIENCE, Server, TOKEN, Wire, header, status};

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// How far a held provider has come.
#[derive(Default)]
struct Progress {
    asked: Vec<String>,
    /// Whoever waits may go on.
    is_released: bool,
}

/// A provider that says what it was asked, in two pieces. Before the second, who asks for a `slow` answer waits.
struct Provider {
    url: String,
    progress: Arc<(Mutex<Progress>, Condvar)>,
}

impl Provider {
    fn start() -> Self {
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

    fn server(&self, vars: &[(&str, &str)]) -> Server {
        let usual = [("OPENAI_API_KEY", KEY), ("ASK_TOKEN", TOKEN), ("OPENAI_BASE_URL", &self.url)];
        Server::start(&[&usual[..], vars].concat())
    }

    /// Waits until so many have asked.
    fn wait(&self, count: usize) {
        let (progress, changed) = &*self.progress;
        let is_less = |progress: &mut Progress| progress.asked.len() < count;
        let (progress, waited) =
            changed.wait_timeout_while(progress.lock().unwrap(), PATIENCE, is_less).unwrap();
        assert!(!waited.timed_out(), "{} of {count} have asked", progress.asked.len());
    }

    fn release(&self) {
        self.progress.0.lock().unwrap().is_released = true;
        self.progress.1.notify_all();
    }

    fn asked(&self) -> Vec<String> {
        self.progress.0.lock().unwrap().asked.clone()
    }
}

fn answer(stream: TcpStream, (progress, changed): &(Mutex<Progress>, Condvar)) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut wire = BufReader::new(stream);
    loop {
        let question = question(&read_message(&mut wire)?);
        progress.lock().unwrap().asked.push(question.clone());
        changed.notify_all();
        let wire = wire.get_mut();
        wire.write_all(format!("{HEAD}{}", piece("You said ")).as_bytes())?;
        if question.starts_with("slow") {
            let held =
                changed.wait_while(progress.lock().unwrap(), |progress| !progress.is_released).unwrap();
            drop(held);
        }
        wire.write_all(format!("{}{}0\r\n\r\n", piece(&question), chunk("data: [DONE]\n\n")).as_bytes())?;
    }
}

/// What is asked: the last segment of a path, or the question.
fn question((head, body): &Message) -> String {
    let path = head.split(' ').nth(1).unwrap_or_default();
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let asked = body["messages"][0]["content"].as_str().or(path.rsplit('/').next());
    asked.unwrap_or_default().to_owned()
}

fn piece(text: &str) -> String {
    chunk(&format!("data: {}\n\n", json!({"choices": [{"delta": {"content": text}}]})))
}

fn chunk(bytes: &str) -> String {
    format!("{:x}\r\n{bytes}\r\n", bytes.len())
}

/// A question by way of the proxy, or as server-sent events.
fn ask(question: &str, is_proxied: bool) -> String {
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
fn is_answer(reply: &Reply, question: &str) {
    assert!(reply.status == 200 && reply.is_whole, "{question}: {reply:?}");
    let text = reply.text();
    let says = |part: &str| text.contains(&format!("\"{part}\""));
    assert!(says("You said ") && says(question) && text.ends_with("data: [DONE]\n\n"), "{question}: {text}");
}

/// The one reply that is the rest of what comes.
#[track_caller]
fn rest(wire: &mut Wire) -> Reply {
    let mut replies = replies(wire.rest().as_bytes(), End::Closed).unwrap();
    assert_eq!(replies.len(), 1);
    replies.remove(0)
}

#[test]
fn two_thousand_idle_callers_cost_nobody_an_answer() {
    let limit = rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let count = usize::try_from(limit / 2).unwrap().saturating_sub(200).min(2000);
    let provider = Provider::start();
    let server = provider.server(&[]);
    is_answer(&rest(&mut server.send(&ask("first", true))), "first");
    let (held, peak) = (Held::by(server.id()), peak_memory(&server));

    // Half of them have asked before.
    let connect = |number: usize| {
        let mut idle = TcpStream::connect(server.address).unwrap();
        if number.is_multiple_of(2) {
            idle.write_all(health("idle").replace("close", "keep-alive").as_bytes()).unwrap();
            assert!(idle.read(&mut [0; 4096]).unwrap() > 0);
        }
        idle
    };
    let idle: Vec<TcpStream> = (0..count).map(connect).collect();
    let all_are_in = || Held::by(server.id()).descriptors > count;
    assert!(wait(PATIENCE, all_are_in), "{:?} after {held:?}", Held::by(server.id()));
    for (question, is_proxied) in [("second", true), ("third", false)] {
        let began = Instant::now();
        is_answer(&rest(&mut server.send(&ask(question, is_proxied))), question);
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    }
    let each = (peak_memory(&server) - peak) / count;
    assert!(each < 32 << 10, "{each} bytes for each idle caller");
    drop(idle);
    held.is_back(server.id(), PATIENCE).unwrap();
}

#[test]
fn five_hundred_callers_at_once_get_each_their_own_answer() {
    let provider = Provider::start();
    let server = provider.server(&[]);
    is_answer(&rest(&mut server.send(&ask("first", true))), "first");
    let held = Held::by(server.id());
    let questions: Vec<String> = (0..500).map(|number| format!("slow-{number}")).collect();
    let callers = questions.iter().enumerate();
    let mut wires: Vec<Wire> =
        callers.map(|(number, question)| server.send(&ask(question, number % 2 == 0))).collect();
    provider.wait(1 + wires.len());
    provider.release();
    for (question, wire) in questions.iter().zip(&mut wires) {
        is_answer(&rest(wire), question);
    }
    let mut asked = provider.asked();
    asked.sort_unstable();
    asked.dedup();
    assert_eq!(asked.len(), 501, "each is asked once");
    let lines: Vec<Value> = (0..501).map(|_| server.log()).collect();
    assert!(lines.iter().all(|line| line["status"] == 200 && line["code"].is_null()));
    assert!(server.rest_of_log().is_empty());
    // Some connections to the provider are kept.
    let held = Held { descriptors: held.descriptors + 64, ..held };
    held.is_back(server.id(), PATIENCE).unwrap();
}

/// More than all the buffers of the system on the way hold.
const MUCH: usize = 200 << 20;

/// Sends until nobody takes more, and says how much was taken.
fn flood(wire: &mut TcpStream, part: &[u8]) -> usize {
    wire.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut taken = 0;
    while taken < MUCH {
        match wire.write(part) {
            Ok(written) => taken += written,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    taken
}

#[test]
fn an_upload_that_the_provider_does_not_take_is_held_back_and_ends_with_its_word() {
    let provider = crate::support::Provider::start();
    let server = Server::before(&provider);
    let mut caller = server.connect();
    caller.send(health("first").replace("close", "keep-alive"));
    caller.head();
    let peak = peak_memory(&server);
    let mut caller = server.connect();
    caller.send(crate::support::request("POST /v1/files", &format!("Content-Length: {MUCH}\r\n")));
    let mut asked = provider.accept();
    let taken = flood(&mut caller.stream, &[b'x'; 1 << 16]);
    assert!(taken < MUCH);
    let grown = peak_memory(&server) - peak;
    assert!(grown < 4 << 20, "{grown} bytes more for {taken} bytes");

    asked.send("HTTP/1.1 413 Payload Too Large\r\ncontent-length: 3\r\n\r\nbig");
    let head = caller.head();
    assert_eq!((status(&head), caller.body(&head).as_str()), (413, "big"));
    reset(&caller.stream);
    drop(caller);
    asked.closes_within(PATIENCE);
}

#[test]
fn an_answer_that_the_caller_does_not_take_is_held_back() {
    let event = piece(&"x".repeat(1 << 16));
    for is_proxied in [true, false] {
        let provider = crate::support::Provider::start();
        let server = Server::before(&provider);
        let caller = server.send(&ask("much", is_proxied));
        let mut asked = provider.accept();
        let head = asked.head();
        if !is_proxied {
            asked.body(&head);
        }
        asked.send(format!("{HEAD}{event}"));
        let peak = peak_memory(&server);
        let taken = flood(&mut asked.stream, event.as_bytes());
        assert!(taken < MUCH);
        let grown = peak_memory(&server) - peak;
        assert!(grown < 4 << 20, "{grown} bytes more for {taken} bytes");

        reset(&caller.stream);
        drop(caller);
        asked.closes_within(SOON);
        assert_eq!(server.log()["code"], "caller_left");
    }
}

#[test]
fn a_caller_who_stops_in_the_middle_of_its_question_is_told_when_time_is_over() {
    let provider = Provider::start();
    let server = provider.server(&[("ASK_TIMEOUT", "1")]);
    let request = crate::support::request("POST /ask", "Content-Type: text/plain\r\nContent-Length: 100\r\n");
    for part in ["", "What is"] {
        let began = Instant::now();
        let mut caller = server.send(&format!("{request}{part}"));
        let head = caller.head();
        assert_eq!((status(&head), header(&head, "x-error-code").as_deref()), (504, Some("deadline")));
        caller.body(&head);
        // What would come now is no request.
        caller.send("GET /healthz HTTP/1.1\r\n\r\n");
        assert_eq!(caller.rest(), "");
        assert!(began.elapsed() > Duration::from_millis(950), "{:?}", began.elapsed());
        assert_eq!(server.log()["code"], "deadline");
    }
    assert!(provider.asked().is_empty());
}

#[test]
fn a_caller_who_takes_nothing_is_let_go_when_time_is_over() {
    let event = piece(&"x".repeat(1 << 16));
    let provider = crate::support::Provider::start();
    let server = Server::before_with(&provider, &[("ASK_TIMEOUT", "1")]);
    let caller = server.send(&ask("much", false));
    let mut asked = provider.accept();
    let head = asked.head();
    asked.body(&head);
    asked.send(HEAD);
    assert!(flood(&mut asked.stream, event.as_bytes()) < MUCH);
    // A second for the answer, and one more for who takes it slowly.
    asked.closes_within(Duration::from_secs(2) + SOON);
    assert_eq!(server.log()["code"], "deadline");
    drop(caller);
}

/// The most memory that the server has had so far, in bytes.
fn peak_memory(server: &Server) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}

/// What became of a caller who came while the server was stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    Answered,
    /// Nothing was said: it may ask elsewhere.
    Unanswered,
    Refused,
}

fn come(server: &Server, question: &str) -> Came {
    let Ok(mut wire) = TcpStream::connect(server.address) else { return Came::Refused };
    wire.set_read_timeout(Some(PATIENCE)).unwrap();
    let _ = wire.write_all(ask(question, true).as_bytes());
    let mut bytes = Vec::new();
    match wire.read_to_end(&mut bytes) {
        Ok(_) if !bytes.is_empty() => {
            let replies = replies(&bytes, End::Closed).unwrap();
            is_answer(&replies[0], question);
            Came::Answered
        }
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error}"),
        _ => {
            assert!(bytes.is_empty(), "a part of a reply");
            Came::Unanswered
        }
    }
}

#[test]
fn a_stop_under_load_lets_all_that_runs_end_whole_and_refuses_the_rest() {
    let provider = Provider::start();
    let mut server = provider.server(&[]);
    let questions: Vec<String> = (0..50).map(|number| format!("slow-{number}")).collect();
    let callers = questions.iter().enumerate();
    let mut wires: Vec<Wire> =
        callers.map(|(number, question)| server.send(&ask(question, number % 2 == 0))).collect();
    provider.wait(wires.len());

    let came = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for one in 0..4 {
            let (server, came) = (&server, &came);
            scope.spawn(move || {
                for number in 0.. {
                    let question = format!("quick-{one}-{number}");
                    let what = come(server, &question);
                    came.lock().unwrap().push((question, what));
                    if what == Came::Refused {
                        break;
                    }
                }
            });
        }
        assert!(wait(PATIENCE, || came.lock().unwrap().len() > 20));
        server.terminate();
    });
    // All have been refused in the end, and those before are still waiting.
    let began = Instant::now();
    provider.release();
    for (question, wire) in questions.iter().zip(&mut wires) {
        is_answer(&rest(wire), question);
    }
    assert!(server.wait().success());
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());

    let came = came.into_inner().unwrap();
    let asked = provider.asked();
    for (question, what) in &came {
        assert_eq!(asked.contains(question), *what == Came::Answered, "{question} was {what:?}");
    }
    let answered = came.iter().filter(|(_, what)| *what == Came::Answered).count();
    let lines = server.rest_of_log();
    assert_eq!(lines.iter().filter(|line| line.contains("\"status\":200")).count(), 50 + answered);
}

#[test]
fn a_stop_answers_who_is_in_the_queue() {
    let provider = Provider::start();
    let mut server = provider.server(&[]);
    // It is stopped for good while it stands still, and so finds both at once.
    server.signal("STOP");
    let questions = ["one", "two", "three"];
    let mut wires = questions.map(|question| server.send(&ask(question, true)));
    server.terminate();
    server.signal("CONT");
    for (question, wire) in questions.iter().zip(&mut wires) {
        is_answer(&rest(wire), question);
    }
    assert!(server.wait().success());
}

#[test]
fn a_stop_breaks_off_what_does_not_end() {
    let provider = Provider::start();
    let mut server = provider.server(&[("ASK_DRAIN", "1")]);
    let mut wires: Vec<Wire> = [true, false].map(|is_proxied| server.send(&ask("slow", is_proxied))).into();
    provider.wait(wires.len());
    for wire in &mut wires {
        assert_eq!(status(&wire.head()), 200);
        wire.chunk();
    }
    let began = Instant::now();
    server.terminate();
    assert!(server.wait().success());
    let took = began.elapsed();
    assert!(took > Duration::from_millis(950) && took < Duration::from_secs(1) + SOON, "{took:?}");
    for wire in &mut wires {
        assert_eq!(wire.rest(), "", "an end as if it were whole");
    }
    let lines = [server.log(), server.log()];
    assert!(lines.iter().all(|line| line["status"] == 200 && line["code"].is_string()), "{lines:?}");
}
