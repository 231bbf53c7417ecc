//! Failures of the runtime API lose no event and no reply.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use scf_runtime::{Failure, MAX_REPLY, Runtime};
use testkit::runtime_api::{ERROR, NEXT, READY, RESPONSE};
use testkit::{Endpoint, Listener, Turn, Upstream, each, http};

use crate::support::{echo, event, event_with, ok, paths, run, run_on, start_api};

/// The first bytes of a response.
const HALF_A_HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Le";

/// Sends these bytes one by one.
fn bytewise(bytes: impl AsRef<[u8]>) -> Turn {
    bytes.as_ref().iter().fold(Turn::default(), |turn, byte| turn.send([*byte]))
}

/// Writes a response without the end of its body.
fn half(status: u16) -> Vec<u8> {
    let mut response = http::response(status, &[], "[1, 2, 3, 4]");
    response.truncate(response.len() - 6);
    response
}

/// Failures of a call before a 2xx status has arrived.
fn failures() -> Vec<(&'static str, Turn)> {
    vec![
        ("500", http::response(500, &[], "no").into()),
        ("503 and a close", Turn::from(http::response(503, &["connection: close"], "")).close()),
        ("502 with half a body", Turn::from(half(502)).close()),
        ("a redirect", http::response(302, &["location: /elsewhere"], "").into()),
        ("a close", Turn::closing()),
        ("a reset", Turn::default().reset()),
        ("half a head", Turn::from(HALF_A_HEAD).close()),
        ("half a head and a reset", Turn::from(HALF_A_HEAD).reset()),
        ("garbage", Turn::from("\x16\x03\x01\r\n\r\n").close()),
    ]
}

/// Responses with a 2xx status and an incomplete body.
fn truncated() -> Vec<(&'static str, Turn)> {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n[1, \r\n";
    let mut truncated = vec![
        ("half a body", Turn::from(half(200)).close()),
        ("half a body and a reset", Turn::from(half(200)).reset()),
        ("the first of several chunks", Turn::from(chunked).close()),
    ];
    // ureq alone takes a reset for the end of such a body.
    if cfg!(feature = "transport") {
        let reset = Turn::from("HTTP/1.1 200 OK\r\n\r\n[1, ").reset();
        truncated.push(("a reset of a body without a length", reset));
    }
    truncated
}

#[test]
fn failed_next_posts_nothing_and_loses_no_event() {
    let no_event = [
        ("204", "HTTP/1.1 204 No Content\r\n\r\n".into()),
        ("404", http::response(404, &[], "no").into()),
    ];
    let rows: Vec<_> = failures().into_iter().chain(truncated()).chain(no_event).collect();
    each(&rows, |(name, failure)| {
        let calls = run([ok(), failure.clone(), event("\"whole\""), ok()], echo);
        assert_eq!(paths(&calls), [READY, NEXT, NEXT, RESPONSE, NEXT], "{name}");
        assert_eq!(calls[3].text(), "\"whole\"", "{name}");
    });
}

#[test]
fn failed_post_is_retried_unchanged() {
    each(&failures(), |(name, failure)| {
        let calls = run([ok(), event("\"a\""), failure.clone(), ok()], echo);
        assert_eq!(paths(&calls), [READY, NEXT, RESPONSE, RESPONSE, NEXT], "{name}");
        assert_eq!(calls[2].text(), "\"a\"", "{name}");
        assert_eq!(calls[3].text(), "\"a\"", "{name}");
    });
}

#[test]
fn post_with_truncated_2xx_response_is_not_retried() {
    each(&truncated(), |(name, truncated)| {
        let calls = run([ok(), event("1"), truncated.clone(), event("2")], echo);
        assert_eq!(paths(&calls), [READY, NEXT, RESPONSE, NEXT, RESPONSE], "{name}");
    });
}

#[test]
fn failed_error_report_is_retried() {
    let failure = http::response(500, &[], "").into();
    let turns = [ok(), event("1"), failure, Turn::default().reset(), ok()];
    let calls = run(turns, |_, _| Err("no"));
    assert_eq!(paths(&calls), [READY, NEXT, ERROR, ERROR, ERROR, NEXT]);
}

#[test]
fn rejected_reply_is_reported_once() {
    let rejected = || http::response(413, &[], "too large").into();
    let calls = run([ok(), event("1"), rejected(), ok(), event("2")], echo);
    assert_eq!(paths(&calls), [READY, NEXT, RESPONSE, ERROR, NEXT, RESPONSE]);
    assert_eq!(
        calls[3].text(),
        concat!(
            r#"{"errorType":"ReplyRejected","#,
            r#""errorMessage":"reply rejected by the platform: 413 Payload Too Large"}"#
        )
    );

    let calls = run([ok(), event("1"), rejected(), rejected(), event("2")], echo);
    assert_eq!(paths(&calls), [READY, NEXT, RESPONSE, ERROR, NEXT, RESPONSE]);
}

