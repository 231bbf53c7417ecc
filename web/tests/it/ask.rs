//! The question endpoint: questions, complete answers, errors, retries, and limits.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{chat, http};

use crate::support::*;

#[test]
fn question_becomes_one_request_to_the_upstream() {
    let listener = Listener::bind();
    let app = App::new(&listener).set("OPENAI_MODEL", "m").set("ASK_SYSTEM_PROMPT", "Be brief.");
    let (_, _, asked) = app.start().ask(&listener, "/?question=%E4%BD%A0%E5%A5%BD", "");
    assert_eq!(asked.line(), "POST /v1/chat/completions HTTP/1.1");
    assert_eq!(asked.header("host"), Some(listener.address().to_string().as_str()));
    assert_eq!(asked.header("authorization"), Some(BEARER));
    let messages =
        json!([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "你好"}]);
    assert_eq!(asked.json(), json!({"model": "m", "messages": messages, "stream": true}));
}

#[test]
fn json_is_sent_whole_and_asked_for_whole() {
    let (listener, app) = start_app();
    let (mut client, mut upstream, asked) = app.ask(&listener, "/?q=hi&format=json", "");
    assert!(asked.json().get("stream").is_none(), "{asked:?}");
    upstream.send(chat::completion("Hello."));
    let body = client.response().json();
    assert_eq!((body["text"].as_str(), body["output"].as_str()), (Some("Hello."), Some("Hello.")));
}

#[test]
fn upstream_that_does_not_stream_is_read_under_any_content_type() {
    let (listener, app) = start_app();
    let completion = String::from_utf8(chat::completion("Hello.")).unwrap();
    for content_type in ["application/json; charset=utf-8", "text/plain", "text/event-stream"] {
        let (mut client, mut upstream, _) = app.ask(&listener, "/?q=hi", "");
        let close = format!("{content_type}\r\nconnection: close");
        upstream.send(completion.replace("application/json", &close));
        assert_eq!(client.response().text(), "Hello.", "{content_type}");
    }
}

#[test]
fn error_before_the_first_piece_is_a_status() {
    let (listener, app) = start_app();
    let error = |status, code| chat::error(status, code, &format!("No, {KEY}."));
    let stream = |rest: &str| [chat::STREAM, rest].concat().into_bytes();
    for (reply, code) in [
        (error(401, "invalid_api_key"), "upstream_key"),
        (error(404, "model_not_found"), "upstream_model"),
        (error(400, "x"), "upstream_refused"),
        (http::response(302, &["location: /x"], ""), "upstream_refused"),
        (stream(chat::END), "answer_empty"),
        (stream(&chat::finish()), "answer_empty"),
    ] {
        let (mut client, mut upstream, _) = app.ask(&listener, "/?q=hi", "Connection: close\r\n");
        upstream.send(&reply);
        upstream.close();
        let response = client.response();
        response.assert_error(502, code);
        assert!(!response.text().contains("Zq7"), "{}", response.text());
        assert_eq!(app.log_line()["code"], code);
    }
}

#[test]
fn transient_error_is_retried_and_the_next_key_used_at_once() {
    let listener = Listener::bind();
    let app = App::new(&listener).set("OPENAI_API_KEY", "sk-first-Qq1,sk-second-Ww2").start();
    let (mut client, mut upstream, asked) = app.ask(&listener, "/?q=hi", "");
    // The first key is chosen at random.
    let keys = ["Bearer sk-first-Qq1", "Bearer sk-second-Ww2"];
    let first = keys.iter().position(|key| asked.header("authorization") == Some(key)).unwrap();
    upstream.send(chat::error(401, "invalid_api_key", "no"));
    assert_eq!(upstream.request().header("authorization"), Some(keys[1 - first]));
    upstream.send(http::response(503, &["retry-after: 0"], ""));
    upstream.request();
    upstream.send(chat::completion("At last."));
    assert_eq!(client.response().text(), "At last.");
    assert_eq!(app.log_line()["attempts"], 3);
}

#[test]
fn closed_connection_costs_no_attempt() {
    let (listener, app) = start_app();
    let (mut client, mut upstream, _) = app.ask(&listener, "/?q=hi", "");
    upstream.send(chat::completion("One."));
    assert_eq!(client.response().text(), "One.");
    // It closes only with the next request.
    client.send(request("GET /?q=hi", ""));
    upstream.request();
    upstream.close();
    let mut upstream = listener.accept();
    upstream.request();
    upstream.send(chat::completion("Two."));
    assert_eq!(client.response().text(), "Two.");
    app.log_line();
    assert_eq!(app.log_line()["attempts"], 1);
}

#[test]
fn platform_limit_counts_on_the_platform_alone() {
    let listener = Listener::bind();
    let limit = "X-Scf-Timeout: 400\r\n";
    let on_scf = App::new(&listener).set("TENCENTCLOUD_RUNENV", "SCF").start();
    let (mut client, _upstream, _) = on_scf.ask(&listener, "/?q=hi", limit);
    assert_eq!(client.head().status(), 504);

    let elsewhere = App::new(&listener).start();
    let (mut client, mut upstream, _) = elsewhere.ask(&listener, "/?q=hi", limit);
    client.assert_silent_for(Duration::from_millis(600));
    upstream.send(chat::completion("Late."));
    assert_eq!(client.head().status(), 200);
}

#[test]
fn question_over_6_mb_is_rejected() {
    let (listener, app) = start_app();
    let post = |headers: &str| {
        app.send(&request("POST /", &format!("Content-Type: text/plain\r\n{headers}")))
    };
    post("Content-Length: 7000000\r\n").response().assert_error(413, "question_too_long");
    let mut client = post("Transfer-Encoding: chunked\r\n");
    client.send(http::chunk(&"x".repeat(7_000_000)));
    assert_eq!(client.head().status(), 413);
    listener.assert_unused();
}

