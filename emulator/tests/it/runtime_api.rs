//! The calls of the runtime API, as raw HTTP.

use std::{net::SocketAddr, thread, time::Duration};

use scf_emulator::{Emulator, Invocation, Settings};
use testkit::{Response, WAIT_LIMIT, Wire, poll};

use crate::support::{address, logs, send_to};

fn call(emulator: &Emulator, line: &str, body: &str) -> Response {
    send_to(emulator.runtime_api(), line, &[], body.as_bytes())
}

fn ready(emulator: &Emulator) {
    assert_eq!(call(emulator, "POST /runtime/init/ready", " ").status(), 200);
}

fn next(emulator: &Emulator) -> Response {
    call(emulator, "GET /runtime/invocation/next", "")
}

fn reply(emulator: &Emulator, body: &str) -> u16 {
    call(emulator, "POST /runtime/invocation/response", body).status()
}

/// Invokes `function` with an event.
fn invoke(emulator: &Emulator, event: &str, function: impl FnOnce() + Send) -> Invocation {
    thread::scope(|scope| {
        scope.spawn(function);
        emulator.invoke(event)
    })
}

fn start() -> Emulator {
    Settings::in_process().start("127.0.0.1:0").unwrap()
}

#[test]
fn event_has_headers_and_reply_is_unchanged() {
    let emulator = start();
    ready(&emulator);
    let invocation = invoke(&emulator, r#"{"a":  1}"#, || {
        let event = next(&emulator);
        assert_eq!((event.status(), event.text().as_str()), (200, r#"{"a":  1}"#));
        assert_eq!(event.header("time_limit_in_ms"), Some("60000"));
        assert_eq!(event.header("memory_limit_in_mb"), Some("128"));
        let id = event.header("request_id").unwrap();
        assert_eq!(reply(&emulator, &format!("  {id} ä")), 200);
    });
    let expected = format!("  {} ä", invocation.request_id);
    assert_eq!(invocation.reply.unwrap(), expected.as_bytes());
    assert!(emulator.pid().is_none());
}

#[test]
fn request_ids_are_unique_uuids() {
    let emulator = start();
    let ids = [(); 2].map(|()| emulator.invoke("not JSON").request_id);
    assert_ne!(ids[0], ids[1]);
    for id in ids {
        let parts: Vec<_> = id.split('-').collect();
        assert_eq!(
            parts.iter().map(|part| part.len()).collect::<Vec<_>>(),
            [8, 4, 4, 4, 12],
            "{id}"
        );
        assert!(parts.concat().chars().all(|c| c.is_ascii_hexdigit()), "{id}");
        assert!(parts[2].starts_with('4') && parts[3].starts_with(['8', '9', 'a', 'b']), "{id}");
    }
}

#[test]
fn next_before_the_reply_returns_the_same_event() {
    let emulator = start();
    ready(&emulator);
    let invocation = invoke(&emulator, "[1]", || {
        let (first, second) = (next(&emulator), next(&emulator));
        assert_eq!(first.text(), second.text());
        assert_eq!(first.header("request_id").unwrap(), second.header("request_id").unwrap());
        reply(&emulator, "done");
    });
    assert_eq!(invocation.reply.unwrap(), b"done");
}

#[test]
fn only_the_first_reply_counts() {
    let emulator = start();
    ready(&emulator);
    let invocation = invoke(&emulator, "1", || {
        next(&emulator);
        reply(&emulator, "first");
        assert_eq!(reply(&emulator, "second"), 200);
        assert_eq!(call(&emulator, "POST /runtime/invocation/error", "third").status(), 200);
    });
    assert_eq!(invocation.reply.unwrap(), b"first");
    let late = emulator.logs().iter().filter(|line| line.text.contains("already finished")).count();
    assert_eq!(late, 2);
    // A late reply does not count for the next event, which is not fetched yet.
    let invocation = invoke(&emulator, "2", || {
        reply(&emulator, "late");
        next(&emulator);
        reply(&emulator, "in time");
    });
    assert_eq!(invocation.reply.unwrap(), b"in time");
}

#[test]
fn reported_error_is_a_430_and_is_logged() {
    let emulator = start();
    ready(&emulator);
    let invocation = invoke(&emulator, "1", || {
        next(&emulator);
        assert_eq!(call(&emulator, "POST /runtime/invocation/error", "the cause").status(), 200);
    });
    let failure = invocation.reply.unwrap_err();
    assert_eq!((failure.status, failure.report.as_deref()), (430, Some(&b"the cause"[..])));
    assert!(!failure.message.contains("the cause"));
    assert!(emulator.logs().iter().any(|line| line.text.contains("the cause")));
}

#[test]
fn forbidden_calls_are_rejected_with_a_message() {
    let emulator = start();
    let check = |line: &str, body: &str, status: u16, message: &str| {
        let response = call(&emulator, line, body);
        assert_eq!(response.status(), status, "{line}");
        assert!(response.text().contains(message), "{line}: {}", response.text());
        let logs = emulator.logs();
        assert!(logs.last().unwrap().text.contains(message), "{line}: {logs:?}");
    };
    check("POST /runtime/invocation/response", "x", 400, "without an event");
    check("POST /runtime/invocation/error", "x", 400, "without an event");
    check("GET /runtime/init/ready", "", 405, "POST /runtime/init/ready");
    check("POST /runtime/invocation/next", "", 405, "GET /runtime/invocation/next");
    check("HEAD /runtime/invocation/next", "", 405, "");
    check("PUT /runtime/invocation/response", "x", 405, "POST /runtime/invocation/response");
    check("GET /2018-06-01/runtime/invocation/next", "", 404, "API of AWS Lambda");
    check("POST /runtime/init/ready/", " ", 404, "unknown call");
}

#[test]
fn empty_ready_is_accepted_with_one_warning() {
    let emulator = start();
    for _ in 0..2 {
        assert_eq!(call(&emulator, "POST /runtime/init/ready", "").status(), 200);
    }
    assert_eq!(logs(&emulator).matches("accepted with an empty body").count(), 1);
    let invocation = invoke(&emulator, "1", || {
        next(&emulator);
        reply(&emulator, "");
    });
    assert_eq!(invocation.reply.unwrap(), b"");
}

#[test]
fn post_without_a_length_is_a_411_and_named_in_the_450() {
    let mut settings = Settings::in_process();
    settings.limits.init = Duration::from_secs(1);
    let emulator = settings.start("127.0.0.1:0").unwrap();
    for path in ["/runtime/init/ready", "/runtime/invocation/response"] {
        let mut client = Wire::connect(emulator.runtime_api());
        client.send(format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        assert_eq!(client.response().status(), 411);
    }
    let failure = emulator.invoke("1").reply.unwrap_err();
    let expected = "it was rejected: POST /runtime/init/ready: missing Content-Length";
    assert!(failure.status == 450 && failure.message.contains(expected), "{}", failure.message);
}

#[test]
fn requests_that_no_server_takes_have_a_line() {
    let emulator = start();
    let check = |address: SocketAddr, request: &str, status: u16, line: &str| {
        let mut client = Wire::connect(address);
        client.send(request);
        assert_eq!(client.last_response().status(), status, "{line}");
        assert!(poll(WAIT_LIMIT, || logs(&emulator).contains(line)), "{}", logs(&emulator));
    };
    let address = address(&emulator);
    check(address, &format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(70_000)), 414, "URI too long");
    check(address, "GET / HTTP/1.1\r\nbad header\r\n\r\n", 400, "rejected a request: ");
    check(emulator.runtime_api(), "G@T / HTTP/1.1\r\n\r\n", 400, "method parsed");

    // Its rest is not read, which may reset the connection before the client has the 431.
    let mut client = Wire::connect(address);
    client.send(format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(500_000)));
    let line = "message head is too large";
    assert!(poll(WAIT_LIMIT, || logs(&emulator).contains(line)), "{}", logs(&emulator));
}

