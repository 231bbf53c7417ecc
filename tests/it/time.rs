//! Time limits: an answer in time, or an error in time.

use std::time::Duration;

use serde_json::json;
use testkit::{Authority, Gate, Listener, Turn, Upstream, chat, each, http};

use crate::support::App;

const EVENTS: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
const JSON: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";

/// The platform kills an instance that is late, so that the reply itself proves the point.
#[test]
fn deadline_error_comes_before_the_platform_kills_the_instance() {
    let upstream = Upstream::always(Turn::silent());
    let reply = App::new(&upstream).set("ASK_TIMEOUT", "60").limit(3.0).start().ask("hi");
    reply.assert_error(504, "deadline");
    assert!(reply.duration >= Duration::from_secs_f64(2.7), "{:?}", reply.duration);
}

#[test]
fn every_wait_is_within_the_time_limit() {
    let listener = Listener::bind();
    let silent = listener.address();
    let authority = Authority::new();
    let root = authority.file();
    let trickles = |first: &str, piece: &str| Upstream::always(Turn::from(first).trickle(piece));
    let upstreams = [
        trickles("HTTP/1.1 200 OK\r\nx-a: ", "a"),
        trickles(JSON, " "),
        trickles(&format!("{JSON}{{\"choices\":[{{\"message\":{{\"content\":\""), "a"),
        trickles("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n"),
        Upstream::with_tls([Turn::silent()], authority.server("127.0.0.1")),
    ];
    let mut rows = upstreams.each_ref().map(|upstream| upstream.url("")).to_vec();
    rows.extend([format!("http://{silent}"), format!("https://{silent}")]);
    each(&rows, |url| {
        let app = App::at(url).set("SSL_CERT_FILE", root.path()).set("ASK_TIMEOUT", "1");
        let reply = app.start().ask("hi");
        reply.assert_error(504, "deadline");
        assert!(reply.duration >= Duration::from_secs(1), "{url}: {:?}", reply.duration);
        assert!(reply.log_line()["ms"].as_u64() < Some(10_000), "{url}: {}", reply.log_line());
    });
}

/// The platform kills an instance that is late, so that the reply itself proves the point.
#[test]
fn unread_request_ends_at_the_deadline() {
    let silent = Listener::bind();
    // More than the buffers of two sockets hold.
    let question = "x".repeat(5 << 20);
    let app = App::at(silent.url("")).set("ASK_MAX_QUESTION", "6000000").limit(6.0).start();
    app.post("text/plain", &question).assert_error(504, "deadline");
}

#[test]
fn shorter_ask_timeout_counts() {
    let upstream = Upstream::always(Turn::silent());
    let app = App::new(&upstream).set("ASK_TIMEOUT", "0.5").start();
    let reply = app.ask("hi");
    reply.assert_error(504, "deadline");
    assert!(reply.duration >= Duration::from_millis(500), "{:?}", reply.duration);
    assert!(reply.duration < Duration::from_secs(30), "{:?}", reply.duration);
    assert!(reply.text().contains("ASK_TIMEOUT"), "{}", reply.text());
    // The instance survives.
    assert!(app.emulator.pid().is_some());
}

#[test]
fn partial_answer_is_returned_at_the_deadline() {
    let begun = [EVENTS, &chat::event("你"), &chat::event("好，")].concat();
    let upstream = Upstream::always(Turn::from(begun).hold());
    let app = App::new(&upstream).set("ASK_PARTIAL", "1").set("ASK_TIMEOUT", "1").start();
    let reply = app.ask("hi");
    reply.assert_answer("你好，");
    assert_eq!(reply.header("x-finish-reason"), Some("deadline"));
    assert_eq!(reply.header("x-model"), Some(chat::MODEL));
    let json = app.get(&[("q", "hi"), ("format", "json")], &[]).json();
    assert_eq!((&json["text"], &json["finish_reason"]), (&json!("你好，"), &json!("deadline")));
    for request in upstream.requests() {
        assert_eq!(request.json()["stream"], true);
    }
}

#[test]
fn empty_partial_answer_is_a_deadline_error() {
    let rows = [
        String::new(),
        EVENTS.to_owned(),
        format!("{EVENTS}: keep-alive\n\n"),
        format!("{EVENTS}data: {{\"choices\":[{{\"delta\":{{\"content\":\"cut"),
    ];
    each(&rows, |text| {
        let upstream = Upstream::always(Turn::from(text.clone()).hold());
        let app = App::new(&upstream).set("ASK_PARTIAL", "1").set("ASK_TIMEOUT", "0.5").start();
        app.ask("hi").assert_error(504, "deadline");
    });
}

