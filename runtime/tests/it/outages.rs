//! A runtime API that misbehaves costs no event and no reply.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use scf_runtime::Runtime;

use crate::support::{
    Canned, ERROR, NEXT, READY, RESPONSE, Turn, answer, echo, event, lines, ok, run, run_on,
};

/// Ways in which a call comes to nothing before a good status has arrived.
fn failures() -> Vec<(&'static str, Turn)> {
    vec![
        ("500", Turn::Answer(answer("500 Internal Server Error", "", "no"))),
        (
            "503 and the end",
            Turn::Close(answer("503 Service Unavailable", "Connection: close\r\n", "")),
        ),
        ("502 with half a body", Turn::Close(half(answer("502 Bad Gateway", "", "[1, 2, 3, 4]")))),
        ("a redirect", Turn::Answer(answer("302 Found", "Location: /elsewhere\r\n", ""))),
        ("the end", Turn::Close(Vec::new())),
        ("a reset", Turn::Reset(Vec::new())),
        ("half a head", Turn::Close(b"HTTP/1.1 200 OK\r\nContent-Le".to_vec())),
        ("half a head and a reset", Turn::Reset(b"HTTP/1.1 200 OK\r\nContent-Le".to_vec())),
        ("garbage", Turn::Close(b"\x16\x03\x01\r\n\r\n".to_vec())),
    ]
}