#[test]
fn browsers_cannot_call_the_runtime_api() {
    let emulator = start();
    let check = |line: &str, headers: &[&str]| {
        let response = send_to(emulator.runtime_api(), line, headers, b" ");
        assert_eq!(response.status(), 403, "{line}");
    };
    check("POST /runtime/init/ready", &["Origin: https://evil.example"]);
    // A link would fetch the function's event.
    let link = ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"];
    check("GET /runtime/invocation/next", &link);
}

#[test]
fn next_waits_until_the_function_is_ready() {
    let emulator = start();
    let invocation = invoke(&emulator, "1", || {
        thread::scope(|scope| {
            let event = scope.spawn(|| next(&emulator));
            let warning = "before POST /runtime/init/ready";
            let is_logged = || emulator.logs().iter().any(|line| line.text.contains(warning));
            assert!(poll(WAIT_LIMIT, is_logged));
            assert!(!event.is_finished());
            ready(&emulator);
            assert_eq!(event.join().unwrap().text(), "1");
            reply(&emulator, "done");
        });
    });
    assert_eq!(invocation.reply.unwrap(), b"done");
}

#[test]
fn ready_may_be_repeated() {
    let emulator = start();
    ready(&emulator);
    ready(&emulator);
    assert!(emulator.logs().iter().any(|line| line.text.contains("already ready")));
}

#[test]
fn event_must_be_json_of_at_most_6_mb() {
    let emulator = start();
    for event in ["", "no", "{", "\u{feff}{}"] {
        assert_eq!(emulator.invoke(event).reply.unwrap_err().status, 400, "{event:?}");
    }
    assert_eq!(
        emulator.invoke(vec![b' '; scf_emulator::MAX_BYTES + 1]).reply.unwrap_err().status,
        406
    );
}

#[test]
fn reply_after_the_time_limit_is_ignored() {
    let mut settings = Settings::in_process();
    settings.limits.time = Duration::from_secs(1);
    let emulator = settings.start("127.0.0.1:0").unwrap();
    ready(&emulator);
    let failure = invoke(&emulator, "1", || drop(next(&emulator))).reply.unwrap_err();
    assert_eq!(
        (failure.status, failure.message.as_str()),
        (433, "Invoking task timed out after 1 seconds")
    );
    assert_eq!(reply(&emulator, "late"), 200);
    let invocation = invoke(&emulator, "2", || {
        assert_eq!(next(&emulator).text(), "2");
        reply(&emulator, "in time");
    });
    assert_eq!(invocation.reply.unwrap(), b"in time");
}
