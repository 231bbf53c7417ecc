//! Many callers at once, and those who say or take nothing.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::callers::health;
use super::holder::{HEAD, Provider, ask, is_answer, piece, rest};
use super::provider::reset;
use super::row::SOON;
use super::state::{Held, wait};
use crate::support::{PATIENCE, Server, Wire, header, status};

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
    let held = Held { descriptors: held.descriptors + 100, ..held };
    held.is_back(server.id(), PATIENCE).unwrap();
}

/// More than all the buffers of the system on the way hold.
const MUCH: usize = 200 << 20;

/// Sends this again and again, until nobody takes more or nobody is there, and says how much was taken.
fn flood(wire: &mut TcpStream, part: &[u8]) -> usize {
    wire.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let (mut taken, mut rest) = (0, part);
    while taken < MUCH {
        match wire.write(rest) {
            Ok(written) => {
                taken += written;
                rest = if written < rest.len() { &rest[written..] } else { part };
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => break,
                _ => panic!("{error}"),
            },
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
    let request =
        crate::support::request("POST /ask", "Content-Type: text/plain\r\nContent-Length: 100\r\n");
    for part in ["", "What is"] {
        let began = Instant::now();
        let mut caller = server.send(&format!("{request}{part}"));
        let head = caller.head();
        assert_eq!(
            (status(&head), header(&head, "x-error-code").as_deref()),
            (504, Some("deadline"))
        );
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
