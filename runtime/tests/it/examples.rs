//! The examples on the local platform, as processes.
//!
//! `cargo test` builds the examples of all enabled features; `cargo test --test it` does not.

use std::env;
use std::path::PathBuf;

use scf_emulator::{Emulator, Function, Settings};
use testkit::{Response, Wire};

fn start(example: &str) -> Emulator {
    // This test is in `deps/`, next to `examples/`.
    let test = env::current_exe().unwrap();
    let program: PathBuf = test.parent().unwrap().with_file_name("examples").join(example);
    Settings::new(Function::new(program)).start("127.0.0.1:0").unwrap()
}

#[track_caller]
fn check(emulator: &Emulator, event: &str, reply: &str) {
    let invocation = emulator.invoke(event);
    assert_eq!(invocation.reply.map(|reply| String::from_utf8(reply).unwrap()), Ok(reply.into()));
    assert!(invocation.log.is_empty(), "{:?}", invocation.log);
}

fn ask(emulator: &Emulator, request: &str) -> Response {
    let url = emulator.url();
    let mut client = Wire::connect(url.trim_start_matches("http://").parse().unwrap());
    let (line, body) = request.split_once('\n').unwrap_or((request, ""));
    let host = url.trim_start_matches("http://");
    let length = body.len();
    client
        .send(format!("{line} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n{body}"));
    client.response()
}

#[test]
fn json_example_bills_an_order() {
    let emulator = start("json");
    check(&emulator, r#"{"pieces": 3, "price": 5}"#, r#"{"total":15}"#);
    let invocation = emulator.invoke(r#"{"pieces": 3}"#);
    let report = String::from_utf8(invocation.reply.unwrap_err().report.unwrap()).unwrap();
    assert!(report.contains("invalid event: missing field `price`"), "{report}");
}

#[test]
fn http_example_divides() {
    let emulator = start("http");
    let response = ask(&emulator, "GET /?dividend=7&divisor=2");
    assert_eq!((response.status(), response.text().as_str()), (200, r#"{"quotient":3,"rest":1}"#));
    assert_eq!(response.header("content-type"), Some("application/json"));
    let response = ask(&emulator, "GET /?dividend=seven&divisor=2");
    let text = "dividend is missing or not a number\n";
    assert_eq!((response.status(), response.text().as_str()), (400, text));
    assert_eq!(ask(&emulator, "GET /?dividend=7&divisor=0").status(), 430);
}

#[cfg(feature = "events")]
#[test]
fn timer_example_keeps_its_state() {
    let emulator = start("timer");
    let event = r#"{"Type": "Timer", "TriggerName": "daily", "Time": "2026-11-22T00:00:00Z"}"#;
    check(&emulator, event, r#""daily: event 1 (cold)""#);
    check(&emulator, event, r#""daily: event 2""#);
}

#[cfg(feature = "tokio")]
#[test]
fn async_example_waits_within_the_time_limit() {
    let emulator = start("async");
    check(&emulator, "[20, 10]", "20");
    let report = emulator.invoke("[20, 3600000]").reply.unwrap_err().report;
    let report = String::from_utf8(report.unwrap()).unwrap();
    assert!(report.contains("the time limit is too short"), "{report}");
    check(&emulator, "[0, 1]", "1");
}

#[cfg(feature = "tower")]
#[test]
fn axum_example_routes_requests() {
    let emulator = start("axum");
    let hello = ask(&emulator, "GET /hello/%E4%BD%A0");
    assert!(hello.text().starts_with("Hello, 你, from "), "{}", hello.text());
    assert_eq!(hello.header("content-type"), Some("text/plain; charset=utf-8"));
    let echo = ask(&emulator, "POST /echo\n{\"a\": 1}");
    assert_eq!((echo.status(), echo.text().as_str()), (200, "{\"a\": 1}"));
    assert_eq!(ask(&emulator, "GET /elsewhere").status(), 404);
    assert_eq!(ask(&emulator, "GET /fail").status(), 430);
}
