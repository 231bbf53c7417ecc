//! Many clients at once, and peers that send or read nothing.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use testkit::process::memory;
use testkit::{Resources, chat};

use crate::echo::{Echo, ask, assert_rest_answers};
use crate::support::*;

/// Maximum wait for an answer, and for a close: one second is promised, and one is for a busy
/// machine.
const SOON: Duration = Duration::from_secs(2);

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// The peak memory of the app so far, in kB.
fn peak_memory(app: &Instance) -> usize {
    memory(app.id(), "VmHWM").unwrap()
}

#[test]
fn two_thousand_idle_clients_delay_no_answer() {
    let limit = rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let count = usize::try_from(limit / 2).unwrap().saturating_sub(200).min(2000);
    let echo = Echo::start();
    let app = echo.app().start();
    assert_rest_answers(&mut app.send(&ask("first", true)), "first");
    let (before, peak) = (Resources::of(app.id()).unwrap(), peak_memory(&app));

    // Half of them have sent a request before.
    let connect = |number: usize| {
        let mut idle = TcpStream::connect(app.address).unwrap();
        if number.is_multiple_of(2) {
            idle.write_all(HEALTH.as_bytes()).unwrap();
            assert!(idle.read(&mut [0; 4096]).unwrap() > 0);
        }
        idle
    };
    let idle: Vec<TcpStream> = (0..count).map(connect).collect();
    let are_accepted = || Resources::of(app.id()).unwrap().descriptors() > count;
    assert!(poll(WAIT_LIMIT, are_accepted), "not accepted");
    for (question, is_proxied) in [("second", true), ("third", false)] {
        let began = Instant::now();
        assert_rest_answers(&mut app.send(&ask(question, is_proxied)), question);
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    }
    let each = (peak_memory(&app) - peak) * 1024 / count;
    assert!(each < 32 << 10, "{each} bytes for each idle client");
    drop(idle);
    before.wait_for_release(app.id()).unwrap();
}

#[test]
fn five_hundred_clients_at_once_get_their_own_answers() {
    let echo = Echo::start();
    let app = echo.app().start();
    assert_rest_answers(&mut app.send(&ask("first", true)), "first");
    let before = Resources::of(app.id()).unwrap();
    let questions: Vec<String> = (0..500).map(|number| format!("slow-{number}")).collect();
    let numbered = questions.iter().enumerate();
    let mut clients: Vec<Wire> =
        numbered.map(|(number, question)| app.send(&ask(question, number % 2 == 0))).collect();
    echo.upstream.wait_for_requests(1 + clients.len());
    echo.gate.open();
    for (question, client) in questions.iter().zip(&mut clients) {
        assert_rest_answers(client, question);
    }
    let mut asked = echo.questions();
    asked.sort_unstable();
    asked.dedup();
    assert_eq!(asked.len(), 501, "each is asked once");
    for _ in 0..501 {
        let line = app.log_line();
        assert!(line["status"] == 200 && line["code"].is_null(), "{line}");
    }
    assert!(app.stdout.rest().is_empty());
    // The pool keeps some connections to the upstream.
    let after = Resources { sockets: before.sockets + 100, ..before };
    after.wait_for_release(app.id()).unwrap();
}

/// A size that all buffers on the way cannot hold.
const MUCH: usize = 200 << 20;

/// Sends this again and again while the peer reads. Returns the number of bytes sent.
fn flood(stream: &mut TcpStream, part: &[u8]) -> usize {
    stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let (mut sent, mut rest) = (0, part);
    while sent < MUCH {
        match stream.write(rest) {
            Ok(written) => {
                sent += written;
                rest = if written < rest.len() { &rest[written..] } else { part };
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => break,
                _ => panic!("{error}"),
            },
        }
    }
    sent
}

/// Floods a peer, and expects back-pressure instead of memory in the app.
#[track_caller]
fn assert_held_back(app: &Instance, stream: &mut TcpStream, part: &[u8]) {
    let peak = peak_memory(app);
    let sent = flood(stream, part);
    assert!(sent < MUCH);
    let grown = peak_memory(app) - peak;
    assert!(grown < 4 << 10, "{grown} kB more for {sent} bytes");
}

#[test]
fn unread_upload_is_held_back_until_the_response() {
    let (listener, app) = start_app();
    app.send(HEALTH).response();
    let upload = request("POST /v1/files", &format!("Content-Length: {MUCH}\r\n"));
    let (mut client, mut upstream, _) = app.forward(&listener, &upload);
    assert_held_back(&app, &mut client.stream, &[b'x'; 1 << 16]);

    upstream.send("HTTP/1.1 413 Payload Too Large\r\ncontent-length: 3\r\n\r\nbig");
    let response = client.response();
    assert_eq!((response.status(), response.text().as_str()), (413, "big"));
    client.reset();
    upstream.assert_closes_within(WAIT_LIMIT);
}

#[test]
fn unread_answer_is_held_back() {
    let event = chat::piece(&"x".repeat(1 << 16));
    for is_proxied in [true, false] {
        let (listener, app) = start_app();
        let client = app.send(&ask("much", is_proxied));
        let mut upstream = listener.accept();
        upstream.request();
        upstream.send(chat::STREAM.to_owned() + &event);
        assert_held_back(&app, &mut upstream.stream, event.as_bytes());

        client.reset();
        upstream.assert_closes_within(SOON);
        assert_eq!(app.log_line()["code"], "caller_left");
    }
}

#[test]
fn question_that_stops_coming_ends_at_the_deadline() {
    let echo = Echo::start();
    let app = echo.app().set("ASK_TIMEOUT", "1").start();
    let post = request("POST /ask", "Content-Type: text/plain\r\nContent-Length: 100\r\n");
    for part in ["", "What is"] {
        let began = Instant::now();
        let mut client = app.send(&format!("{post}{part}"));
        client.response().assert_error(504, "deadline");
        // A late request is not served.
        client.send("GET /healthz HTTP/1.1\r\n\r\n");
        assert_eq!(client.rest(), "");
        assert!(began.elapsed() > Duration::from_millis(950), "{:?}", began.elapsed());
        assert_eq!(app.log_line()["code"], "deadline");
    }
    assert!(echo.questions().is_empty());
}

#[test]
fn client_that_reads_nothing_ends_after_the_deadline() {
    let event = chat::piece(&"x".repeat(1 << 16));
    let listener = Listener::bind();
    let app = App::new(&listener).set("ASK_TIMEOUT", "1").start();
    let _client = app.send(&ask("much", false));
    let mut upstream = listener.accept();
    upstream.request();
    upstream.send(chat::STREAM);
    assert!(flood(&mut upstream.stream, event.as_bytes()) < MUCH);
    // One second for the answer, and one for a client that reads slowly.
    upstream.assert_closes_within(Duration::from_secs(2) + SOON);
    assert_eq!(app.log_line()["code"], "deadline");
}
