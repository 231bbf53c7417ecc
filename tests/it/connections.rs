//! Connections to the upstream: kept between questions, and replaced if they have gone.

use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};

use testkit::process::wait_until_stopped;
use testkit::{Disconnect, Endpoint, Gate, Request, Turn, Upstream, chat, http, splice};

use crate::support::App;

#[test]
fn one_connection_serves_all_questions() {
    let upstream = Upstream::new([
        chat::completion("1"),
        http::response(401, &["content-type: text/html"], "<html>"),
        chat::error(400, "", "no"),
        http::response(429, &["retry-after: 0"], "slow down"),
        http::response(500, &[], ""),
        chat::completion("6"),
        http::response(404, &[], "not found"),
        chat::completion("8"),
    ]);
    let app = App::new(&upstream).start();
    app.ask("hi").assert_answer("1");
    app.ask("hi").assert_error(502, "upstream_key");
    app.ask("hi").assert_error(502, "upstream_refused");
    app.ask("hi").assert_answer("6");
    app.ask("hi").assert_error(502, "upstream_refused");
    app.ask("hi").assert_answer("8");
    assert_eq!((upstream.requests().len(), upstream.connections()), (8, 1));
}

#[test]
fn upstream_that_closes_each_time_is_asked_once_each_time() {
    let upstream = Upstream::always(Turn::from(chat::completion("Yes.")).close());
    let app = App::new(&upstream).start();
    for _ in 0..20 {
        app.ask("hi").assert_answer("Yes.");
    }
    assert_eq!((upstream.requests().len(), upstream.connections()), (20, 20));
}

#[test]
fn connection_close_is_not_reused() {
    let body = r#"{"choices":[{"message":{"content":"Yes."}}]}"#;
    let upstream = Upstream::always(http::response(200, &["connection: close"], body));
    let app = App::new(&upstream).start();
    for _ in 0..3 {
        app.ask("hi").assert_answer("Yes.");
    }
    assert_eq!(upstream.connections(), 3);
}

/// The close crosses the next request on its way, so that nothing shows it before.
#[test]
fn connection_closed_while_in_use_costs_no_attempt() {
    let upstream = Upstream::new([
        Turn::from(chat::completion("1")),
        Turn::closing(),
        Turn::from(chat::completion("2")),
        Turn::closing(),
        Turn::from(chat::completion("3")),
    ]);
    let app = App::new(&upstream).start();
    for (text, connections) in [("1", 1), ("2", 2), ("3", 3)] {
        let reply = app.ask("hi");
        reply.assert_answer(text);
        assert_eq!(reply.log_line()["attempts"], 1);
        assert_eq!(upstream.connections(), connections);
    }
}

#[test]
fn connection_closed_during_a_freeze_costs_no_attempt() {
    let upstream = Upstream::always(chat::completion("later"));
    let (close, closed) = (Gate::default(), Gate::default());
    let (may_close, has_closed, is_first) = (close.clone(), closed.clone(), AtomicBool::new(true));
    let address = upstream.address();
    let front = Endpoint::start(move |stream| {
        if !is_first.swap(false, Ordering::AcqRel) {
            return splice(stream, &TcpStream::connect(address).unwrap());
        }
        let mut reader = BufReader::new(stream);
        Request::read(&mut reader).unwrap();
        reader.get_mut().write_all(&chat::completion("first")).unwrap();
        may_close.wait();
        Disconnect::Close.apply(stream);
        has_closed.open();
    });
    let app = App::at(format!("http://{}/v1", front.address())).freezing().start();
    app.ask("hi").assert_answer("first");
    wait_until_stopped(app.emulator.pid().unwrap());
    close.open();
    closed.wait();
    let reply = app.ask("hi");
    reply.assert_answer("later");
    assert_eq!(reply.log_line()["attempts"], 1);
    assert_eq!((front.connections(), upstream.requests().len()), (2, 1));
}

#[test]
fn late_answer_is_never_taken_for_the_next_one() {
    let gate = Gate::default();
    let upstream = Upstream::new([
        Turn::default().wait(&gate).send(chat::completion("late")),
        Turn::from(chat::completion("next")),
    ]);
    let app = App::new(&upstream).set("ASK_TIMEOUT", "0.5").start();
    app.ask("hi").assert_error(504, "deadline");
    gate.open();
    app.ask("hi").assert_answer("next");
    assert_eq!(upstream.connections(), 2);
}