/// The feature `transport` reads a response that comes before the end of the request. ureq alone
/// fails to write then, and the reply is posted again.
#[test]
fn reply_may_be_rejected_before_it_is_read() {
    let listener = Listener::bind();
    let runtime = Runtime::new(&listener.address().to_string()).unwrap();
    let large = |_, context: &_| echo(vec![b'a'; MAX_REPLY], context);
    thread::spawn(move || runtime.max_outage(Duration::from_millis(1)).run_bytes(large));
    let mut api = listener.accept();
    assert_eq!(api.request().target(), READY);
    api.send(http::response(200, &[], ""));
    for _ in 0..2 {
        assert_eq!(api.request().target(), NEXT);
        api.send(http::response(200, &[], "1"));
        assert_eq!(api.head().target(), RESPONSE);
        api.send(http::response(413, &["connection: close"], ""));
        // Closing a socket with unread bytes sends a reset.
        drop(api);
        api = listener.accept();
        let next = if cfg!(feature = "transport") { ERROR } else { RESPONSE };
        assert_eq!(api.request().target(), next);
        api.send(http::response(200, &[], ""));
    }
}

#[test]
fn ready_is_retried_until_accepted() {
    let not_yet = http::response(404, &[], "").into();
    let calls = run([Turn::closing(), not_yet, ok(), event("1")], echo);
    assert_eq!(paths(&calls), [READY, READY, READY, NEXT, RESPONSE]);
}

#[test]
fn connection_closed_during_the_handler_is_reopened() {
    for headers in [&["connection: close"][..], &[]] {
        let api = start_api([ok(), event_with(headers, "\"a\""), ok()]);
        let closing = api.clone();
        let handler = move |event, _: &_| {
            closing.disconnect();
            Ok::<_, Failure>(event)
        };
        // With a maximum outage of zero, the first failure would end the loop.
        let calls = run_on(&api, Duration::ZERO, 4, handler);
        assert_eq!(paths(&calls), [READY, NEXT, RESPONSE, NEXT]);
        assert_eq!(api.connections(), 2);
    }
}

#[test]
fn every_response_may_close_the_connection() {
    for headers in [&["connection: close"][..], &[]] {
        let turns = ["ok", "1", "ok", "2"].map(|body| event_with(headers, body).close());
        let calls = run(turns, echo);
        assert_eq!(paths(&calls), [READY, NEXT, RESPONSE, NEXT, RESPONSE]);
    }
}

#[test]
fn responses_may_arrive_in_any_chunks() {
    let chunked =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n\"a\r\n1\r\n\"\r\n0\r\n\r\n";
    let whole = http::response(200, &["Request_Id: 1"], "\"a\"");
    for next in [
        bytewise(&whole),
        bytewise(chunked),
        chunked.into(),
        Turn::from("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n\"a\"").close(),
        Turn::from("HTTP/1.1 100 Continue\r\n\r\n").send(whole),
    ] {
        let calls = run([ok(), next, bytewise(http::response(200, &[], "ok"))], echo);
        assert_eq!(paths(&calls), [READY, NEXT, RESPONSE, NEXT]);
        assert_eq!(calls[2].text(), "\"a\"");
    }
}

/// Runs the loop against an address that refuses connections, and returns its error.
fn outage_error(max_outage: Duration) -> String {
    let api = Endpoint::start_unique(|_| {});
    api.refuse();
    let address = api.address().to_string();
    let runtime = Runtime::new(&address).unwrap().max_outage(max_outage);
    let error = runtime.run_bytes(echo).unwrap_err();
    error.to_string().replace(&address, "ADDRESS")
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
    let failure = Turn::closing;
    // Each failure counts at least 50 ms.
    let api = start_api([failure(), ok(), failure(), event("1"), failure(), ok(), failure()]);
    let calls = run_on(&api, Duration::from_millis(60), 8, echo);
    assert_eq!(paths(&calls), [READY, READY, NEXT, NEXT, RESPONSE, RESPONSE, NEXT, NEXT]);
}

#[test]
fn failed_long_poll_counts_at_most_its_delay() {
    let max_outage = Duration::from_millis(150);
    // The delays are 50 and 100 ms, and each wait counts at most the delay after it.
    let api = Upstream::by_request(move |number, _| match number {
        0 => ok(),
        1 | 2 => {
            thread::sleep(max_outage * 2);
            Turn::closing()
        }
        3 => event("1"),
        _ => Turn::silent(),
    });
    let calls = run_on(&Arc::new(api), max_outage, 5, echo);
    assert_eq!(paths(&calls), [READY, NEXT, NEXT, NEXT, RESPONSE]);
}