#[test]
fn question_is_posted_in_any_form() {
    let (listener, app) = start_app();
    let mut kept: Option<Wire> = None;
    for (content_type, body) in [
        ("text/plain", "What is Rust?"),
        ("application/json", "{\"question\":\"What is Rust?\"}"),
        ("application/x-www-form-urlencoded", "What is Rust?"),
        ("application/json", "{\"messages\":[{\"role\":\"user\",\"text\":\"What is Rust?\"}]}"),
    ] {
        let headers = format!("Content-Type: {content_type}\r\nContent-Length: {}\r\n", body.len());
        let mut client = app.send(&(request("POST /ask", &headers) + body));
        let upstream = kept.get_or_insert_with(|| listener.accept());
        assert_eq!(upstream.request().json()["messages"][0]["content"], "What is Rust?", "{body}");
        upstream.send(chat::completion("A language."));
        assert_eq!(client.head().status(), 200);
    }
}

#[test]
fn rate_limit_counts_by_client_address() {
    let listener = Listener::bind();
    let limited = App::new(&listener).set("ASK_RATE", "1");
    let from = |address: &str| format!("X-Scf-Remote-Addr: {address}\r\n");
    let app = limited.clone().start();
    let (mut client, mut upstream, _) = app.ask(&listener, "/?q=hi", &from("203.0.113.7"));
    upstream.send(chat::completion("One."));
    assert_eq!(client.head().status(), 200);
    // Elsewhere than on the platform the header does not count.
    let response = app.send(&request("GET /?q=hi", &from("203.0.113.8"))).response();
    response.assert_error(429, "rate");
    assert!(response.header("retry-after").is_some());

    let on_scf = limited.set("TENCENTCLOUD_RUNENV", "SCF").start();
    let mut kept: Option<Wire> = None;
    for address in ["203.0.113.7:5", "203.0.113.8:6"] {
        let mut client = on_scf.send(&request("GET /?q=hi", &from(address)));
        let upstream = kept.get_or_insert_with(|| listener.accept());
        upstream.request();
        upstream.send(chat::completion("One."));
        assert_eq!(client.head().status(), 200, "{address}");
    }
    let mut client = on_scf.send(&request("GET /?q=hi", &from("203.0.113.8:7")));
    assert_eq!(client.head().status(), 429);
}

#[test]
fn requests_without_a_question_never_reach_the_model() {
    let (listener, app) = start_app();
    let text = Some("text/plain; charset=utf-8");
    for (line, headers, status, content_type) in [
        ("GET /", "Accept: text/html\r\n", 200, Some("text/html; charset=utf-8")),
        ("GET /widget.js", "", 200, Some("text/javascript; charset=utf-8")),
        ("GET /chat.js", "", 200, Some("text/javascript; charset=utf-8")),
        ("GET /robots.txt", "", 200, text),
        ("GET /favicon.ico", "", 404, None),
        ("GET /apple-touch-icon-precomposed.png", "", 404, None),
        ("HEAD /?q=hi", "", 200, text),
        ("OPTIONS /ask", "Origin: http://localhost\r\n", 204, None),
        ("DELETE /", "", 405, text),
        ("GET /?q=hi", "Purpose: prefetch\r\n", 503, text),
        ("GET /?q=hi", "Last-Event-ID: 3\r\n", 204, None),
        ("GET /", "", 400, text),
    ] {
        let head = app.send(&request(line, headers)).head();
        assert_eq!((head.status(), head.header("content-type")), (status, content_type), "{line}");
    }
    let anonymous = "GET /?q=hi HTTP/1.1\r\nHost: localhost\r\n\r\n";
    app.send(anonymous).response().assert_error(401, "token");
    listener.assert_unused();
}

#[test]
fn unknown_host_is_named_however_short_the_time() {
    let app = App::at("http://provider.invalid/v1").set("ASK_TIMEOUT", "0.3").start();
    let response = app.send(&request("GET /?q=hi", "")).response();
    response.assert_error(502, "upstream_unreachable");
}

#[test]
fn body_is_not_read_without_a_token() {
    let (listener, app) = start_app();
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n";
    let mut client = app.send(&format!("{head}Content-Length: 6000000\r\n\r\n"));
    assert_eq!(client.head().status(), 401);
    let chunk = http::chunk(&"x".repeat(0x11000));
    let mut client = app.send(&format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunk}"));
    assert_eq!(client.head().status(), 401);
    listener.assert_unused();
}

#[test]
fn question_that_stops_coming_times_out_after_10_s() {
    let (listener, app) = start_app();
    let post = |path: &str| {
        let headers = "Content-Type: text/plain\r\nContent-Length: 8\r\n";
        app.send(&(request(&format!("POST {path}"), headers) + "What"))
    };
    let (mut silent, mut slow, mut proxied) = (post("/ask"), post("/ask"), post("/v1/files"));
    // The timeout of a question begins again with each part; a proxied body has none.
    slow.assert_silent_for(Duration::from_secs(6));
    slow.send(" is");
    let response = silent.response();
    response.assert_error(400, "body_unreadable");
    assert!(response.text().contains("10 s"));
    assert_eq!(silent.rest(), "");
    assert_eq!(app.log_line()["code"], "body_unreadable");
    let mut upstream = listener.accept();
    upstream.head();
    upstream.expect("What");
    proxied.send(" is.");
    upstream.expect(" is.");
    slow.send("?");
    let mut upstream = listener.accept();
    let asked: Value = upstream.request().json();
    assert_eq!(asked["messages"][0]["content"], "What is?");
    upstream.send(chat::completion("It is."));
    assert_eq!(slow.response().text(), "It is.");
}
