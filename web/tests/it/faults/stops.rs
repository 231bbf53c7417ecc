//! Stops in the middle of it all.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use super::holder::{Provider, ask, is_answer, rest};
use super::reply::{End, replies};
use super::row::SOON;
use super::state::wait;
use crate::support::{PATIENCE, Server, Wire, status};

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

/// A server that stood still is stopped for good, and answers these questions all the same.
#[track_caller]
fn stops_with_answers(mut server: Server, questions: &[String], mut wires: Vec<Wire>) {
    server.terminate();
    server.signal("CONT");
    for (question, wire) in questions.iter().zip(&mut wires) {
        is_answer(&rest(wire), question);
    }
    assert!(server.wait().success());
}

#[test]
fn a_stop_answers_who_is_in_the_queue() {
    let provider = Provider::start();
    let server = provider.server(&[]);
    // It is stopped for good while it stands still, and so finds both at once.
    server.signal("STOP");
    let questions: Vec<String> = (0..20).map(|number| format!("quick-{number}")).collect();
    let wires: Vec<Wire> =
        questions.iter().map(|question| server.send(&ask(question, true))).collect();
    stops_with_answers(server, &questions, wires);
}

#[test]
fn who_has_gone_from_the_queue_keeps_no_stop_from_the_others() {
    let provider = Provider::start();
    let server = provider.server(&[]);
    server.signal("STOP");
    let questions: Vec<String> = (0..20).map(|number| format!("quick-{number}")).collect();
    let mut wires: Vec<Wire> = Vec::new();
    for question in &questions {
        // Half of them with a goodbye; to a reset, the system has nothing more to tell of the caller.
        let gone = server.send(&ask("quick-gone", true));
        if wires.len().is_multiple_of(2) {
            socket2::SockRef::from(&gone.stream).set_linger(Some(Duration::ZERO)).unwrap();
        }
        drop(gone);
        wires.push(server.send(&ask(question, true)));
    }
    stops_with_answers(server, &questions, wires);
}

#[test]
fn a_stop_breaks_off_what_does_not_end() {
    let provider = Provider::start();
    let mut server = provider.server(&[("ASK_DRAIN", "1")]);
    let mut wires: Vec<Wire> =
        [true, false].map(|is_proxied| server.send(&ask("slow", is_proxied))).into();
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
    assert!(
        lines.iter().all(|line| line["status"] == 200 && line["code"].is_string()),
        "{lines:?}"
    );
}
