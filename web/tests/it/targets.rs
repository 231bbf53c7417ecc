//! Request targets with bytes that no URI may hold.

use std::io::Write;
use std::time::Duration;

use testkit::{Disconnect, chat};

use crate::support::*;

/// Headers for an upgrade to a WebSocket.
const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
const NO_BODY: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// Answers the forwarded request on this connection, which must have this target.
#[track_caller]
fn answer(upstream: &mut Wire, target: &str) {
    assert_eq!(upstream.head().target(), target);
    upstream.send(NO_BODY);
}

#[test]
fn invalid_bytes_are_encoded_for_the_proxy() {
    let (listener, app) = start_app();
    let mut client = app.connect();
    let mut upstream = None;
    // The requests share a connection.
    for (target, forwarded) in [
        (&b"/v1/a\"<b>`\xff?q=\"<b>\xc4"[..], "/v1/a%22%3Cb%3E%60%FF?q=%22%3Cb%3E%C4"),
        (b"/v1/x?q=a%22'(){}|^`\\", "/v1/x?q=a%22'(){}|^`\\"),
        ("/v1/你好?q=\"你好\"".as_bytes(), "/v1/你好?q=%22你好%22"),
    ] {
        for (method, body) in [("GET", ""), ("POST", "a \"body\"")] {
            let mut head = [method.as_bytes(), b" ", target].concat();
            let length = format!("Content-Length: {}\r\n", body.len());
            head.extend(request("", &length).into_bytes());
            client.send(&head);
            client.send(body);
            let upstream = upstream.get_or_insert_with(|| listener.accept());
            let head = upstream.head();
            assert_eq!(head.target(), forwarded);
            upstream.expect(body);
            upstream.send(NO_BODY);
            assert_eq!(client.response().status(), 200);
        }
    }
}

#[test]
fn chunks_may_precede_an_invalid_byte() {
    let (listener, app) = start_app();
    let post = request("POST /v1/x", "Transfer-Encoding: chunked\r\n") + "1\r\n\"\r\n0\r\n\r\n";
    let (mut client, mut upstream, _) = app.forward(&listener, &post);
    assert_eq!([upstream.chunk(), upstream.chunk()], ["\"", ""]);
    upstream.send(NO_BODY);
    assert_eq!(client.response().status(), 200);
    client.send(request("GET /v1/\"", ""));
    answer(&mut upstream, "/v1/%22");
    assert_eq!(client.response().status(), 200);
}

#[test]
fn question_may_have_quotes() {
    let (listener, app) = start_app();
    let (mut client, mut upstream, request) =
        app.ask(&listener, "/?question=say%20\"<hi>\"&x=`", "Accept: */*\r\n");
    assert_eq!(request.json()["messages"][0]["content"], "say \"<hi>\"");
    upstream.send(chat::completion("Hi."));
    client.response().assert_answer("Hi.");
}

#[test]
fn question_that_is_not_utf8_is_rejected() {
    let (listener, app) = start_app();
    let gbk = [b"GET /?question=\xc4\xe3", request("", "").as_bytes()].concat();
    let mut client = app.connect();
    client.send(gbk);
    let response = client.response();
    response.assert_error(400, "body_unreadable");
    assert!(response.text().contains("UTF-8"), "{response:?}");
    listener.assert_unused();
}

#[test]
fn request_line_may_arrive_byte_by_byte() {
    let (listener, app) = start_app();
    let mut client = app.connect();
    for byte in request("GET /v1/\"?q=\"", "X-Quote: \"\r\n").into_bytes() {
        client.send([byte]);
    }
    let head = listener.accept().head();
    assert_eq!((head.target(), head.header("x-quote")), ("/v1/%22?q=%22", Some("\"")));
}

#[test]
fn request_line_without_an_end_is_rejected() {
    let (listener, app) = start_app();
    for (line, status) in [
        ("GET /v1/\"".to_owned(), None),
        (format!("GET /v1/\"{}", "x".repeat(100 << 10)), Some(431)),
    ] {
        let mut client = app.send(&line);
        Disconnect::HalfClose.apply(&client.stream);
        match status {
            Some(status) => assert_eq!(client.head().status(), status),
            None => assert_eq!(client.rest(), ""),
        }
    }
    listener.assert_unused();
}

#[test]
fn pipelined_requests_stay_apart() {
    let (listener, app) = start_app();
    let (one, two) = (request("GET /v1/\"one", ""), request("GET /v1/two", "X: GET /\"\r\n"));
    let (mut client, mut upstream, head) = app.forward(&listener, &(one + &two));
    assert_eq!(head.target(), "/v1/%22one");
    upstream.send(NO_BODY);
    let head = upstream.head();
    assert_eq!((head.target(), head.header("x")), ("/v1/two", Some("GET /\"")));
    upstream.send(NO_BODY);
    assert_eq!([client.response().status(), client.response().status()], [200, 200]);
}

#[test]
fn body_that_looks_like_a_request_line_is_unchanged() {
    let (listener, app) = start_app();
    let body = "GET /\" HTTP/1.1\r\n\r\n";
    let length = format!("Content-Length: {}\r\n", 2 * body.len());
    let (mut client, mut upstream, _) = app.forward(&listener, &request("POST /v1/x", &length));
    for _ in 0..2 {
        client.send(body);
        upstream.expect(body);
    }
    upstream.send(NO_BODY);
    assert_eq!(client.response().status(), 200);
}

#[test]
fn body_after_an_early_response_is_no_request() {
    let (listener, app) = start_app();
    let post = request("POST /v1/x", "Content-Length: 1000\r\n");
    let (mut client, mut upstream, _) = app.forward(&listener, &post);
    upstream.send("HTTP/1.1 413 Large\r\ncontent-length: 3\r\n\r\nbig");
    assert_eq!(client.response().text(), "big");
    // The server may have closed.
    let _ = client.stream.write_all(request("GET /v1/\"", "").as_bytes());
    client.assert_closes_within(Duration::from_secs(2));
    listener.assert_unused();
}

#[test]
fn frames_of_a_tunnel_are_unchanged() {
    let (listener, app) = start_app();
    let upgrade = request("GET /v1/\"", UPGRADE);
    let (mut client, mut upstream, head) = app.forward(&listener, &upgrade);
    assert_eq!(head.target(), "/v1/%22");
    upstream.send("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n");
    upstream.send("connection: upgrade\r\n\r\n");
    assert_eq!(client.head().status(), 101);
    let frame = b"GET /\"\xff<> HTTP/1.1\r\n\r\n";
    for _ in 0..2 {
        client.send(frame);
        assert_eq!(upstream.exactly(frame.len()), frame);
    }
}
