//! The stop under load.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use testkit::{End, Response};

use crate::echo::{Echo, ask, assert_answers, assert_rest_answers};
use crate::support::*;

/// Maximum duration of a stop once its requests have ended.
const SOON: Duration = Duration::from_secs(2);

/// The fate of a client that connects during a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Answered,
    /// Closed without a byte: the client may ask elsewhere.
    Unanswered,
    Refused,
}

fn try_to_ask(app: &Instance, question: &str) -> Fate {
    let Ok(mut client) = TcpStream::connect(app.address) else { return Fate::Refused };
    client.set_read_timeout(Some(WAIT_LIMIT)).unwrap();
    let _ = client.write_all(ask(question, true).as_bytes());
    let mut bytes = Vec::new();
    match client.read_to_end(&mut bytes) {
        Ok(_) if !bytes.is_empty() => {
            assert_answers(&Response::parse_all(&bytes, End::Closed).unwrap()[0], question);
            Fate::Answered
        }
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error}"),
        _ => {
            assert!(bytes.is_empty(), "a part of a response");
            Fate::Unanswered
        }
    }
}

#[test]
fn stop_under_load_finishes_requests_and_refuses_connections() {
    let echo = Echo::start();
    let app = echo.app().start();
    let questions: Vec<String> = (0..50).map(|number| format!("slow-{number}")).collect();
    let numbered = questions.iter().enumerate();
    let mut clients: Vec<Wire> =
        numbered.map(|(number, question)| app.send(&ask(question, number % 2 == 0))).collect();
    echo.upstream.wait_for_requests(clients.len());

    let fates = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for one in 0..4 {
            let (app, fates) = (&app, &fates);
            scope.spawn(move || {
                for number in 0.. {
                    let question = format!("quick-{one}-{number}");
                    let fate = try_to_ask(app, &question);
                    fates.lock().unwrap().push((question, fate));
                    if fate == Fate::Refused {
                        break;
                    }
                }
            });
        }
        assert!(poll(WAIT_LIMIT, || fates.lock().unwrap().len() > 20));
        app.signal("TERM");
    });
    // The first clients still wait when the last are refused.
    let began = Instant::now();
    echo.gate.open();
    for (question, client) in questions.iter().zip(&mut clients) {
        assert_rest_answers(client, question);
    }
    assert!(app.wait().success());
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());

    let fates = fates.into_inner().unwrap();
    let asked = echo.questions();
    for (question, fate) in &fates {
        assert_eq!(asked.contains(question), *fate == Fate::Answered, "{question}: {fate:?}");
    }
    let answered = fates.iter().filter(|(_, fate)| *fate == Fate::Answered).count();
    let lines = app.stdout.until_end();
    assert_eq!(lines.iter().filter(|line| line.contains("\"status\":200")).count(), 50 + answered);
}

/// Lets a stopped process continue with a stop, which it finds together with these clients.
#[track_caller]
fn assert_stop_answers(app: Instance, questions: &[String], mut clients: Vec<Wire>) {
    app.signal("TERM");
    app.thaw();
    for (question, client) in questions.iter().zip(&mut clients) {
        assert_rest_answers(client, question);
    }
    assert!(app.wait().success());
}

fn quick_questions() -> Vec<String> {
    (0..20).map(|number| format!("quick-{number}")).collect()
}

#[test]
fn stop_answers_clients_in_the_queue() {
    let echo = Echo::start();
    let app = echo.app().start();
    app.freeze();
    let questions = quick_questions();
    let clients = questions.iter().map(|question| app.send(&ask(question, true))).collect();
    assert_stop_answers(app, &questions, clients);
    assert_eq!(echo.questions().len(), questions.len());
}

#[test]
fn stop_skips_clients_that_left_the_queue() {
    let echo = Echo::start();
    let app = echo.app().start();
    app.freeze();
    let questions = quick_questions();
    let mut clients: Vec<Wire> = Vec::new();
    for question in &questions {
        // Half of them close and half reset: after a reset the peer's address is unknown.
        let gone = app.send(&ask("quick-gone", true));
        match clients.len().is_multiple_of(2) {
            true => gone.reset(),
            false => drop(gone),
        }
        clients.push(app.send(&ask(question, true)));
    }
    assert_stop_answers(app, &questions, clients);
}

#[test]
fn stop_cuts_requests_after_ask_drain() {
    let echo = Echo::start();
    let app = echo.app().set("ASK_DRAIN", "1").start();
    let mut clients = [true, false].map(|is_proxied| app.send(&ask("slow", is_proxied)));
    echo.upstream.wait_for_requests(clients.len());
    for client in &mut clients {
        assert_eq!(client.head().status(), 200);
        client.chunk();
    }
    let began = Instant::now();
    app.signal("TERM");
    assert!(app.wait().success());
    let took = began.elapsed();
    assert!(took > Duration::from_millis(950) && took < Duration::from_secs(1) + SOON, "{took:?}");
    for client in &mut clients {
        assert_eq!(client.rest(), "", "an end as if it were complete");
    }
    let lines = [app.log_line(), app.log_line()];
    let are_cut = lines.iter().all(|line| line["status"] == 200 && line["code"].is_string());
    assert!(are_cut, "{lines:?}");
}
