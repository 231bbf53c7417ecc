//! The question endpoint, streamed: pieces, keep-alives, and ends before the end.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{chat, http};

use crate::support::*;

/// The beginning of a stream, with this piece.
fn begin(text: &str) -> String {
    [chat::STREAM, &chat::piece(text)].concat()
}

#[test]
fn answer_is_sent_as_it_is_written() {
    let (listener, app) = start_app();
    let (mut client, mut upstream, _) = app.ask(&listener, "/?q=hi", "");
    upstream.send(begin("你"));
    let head = client.head();
    assert_eq!(head.status(), 200);
    for (name, value) in [
        ("content-type", "text/plain; charset=utf-8"),
        ("x-model", chat::MODEL),
        ("x-accel-buffering", "no"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(head.header(name), Some(value), "{name}");
    }
    assert_eq!(client.chunk(), "你");
    upstream.send(chat::piece("好！"));
    assert_eq!(client.chunk(), "好！");
    assert!(app.stdout.rest().is_empty(), "logged before the end of the response");
    upstream.send(chat::finish());
    assert_eq!(client.chunk(), "");
    let line = app.log_line();
    for (name, value) in [
        ("path", json!("/")),
        ("status", json!(200)),
        ("code", Value::Null),
        ("model", json!(chat::MODEL)),
        ("attempts", json!(1)),
        ("prompt_tokens", json!(3)),
        ("completion_tokens", json!(5)),
    ] {
        assert_eq!(line[name], value, "{line}");
    }
    assert!(line.get("question").is_none() && line.get("answer").is_none(), "{line}");

    // Both connections are used again.
    client.send(request("GET /ask?q=again", ""));
    upstream.request();
    upstream.send(begin("Yes.") + &chat::finish());
    client.head();
    assert_eq!([client.chunk(), client.chunk()], ["Yes.", ""]);
    listener.assert_unused();
}

/// Returns the content type and the chunks of an answer in two pieces.
fn chunks(target: &str, headers: &str) -> (String, Vec<String>) {
    let (listener, app) = start_app();
    let (mut client, mut upstream, _) = app.ask(&listener, target, headers);
    upstream.send(begin("<b>"));
    let head = client.head();
    let mut chunks = vec![client.chunk()];
    upstream.send(chat::piece("\n!"));
    chunks.push(client.chunk());
    upstream.send(chat::finish());
    while chunks.last().is_some_and(|chunk| !chunk.is_empty()) {
        chunks.push(client.chunk());
    }
    (head.header("content-type").unwrap().to_owned(), chunks)
}

#[test]
fn sse_and_ndjson_are_sent_in_pieces() {
    let (content_type, sse) = chunks("/?q=hi", "Accept: text/event-stream\r\n");
    assert_eq!(content_type, "text/event-stream");
    let expected = [
        "id: 1\ndata: {\"text\":\"<b>\"}\n\n",
        "id: 2\ndata: {\"text\":\"\\n!\"}\n\n",
        "data: [DONE]\n\n",
        "",
    ];
    assert_eq!(sse, expected);

    let (content_type, ndjson) = chunks("/?q=hi&format=ndjson", "");
    assert_eq!(content_type, "application/x-ndjson");
    let expected = [
        "{\"type\":\"begin\"}\n{\"content\":\"<b>\",\"type\":\"item\"}\n",
        "{\"content\":\"\\n!\",\"type\":\"item\"}\n",
        "{\"type\":\"end\"}\n",
        "",
    ];
    assert_eq!(ndjson, expected);
}

/// Returns the rest of an answer that is cut after its first piece, and its log line.
fn cut(format: &str) -> (String, Value) {
    let (listener, app) = start_app();
    let target = format!("/?q=hi&format={format}");
    let (mut client, mut upstream, _) = app.ask(&listener, &target, "Connection: close\r\n");
    upstream.send(begin("One"));
    assert_eq!(client.head().status(), 200);
    client.chunk();
    upstream.close();
    (client.rest(), app.log_line())
}

#[test]
fn cut_answer_ends_with_an_error() {
    let (rest, line) = cut("sse");
    assert!(rest.contains("data: {\"error\":\"") && !rest.contains("[DONE]"), "{rest}");
    assert_eq!(line["code"], "upstream_failed");
    let (rest, _) = cut("ndjson");
    assert!(rest.contains("\"type\":\"error\"") && !rest.contains("\"end\""), "{rest}");
    let (rest, line) = cut("text");
    assert_eq!(rest, "", "text ends as if it were complete");
    assert_eq!((&line["status"], &line["code"]), (&json!(200), &json!("upstream_failed")));
}

#[test]
fn text_before_the_cut_is_sent() {
    let (listener, app) = start_app();
    let (mut client, mut upstream, _) = app.ask(&listener, "/?q=hi", "");
    // In one packet.
    upstream.send(begin("One") + &http::chunk("data: {\"error\":\"broken\"}\n\n"));
    assert_eq!(client.head().status(), 200);
    assert_eq!(client.chunk(), "One");
    assert_eq!(client.rest(), "");
}

#[test]
fn error_within_a_stream_is_redacted_and_sent() {
    let (listener, app) = start_app();
    let (mut client, mut upstream, _) =
        app.ask(&listener, "/?q=hi", "Accept: text/event-stream\r\n");
    let error = json!({"error": {"message": format!("broken, {KEY}"), "code": "server_error"}});
    upstream.send(begin("One") + &http::chunk(&format!("data: {error}\n\n")));
    client.head();
    assert!(client.chunk().contains("One"));
    let last = client.chunk();
    assert!(last.starts_with("data: {\"error\":") && !last.contains("Zq7"), "{last}");
    assert_eq!(client.chunk(), "");
}

#[test]
fn deadline_is_an_error_before_and_within_an_answer() {
    let listener = Listener::bind();
    let app = App::new(&listener).set("ASK_TIMEOUT", "0.5").start();
    let (mut client, mut upstream, _) = app.ask(&listener, "/?q=hi", "");
    client.response().assert_error(504, "deadline");
    upstream.assert_closes_within(Duration::from_secs(1));

    let (mut client, mut upstream, _) = app.ask(&listener, "/?q=hi&format=sse", "");
    upstream.send(begin("One"));
    client.head();
    assert!(client.chunk().contains("One"));
    assert!(client.chunk().starts_with("data: {\"error\":"));
    assert_eq!(client.chunk(), "");
    upstream.assert_closes_within(Duration::from_secs(1));
}

#[test]
fn partial_answer_is_complete_at_the_deadline_if_configured() {
    let listener = Listener::bind();
    let app = App::new(&listener).set("ASK_TIMEOUT", "0.5").set("ASK_PARTIAL", "1").start();
    let (mut client, mut upstream, _) = app.ask(&listener, "/?q=hi&format=sse", "");
    upstream.send(begin("One"));
    client.head();
    assert!(client.chunk().contains("One"));
    let end = client.chunk();
    assert!(end.contains("\"finish_reason\":\"deadline\"") && end.ends_with(chat::DONE), "{end}");
    assert_eq!(client.chunk(), "");

    let (mut client, mut upstream, asked) = app.ask(&listener, "/?q=hi&format=json", "");
    assert_eq!(asked.json()["stream"], true);
    upstream.send(begin("One"));
    let response = client.response();
    assert_eq!(response.header("x-finish-reason"), Some("deadline"));
    assert_eq!(response.json()["text"], "One");
}

#[test]
fn client_that_leaves_ends_the_upstream_request() {
    let (listener, app) = start_app();
    let (client, mut upstream, _) = app.ask(&listener, "/?q=hi", "");
    client.close();
    upstream.assert_closes_within(Duration::from_secs(1));
    assert_eq!(app.log_line()["code"], "caller_left");

    let (mut client, mut upstream, _) = app.ask(&listener, "/?q=hi", "");
    upstream.send(begin("One"));
    client.head();
    client.close();
    upstream.assert_closes_within(Duration::from_secs(1));
    assert_eq!(app.log_line()["code"], "caller_left");
}

#[test]
fn question_and_answer_are_logged_if_configured() {
    let listener = Listener::bind();
    let app = App::new(&listener).set("ASK_LOG_TEXT", "1").start();
    let (mut client, mut upstream, _) = app.ask(&listener, "/?q=hi", "");
    upstream.send(begin("One ") + &chat::piece("two.") + &chat::finish());
    client.head();
    let line = app.log_line();
    assert_eq!((&line["question"], &line["answer"]), (&json!("hi"), &json!("One two.")));
}

#[test]
fn stop_finishes_an_answer() {
    let (listener, app) = start_app();
    let (mut client, mut upstream, _) = app.ask(&listener, "/?q=hi", "");
    upstream.send(begin("One"));
    client.head();
    assert_eq!(client.chunk(), "One");
    app.signal("TERM");
    app.wait_until_refusing();
    upstream.send(chat::finish());
    assert_eq!(client.chunk(), "");
    assert!(app.wait().success());
}

#[test]
fn sse_sends_keep_alive_while_idle() {
    let (listener, app) = start_app();
    let ask = || app.ask(&listener, "/?q=hi", "Accept: text/event-stream\r\n");
    // A model that thinks before it writes, one that pauses, and one that fails late.
    let (mut thinking, mut thinker, _) = ask();
    let (mut pausing, mut pauser, _) = ask();
    let (mut failing, mut failer, _) = ask();

    let thought = json!({"choices": [{"delta": {"content": null, "reasoning_content": "hm"}}]});
    thinker.send(chat::STREAM.to_owned() + &http::chunk(&format!("data: {thought}\n\n")));
    pauser.send(begin("One"));
    pausing.head();
    assert!(pausing.chunk().contains("One"));

    for client in [&mut thinking, &mut failing] {
        assert_eq!(client.head().status(), 200);
    }
    for client in [&mut thinking, &mut pausing, &mut failing] {
        assert_eq!(client.chunk(), ": keep-alive\n\n");
    }
    thinker.send(chat::piece("Two") + chat::END);
    assert!(thinking.chunk().contains("Two"));
    assert_eq!(thinking.chunk(), chat::DONE);
    failer.send(chat::error(401, "invalid_api_key", "no"));
    assert!(failing.chunk().starts_with("data: {\"error\":"));
    assert_eq!(failing.chunk(), "");
}