#[test]
fn stream_that_ends_in_time_is_the_whole_answer() {
    let last = json!({"model": "m", "choices": [{"delta": {}, "finish_reason": "length"}]});
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}});
    let (one, two) = (chat::event("a "), chat::event("b\n"));
    let whole = format!("{EVENTS}{one}{two}data: {last}\n\ndata: {usage}\n\n{}", chat::DONE);
    // Cut anywhere, within characters too.
    let bytewise = whole.bytes().fold(Turn::default(), |turn, byte| turn.send([byte]));
    let upstream = Upstream::new([Turn::from(whole), bytewise]);
    let app = App::new(&upstream).set("ASK_PARTIAL", "true").start();
    for _ in 0..2 {
        let reply = app.ask("hi");
        reply.assert_answer("a b\n");
        assert_eq!(reply.header("x-finish-reason"), Some("length"));
        let line = reply.log_line();
        assert_eq!((&line["prompt_tokens"], &line["completion_tokens"]), (&json!(3), &json!(4)));
    }
}

#[test]
fn last_event_of_a_stream_needs_no_empty_line() {
    let last = json!({"choices": [{"delta": {"content": "b"}, "finish_reason": "stop"}]});
    let stream = format!("{EVENTS}{}data: {last}", chat::event("a "));
    let upstream = Upstream::always(Turn::from(stream).close());
    App::new(&upstream).set("ASK_PARTIAL", "1").start().ask("hi").assert_answer("a b");
}

#[test]
fn upstream_that_does_not_stream_is_read_whole() {
    let completion = r#"{"choices":[{"message":{"content":"Yes."},"finish_reason":"stop"}]}"#;
    // Some providers send blanks while the model thinks.
    let blanks = http::chunked(format!("\n\n  {completion}").as_bytes(), 2);
    let head = "HTTP/1.1 200 OK\r\ncontent-type: Application/JSON; charset=utf-8\r\n\
        transfer-encoding: chunked\r\n\r\n";
    let upstream = Upstream::new([
        chat::completion("Yes."),
        [head.as_bytes(), &blanks].concat(),
        http::response(200, &["content-type: text/plain"], completion),
        http::response(200, &[], completion),
        chat::error(401, "invalid_api_key", "no"),
        http::response(200, &["content-type: text/html"], "<html>"),
    ]);
    let app = App::new(&upstream).set("ASK_PARTIAL", "1").start();
    for _ in 0..4 {
        let reply = app.ask("hi");
        reply.assert_answer("Yes.");
        assert_eq!(reply.header("x-finish-reason"), None);
    }
    app.ask("hi").assert_error(502, "upstream_key");
    app.ask("hi").assert_error(502, "upstream_failed");
}

#[test]
fn cut_or_failed_stream_is_an_error() {
    let half = chat::event("half");
    let busy = json!({"error": {"message": "slow down", "code": "rate_limit_exceeded"}});
    let rows = [
        (format!("{EVENTS}{half}"), "upstream_failed"),
        (
            format!("{EVENTS}{half}data: {{\"error\":{{\"message\":\"oops\"}}}}\n\n"),
            "upstream_failed",
        ),
        (format!("{EVENTS}{half}data: {busy}\n\n"), "upstream_busy"),
        (format!("{EVENTS}data: [DONE]\n\n"), "answer_empty"),
        (format!("{EVENTS}data: nonsense\n\n"), "upstream_failed"),
    ];
    each(&rows, |(text, code)| {
        let upstream = Upstream::always(Turn::from(text.clone()).close());
        let reply = App::new(&upstream).set("ASK_PARTIAL", "1").start().ask("hi");
        assert_eq!(reply.header("x-error-code"), Some(*code), "{text}");
    });
}

/// The gate holds the rest of the answer back until the deadline has passed.
#[test]
fn late_answer_is_cut_and_the_next_one_is_whole() {
    let gate = Gate::default();
    let begun = [EVENTS, &chat::event("in time")].concat();
    let upstream = Upstream::new([
        Turn::from(begun).wait(&gate).send([&chat::event("late"), chat::DONE].concat()).close(),
        Turn::from(chat::completion("Yes.")),
    ]);
    let app = App::new(&upstream).set("ASK_PARTIAL", "1").set("ASK_TIMEOUT", "1").start();
    app.ask("hi").assert_answer("in time");
    gate.open();
    app.ask("hi").assert_answer("Yes.");
}

#[test]
fn log_line_has_the_times() {
    let upstream = Upstream::always(Turn::silent());
    let line = App::new(&upstream).set("ASK_TIMEOUT", "0.4").start().ask("hi").log_line();
    let (ms, upstream_ms) = (line["ms"].as_u64().unwrap(), line["upstream_ms"].as_u64().unwrap());
    assert!(upstream_ms >= 390 && ms >= upstream_ms && ms < 30_000, "{line}");
}
