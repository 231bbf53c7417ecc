//! Failures of the runtime API lose no event and no reply.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use scf_runtime::Runtime;

use crate::support::{
    Action, CannedApi, ERROR, NEXT, READY, RESPONSE, echo, event, lines, ok, response, run, run_on,
};

/// Failures of a call before a 2xx status has arrived.
fn failures() -> Vec<(&'static str, Action)> {
    vec![
        ("500", Action::Send(response("500 Internal Server Error", "", "no"))),
        (
            "503 and a close",
            Action::Close(response("503 Service Unavailable", "Connection: close\r\n", "")),
        ),
        (
            "502 with half a body",
            Action::Close(half(response("502 Bad Gateway", "", "[1, 2, 3, 4]"))),
        ),
        ("a redirect", Action::Send(response("302 Found", "Location: /elsewhere\r\n", ""))),
        ("a close", Action::Close(Vec::new())),
        ("a reset", Action::Reset(Vec::new())),
        ("half a head", Action::Close(b"HTTP/1.1 200 OK\r\nContent-Le".to_vec())),
        ("half a head and a reset", Action::Reset(b"HTTP/1.1 200 OK\r\nContent-Le".to_vec())),
        ("garbage", Action::Close(b"\x16\x03\x01\r\n\r\n".to_vec())),
    ]
}

