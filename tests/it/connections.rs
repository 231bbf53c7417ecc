//! Connections to the provider: kept from one question to the next, and done without where they went.

use std::fs;
use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::support::{Act, Ask, Gate, Request, Server, answer, json_reply, listen, reply, splice};

#[test]
fn one_connection_serves_all_questions() {
    let provider = Server::new([
        answer("1"),
        reply(401, &["content-type: text/html"], "<html>"),
        json_reply(400, &serde_json::json!({"error": {"message": "no"}})),
        reply(429, &["retry-after: 0"], "slow down"),
        reply(500, &[], ""),
        answer("6"),
        reply(404, &[], "not found"),
        answer("8"),
    ]);
    let ask = Ask::of(&provider).start();
    ask.ask("hi").says("1");
    ask.ask("hi").fails(502, "upstream_key");
    ask.ask("hi").fails(502, "upstream_refused");
    ask.ask("hi").says("6");
    ask.ask("hi").fails(502, "upstream_refused");
    ask.ask("hi").says("8");
    assert_eq!((provider.requests().len(), provider.connections()), (8, 1));
}

#[test]
fn a_provider_that_closes_after_each_answer_is_asked_once_each_time() {
    let closing = [answer("Yes."), vec![Act::Close]].concat();
    let provider = Server::always(closing);
    let ask = Ask::of(&provider).start();
    for _ in 0..20 {
        ask.ask("hi").says("Yes.");
    }
    assert_eq!((provider.requests().len(), provider.connections()), (20, 20));
}

#[test]
fn a_connection_that_the_provider_says_it_closes_is_not_used_again() {
    let provider = Server::always(reply(
        200,
        &["connection: close"],
        r#"{"choices":[{"message":{"content":"Yes."}}]}"#,
    ));
    let ask = Ask::of(&provider).start();
    for _ in 0..3 {
        ask.ask("hi").says("Yes.");
    }
    assert_eq!(provider.connections(), 3);
}

/// The close crosses the next question on its way: nothing shows that the connection has gone until it is used.
#[test]
fn a_connection_that_goes_while_it_is_asked_on_costs_a_reconnect_and_no_attempt() {
    let provider =
        Server::new([answer("1"), vec![Act::Close], answer("2"), vec![Act::Close], answer("3")]);
    let ask = Ask::of(&provider).start();
    for (text, connections) in [("1", 1), ("2", 2), ("3", 3)] {
        let reply = ask.ask("hi");
        reply.says(text);
        assert_eq!(reply.line()["attempts"], 1);
        assert_eq!(provider.connections(), connections);
    }
}

#[test]
fn a_connection_that_goes_while_the_instance_is_frozen_costs_a_reconnect() {
    let provider = Server::always(answer("later"));
    let (close, closed) = (Gate::default(), Gate::default());
    let (may_close, has_closed, is_first) = (close.clone(), closed.clone(), AtomicBool::new(true));
    let address = provider.address();
    let front = listen(move |stream| {
        if !is_first.swap(false, Ordering::AcqRel) {
            return splice(stream, TcpStream::connect(address).unwrap());
        }
        let mut stream = BufReader::new(stream);
        Request::read(&mut stream).unwrap();
        for act in answer("first") {
            let Act::Send(bytes) = act else { continue };
            stream.get_mut().write_all(&bytes).unwrap();
        }
        may_close.wait();
        drop(stream);
        has_closed.open();
    });
    let mut ask = Ask::of(&provider).set("OPENAI_BASE_URL", format!("http://{}/v1", front.address));
    ask.freeze = true;
    let ask = ask.start();
    ask.ask("hi").says("first");
    // The signal to stop takes its time.
    let stat = format!("/proc/{}/stat", ask.emulator.pid().unwrap());
    while !fs::read_to_string(&stat).unwrap().contains(") T ") {
        thread::yield_now();
    }
    close.open();
    closed.wait();
    let reply = ask.ask("hi");
    reply.says("later");
    assert_eq!(reply.line()["attempts"], 1);
    assert_eq!((front.connections(), provider.requests().len()), (2, 1));
}

#[test]
fn a_late_answer_is_never_taken_for_the_next_ones() {
    let gate = Gate::default();
    let provider =
        Server::new([[vec![Act::Wait(gate.clone())], answer("late")].concat(), answer("next")]);
    let ask = Ask::of(&provider).set("ASK_TIMEOUT", "0.5").start();
    ask.ask("hi").fails(504, "deadline");
    gate.open();
    ask.ask("hi").says("next");
    assert_eq!(provider.connections(), 2);
}