/// Ways in which a good answer comes without the whole of its body.
fn cuts() -> Vec<(&'static str, Turn)> {
    let whole = || answer("200 OK", "", "[1, 2, 3, 4]");
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n[1, \r\n".to_vec();
    vec![
        ("half a body", Turn::Close(half(whole()))),
        ("half a body and a reset", Turn::Reset(half(whole()))),
        ("some of the chunks", Turn::Close(chunked)),
        (
            "a reset where the end would be the length",
            Turn::Reset(b"HTTP/1.1 200 OK\r\n\r\n[1, ".to_vec()),
        ),
    ]
}

fn half(mut answer: Vec<u8>) -> Vec<u8> {
    answer.truncate(answer.len() - 6);
    answer
}

#[test]
fn a_failed_fetch_posts_nothing_and_loses_no_event() {
    let no_event = [
        ("204", Turn::Answer(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())),
        ("404", Turn::Answer(answer("404 Not Found", "", "no"))),
    ];
    for (what, failure) in failures().into_iter().chain(cuts()).chain(no_event) {
        let calls = run(vec![ok(), failure, event("\"whole\""), ok(), event("1")], echo);
        assert_eq!(lines(&calls), [READY, NEXT, NEXT, RESPONSE, NEXT], "{what}");
        assert_eq!(calls[3].text(), "\"whole\"", "{what}");
    }
}

#[test]
fn a_failed_post_is_repeated_to_the_byte() {
    for (what, failure) in failures() {
        let calls = run(vec![ok(), event("\"a\""), failure, ok(), event("\"b\"")], echo);
        assert_eq!(lines(&calls), [READY, NEXT, RESPONSE, RESPONSE, NEXT], "{what}");
        assert_eq!((calls[2].text(), calls[3].text()), ("\"a\"", "\"a\""), "{what}");
    }
}

#[test]
fn a_post_is_taken_once_its_good_status_has_arrived() {
    for (what, cut) in cuts() {
        let calls = run(vec![ok(), event("1"), cut, event("2"), ok()], echo);
        assert_eq!(lines(&calls), [READY, NEXT, RESPONSE, NEXT, RESPONSE], "{what}");
    }
}

#[test]
fn a_report_is_repeated_too() {
    let failure = Turn::Answer(answer("500 Internal Server Error", "", ""));
    let turns = vec![ok(), event("1"), failure, Turn::Reset(Vec::new()), ok(), event("2")];
    let calls = run(turns, |_, _| anyhow::bail!("no"));
    assert_eq!(lines(&calls), [READY, NEXT, ERROR, ERROR, ERROR, NEXT]);
}

#[test]
fn a_refused_reply_is_reported_once() {
    let refused = || Turn::Answer(answer("413 Payload Too Large", "", "too large"));
    let calls = run(vec![ok(), event("1"), refused(), ok(), event("2"), ok()], echo);
    assert_eq!(lines(&calls), [READY, NEXT, RESPONSE, ERROR, NEXT, RESPONSE]);
    assert_eq!(
        calls[3].text(),
        r#"{"errorMessage":"the reply was refused: 413 Payload Too Large"}"#
    );

    let calls = run(vec![ok(), event("1"), refused(), refused(), event("2"), ok()], echo);
    assert_eq!(lines(&calls), [READY, NEXT, RESPONSE, ERROR, NEXT, RESPONSE]);
}

#[test]
fn a_reply_that_is_refused_before_it_has_been_read_is_refused() {
    let refused = || Turn::Early(answer("413 Payload Too Large", "Connection: close\r\n", ""));
    let large = |_, _: &_| Ok(vec![b'a'; 20_000_000]);
    let calls = run(vec![ok(), event("1"), refused(), ok(), event("2"), refused(), ok()], large);
    assert_eq!(lines(&calls), [READY, NEXT, RESPONSE, ERROR, NEXT, RESPONSE, ERROR]);
}

#[test]
fn ready_is_repeated_until_it_is_taken() {
    let not_yet = Turn::Answer(answer("404 Not Found", "", ""));
    let calls = run(vec![Turn::Close(Vec::new()), not_yet, ok(), event("1"), ok()], echo);
    assert_eq!(lines(&calls), [READY, READY, READY, NEXT, RESPONSE]);
}

#[test]
fn a_connection_that_ended_during_the_handler_is_no_failure() {
    for header in ["Connection: close\r\n", ""] {
        let (canned, ended) = Canned::new();
        let handler = move |event, _: &_| {
            ended.recv()?;
            Ok(event)
        };
        let next = Turn::Close(answer("200 OK", header, "\"a\""));
        // Without any patience, the first failure would end the loop.
        let calls = run_on(canned, Duration::ZERO, vec![ok(), next, ok(), event("1")], handler);
        assert_eq!(lines(&calls), [READY, NEXT, RESPONSE, NEXT]);
        let connections: Vec<_> = calls.iter().map(|call| call.connection).collect();
        assert_eq!(connections, [0, 0, 1, 1]);
    }
}

#[test]
fn every_answer_may_end_the_connection() {
    for header in ["Connection: close\r\n", ""] {
        let turn = |body| Turn::Close(answer("200 OK", header, body));
        let calls = run(vec![turn("ok"), turn("1"), turn("ok"), turn("2"), turn("ok")], echo);
        assert_eq!(lines(&calls), [READY, NEXT, RESPONSE, NEXT, RESPONSE]);
    }
}

#[test]
fn answers_may_come_in_any_pieces() {
    let chunked =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n\"a\r\n1\r\n\"\r\n0\r\n\r\n";
    let unknown = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n\"a\"";
    for turn in [
        Turn::Dribble(answer("200 OK", "Request_Id: 1\r\n", "\"a\"")),
        Turn::Dribble(chunked.to_vec()),
        Turn::Answer(chunked.to_vec()),
        Turn::Close(unknown.to_vec()),
        Turn::Answer(
            [&b"HTTP/1.1 100 Continue\r\n\r\n"[..], &answer("200 OK", "", "\"a\"")].concat(),
        ),
    ] {
        let calls =
            run(vec![ok(), turn, Turn::Dribble(answer("200 OK", "", "ok")), event("1")], echo);
        assert_eq!(lines(&calls), [READY, NEXT, RESPONSE, NEXT]);
        assert_eq!(calls[2].text(), "\"a\"");
    }
}

/// Runs the loop against what nobody listens at, and returns why it gave up.
fn give_up(patience: Duration) -> String {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let runtime = Runtime::new(&address.to_string()).unwrap().patience(patience);
    let error = runtime.run_bytes(echo).unwrap_err();
    format!("{error:#}").replace(&address.to_string(), "ADDRESS")
}

#[test]
fn the_loop_gives_up_and_says_what_failed() {
    let why = give_up(Duration::ZERO);
    let begins = "the runtime API at ADDRESS keeps failing: POST /runtime/init/ready: ";
    assert!(why.starts_with(begins) && why.contains("refused"), "{why}");
}

#[test]
fn the_loop_is_as_patient_as_it_is_told_to_be() {
    let started = Instant::now();
    give_up(Duration::from_millis(300));
    // Pauses of 50, 100 and 200 ms, of which the last may end after the patience does.
    assert!(started.elapsed() >= Duration::from_millis(300));
}

#[test]
fn a_success_renews_the_patience() {
    let (canned, _told) = Canned::new();
    let failure = || Turn::Close(Vec::new());
    // Each failure takes at least 50 ms of the 60.
    let turns =
        vec![failure(), ok(), failure(), event("1"), failure(), ok(), failure(), event("2")];
    let calls = run_on(canned, Duration::from_millis(60), turns, echo);
    assert_eq!(lines(&calls), [READY, READY, NEXT, NEXT, RESPONSE, RESPONSE, NEXT, NEXT]);
}

#[test]
fn a_long_wait_that_fails_does_not_count_as_a_minute_of_failure() {
    let (canned, _told) = Canned::new();
    let patience = Duration::from_millis(150);
    // The pauses are 50 and 100 ms. Of the waiting, no more counts than of them.
    let turns = vec![ok(), Turn::Late(patience * 2), Turn::Late(patience * 2), event("1"), ok()];
    let calls = run_on(canned, patience, turns, echo);
    assert_eq!(lines(&calls), [READY, NEXT, NEXT, NEXT, RESPONSE]);
}