/// Responses with a 2xx status and an incomplete body.
fn truncated() -> Vec<(&'static str, Action)> {
    let whole = || response("200 OK", "", "[1, 2, 3, 4]");
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n[1, \r\n".to_vec();
    vec![
        ("half a body", Action::Close(half(whole()))),
        ("half a body and a reset", Action::Reset(half(whole()))),
        ("the first of several chunks", Action::Close(chunked)),
        (
            "a reset of a body without a length",
            Action::Reset(b"HTTP/1.1 200 OK\r\n\r\n[1, ".to_vec()),
        ),
    ]
}

fn half(mut response: Vec<u8>) -> Vec<u8> {
    response.truncate(response.len() - 6);
    response
}

#[test]
fn failed_next_posts_nothing_and_loses_no_event() {
    let no_event = [
        ("204", Action::Send(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())),
        ("404", Action::Send(response("404 Not Found", "", "no"))),
    ];
    for (name, failure) in failures().into_iter().chain(truncated()).chain(no_event) {
        let calls = run(vec![ok(), failure, event("\"whole\""), ok(), event("1")], echo);
        assert_eq!(lines(&calls), [READY, NEXT, NEXT, RESPONSE, NEXT], "{name}");
        assert_eq!(calls[3].text(), "\"whole\"", "{name}");
    }
}

#[test]
fn failed_post_is_retried_unchanged() {
    for (name, failure) in failures() {
        let calls = run(vec![ok(), event("\"a\""), failure, ok(), event("\"b\"")], echo);
        assert_eq!(lines(&calls), [READY, NEXT, RESPONSE, RESPONSE, NEXT], "{name}");
        assert_eq!((calls[2].text(), calls[3].text()), ("\"a\"", "\"a\""), "{name}");
    }
}

#[test]
fn post_with_truncated_2xx_response_is_not_retried() {
    for (name, truncated) in truncated() {
        let calls = run(vec![ok(), event("1"), truncated, event("2"), ok()], echo);
        assert_eq!(lines(&calls), [READY, NEXT, RESPONSE, NEXT, RESPONSE], "{name}");
    }
}

#[test]
fn failed_error_report_is_retried() {
    let failure = Action::Send(response("500 Internal Server Error", "", ""));
    let actions = vec![ok(), event("1"), failure, Action::Reset(Vec::new()), ok(), event("2")];
    let calls = run(actions, |_, _| anyhow::bail!("no"));
    assert_eq!(lines(&calls), [READY, NEXT, ERROR, ERROR, ERROR, NEXT]);
}

#[test]
fn rejected_reply_is_reported_once() {
    let rejected = || Action::Send(response("413 Payload Too Large", "", "too large"));
    let calls = run(vec![ok(), event("1"), rejected(), ok(), event("2"), ok()], echo);
    assert_eq!(lines(&calls), [READY, NEXT, RESPONSE, ERROR, NEXT, RESPONSE]);
    assert_eq!(
        calls[3].text(),
        r#"{"errorMessage":"reply rejected by the platform: 413 Payload Too Large"}"#
    );

    let calls = run(vec![ok(), event("1"), rejected(), rejected(), event("2"), ok()], echo);
    assert_eq!(lines(&calls), [READY, NEXT, RESPONSE, ERROR, NEXT, RESPONSE]);
}

#[test]
fn reply_may_be_rejected_before_it_is_read() {
    let rejected =
        || Action::CloseEarly(response("413 Payload Too Large", "Connection: close\r\n", ""));
    let large = |_, _: &_| Ok(vec![b'a'; 20_000_000]);
    let calls = run(vec![ok(), event("1"), rejected(), ok(), event("2"), rejected(), ok()], large);
    assert_eq!(lines(&calls), [READY, NEXT, RESPONSE, ERROR, NEXT, RESPONSE, ERROR]);
}

#[test]
fn ready_is_retried_until_accepted() {
    let not_yet = Action::Send(response("404 Not Found", "", ""));
    let calls = run(vec![Action::Close(Vec::new()), not_yet, ok(), event("1"), ok()], echo);
    assert_eq!(lines(&calls), [READY, READY, READY, NEXT, RESPONSE]);
}

#[test]
fn connection_closed_during_the_handler_is_reopened() {
    for header in ["Connection: close\r\n", ""] {
        let (api, closed) = CannedApi::new();
        let handler = move |event, _: &_| {
            closed.recv()?;
            Ok(event)
        };
        let next = Action::Close(response("200 OK", header, "\"a\""));
        // With a maximum outage of zero, the first failure would end the loop.
        let calls = run_on(api, Duration::ZERO, vec![ok(), next, ok(), event("1")], handler);
        assert_eq!(lines(&calls), [READY, NEXT, RESPONSE, NEXT]);
        let connections: Vec<_> = calls.iter().map(|call| call.connection).collect();
        assert_eq!(connections, [0, 0, 1, 1]);
    }
}

#[test]
fn every_response_may_close_the_connection() {
    for header in ["Connection: close\r\n", ""] {
        let close = |body| Action::Close(response("200 OK", header, body));
        let calls = run(vec![close("ok"), close("1"), close("ok"), close("2"), close("ok")], echo);
        assert_eq!(lines(&calls), [READY, NEXT, RESPONSE, NEXT, RESPONSE]);
    }
}

#[test]
fn responses_may_arrive_in_any_chunks() {
    let chunked =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n\"a\r\n1\r\n\"\r\n0\r\n\r\n";
    let unknown = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n\"a\"";
    for next in [
        Action::SendByByte(response("200 OK", "Request_Id: 1\r\n", "\"a\"")),
        Action::SendByByte(chunked.to_vec()),
        Action::Send(chunked.to_vec()),
        Action::Close(unknown.to_vec()),
        Action::Send(
            [&b"HTTP/1.1 100 Continue\r\n\r\n"[..], &response("200 OK", "", "\"a\"")].concat(),
        ),
    ] {
        let calls = run(
            vec![ok(), next, Action::SendByByte(response("200 OK", "", "ok")), event("1")],
            echo,
        );
        assert_eq!(lines(&calls), [READY, NEXT, RESPONSE, NEXT]);
        assert_eq!(calls[2].text(), "\"a\"");
    }
}

/// Runs the loop against a closed port and returns its error.
fn outage_error(max_outage: Duration) -> String {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let runtime = Runtime::new(&address.to_string()).unwrap().max_outage(max_outage);
    let error = runtime.run_bytes(echo).unwrap_err();
    format!("{error:#}").replace(&address.to_string(), "ADDRESS")
}

#[test]
fn outage_error_names_the_address_and_the_cause() {
    let error = outage_error(Duration::ZERO);
    let start = "the runtime API at ADDRESS keeps failing: POST /runtime/init/ready: ";
    assert!(error.starts_with(start) && error.contains("refused"), "{error}");
}

#[test]
fn max_outage_is_respected() {
    let started = Instant::now();
    outage_error(Duration::from_millis(300));
    // The delays are 50, 100 and 200 ms.
    assert!(started.elapsed() >= Duration::from_millis(300));
}

#[test]
fn success_ends_the_outage() {
    let (api, _closed) = CannedApi::new();
    let failure = || Action::Close(Vec::new());
    // Each failure counts at least 50 ms.
    let actions =
        vec![failure(), ok(), failure(), event("1"), failure(), ok(), failure(), event("2")];
    let calls = run_on(api, Duration::from_millis(60), actions, echo);
    assert_eq!(lines(&calls), [READY, READY, NEXT, NEXT, RESPONSE, RESPONSE, NEXT, NEXT]);
}

#[test]
fn failed_long_poll_counts_at_most_its_delay() {
    let (api, _closed) = CannedApi::new();
    let max_outage = Duration::from_millis(150);
    let close = || Action::CloseAfter(max_outage * 2);
    // The delays are 50 and 100 ms, and each wait counts at most the delay after it.
    let actions = vec![ok(), close(), close(), event("1"), ok()];
    let calls = run_on(api, max_outage, actions, echo);
    assert_eq!(lines(&calls), [READY, NEXT, NEXT, NEXT, RESPONSE]);
}
