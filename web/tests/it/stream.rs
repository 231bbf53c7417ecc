//! Bodies pass as they come, in both directions, and end as they end.

use std::io::{ErrorKind, Read, Write};
use std::thread;
use std::time::Duration;

use testkit::http::chunk;

use crate::support::*;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

#[test]
fn each_event_passes_before_the_next_one_is_sent() {
    let (listener, app) = start_app();
    let post = request("POST /v1/chat/completions", "Content-Length: 0\r\n");
    let (mut client, mut upstream, _) = app.forward(&listener, &post);
    upstream.send(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\
         transfer-encoding: chunked\r\n\r\n",
    );
    let head = client.head();
    assert_eq!(head.header("x-accel-buffering"), Some("no"));
    assert_eq!(head.header("transfer-encoding"), Some("chunked"));
    assert!(app.stdout.rest().is_empty(), "logged before the end of the response");
    for piece in
        ["data: {\"a\":1}\n\n", "data: 你好\n\n", ": keep-alive\n\n", "d", "ata: [DONE]\n\n"]
    {
        upstream.send(chunk(piece));
        assert_eq!(client.chunk(), piece);
    }
    upstream.send("0\r\n\r\n");
    assert_eq!(client.chunk(), "");
    let line = app.log_line();
    assert_eq!((line["status"].as_u64(), line["attempts"].as_u64()), (Some(200), Some(1)));
    assert_eq!(
        (line["path"].as_str(), line["code"].is_null()),
        (Some("/v1/chat/completions"), true)
    );
    assert!(line["cold"].as_bool().unwrap() && line["upstream_ms"].is_u64());
}

#[test]
fn chunks_of_one_packet_stay_apart() {
    let (listener, app) = start_app();
    let (mut client, mut upstream, _) = app.forward(&listener, &request("GET /v1/x", ""));
    upstream.send(format!("{CHUNKED}1\r\na\r\n2\r\nbb\r\n3;x=y\r\nccc\r\n0\r\n\r\n"));
    client.head();
    assert_eq!([(); 4].map(|()| client.chunk()), ["a", "bb", "ccc", ""]);
}

#[test]
fn response_may_take_longer_than_every_other_limit() {
    let (listener, app) = start_app();
    let (mut client, mut upstream, _) = app.forward(&listener, &request("GET /v1/x", ""));
    // The longest other limits, of a head and of connecting, are 10 s.
    upstream.assert_silent_for(Duration::from_secs(11));
    assert!(client.is_open());
    upstream.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlate");
    assert_eq!(client.response().text(), "late");
}

#[test]
fn upload_passes_while_it_is_sent() {
    let (listener, app) = start_app();
    let headers = "Content-Type: multipart/form-data; boundary=b\r\nTransfer-Encoding: chunked\r\n";
    let upload = request("POST /v1/audio/transcriptions", headers);
    let (mut client, mut upstream, head) = app.forward(&listener, &upload);
    assert_eq!(head.header("content-type"), Some("multipart/form-data; boundary=b"));
    assert_eq!(head.header("transfer-encoding"), Some("chunked"));
    for piece in
        ["--b\r\n", "content-disposition: form-data; name=\"file\"\r\n\r\n", "x", "\r\n--b--"]
    {
        client.send(chunk(piece));
        assert_eq!(upstream.chunk(), piece);
    }
    client.send("0\r\n\r\n");
    assert_eq!(upstream.chunk(), "");
    upstream.send(OK);
    assert_eq!(client.head().status(), 200);
}

#[test]
fn every_method_may_have_a_body() {
    let (listener, app) = start_app();
    let headers = "Transfer-Encoding: chunked\r\nConnection: close\r\n";
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
        let upload = request(&format!("{method} /v1/x"), headers) + "2\r\nhi\r\n0\r\n\r\n";
        let (mut client, mut upstream, head) = app.forward(&listener, &upload);
        assert_eq!(head.line(), format!("{method} /v1/x HTTP/1.1"));
        assert_eq!([upstream.chunk(), upstream.chunk()], ["hi", ""], "{method}");
        upstream.send(OK.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n"));
        assert_eq!(client.head().status(), 200);
    }
}

#[test]
fn five_megabytes_pass_both_ways_at_once() {
    let (listener, app) = start_app();
    let bytes: Vec<u8> =
        (0..5_u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let length = format!("Content-Length: {}\r\n", bytes.len());
    let (mut client, mut upstream, head) =
        app.forward(&listener, &request("POST /v1/files", &length));
    assert_eq!(head.header("content-length"), Some(bytes.len().to_string().as_str()));
    // The first part arrives before the rest is sent.
    let (first, rest) = bytes.split_at(1 << 16);
    client.send(first);
    assert!(upstream.exactly(first.len()) == first);
    upstream.send(format!("HTTP/1.1 200 OK\r\n{length}\r\n"));
    upstream.send(first);
    thread::scope(|scope| {
        let mut sender = client.stream.try_clone().unwrap();
        scope.spawn(move || sender.write_all(rest).unwrap());
        scope.spawn(|| {
            let received = upstream.exactly(rest.len());
            assert!(received == rest);
            upstream.send(received);
        });
        client.head();
        assert!(client.exactly(bytes.len()) == bytes);
    });
}

#[test]
fn expect_100_continue_is_answered_once_upstream_is_connected() {
    let (listener, app) = start_app();
    let headers = "Expect: 100-continue\r\nContent-Length: 4\r\n";
    let upload = request("POST /v1/files", headers);
    let (mut client, mut upstream, head) = app.forward(&listener, &upload);
    assert!(head.header("expect").is_none());
    assert_eq!(&*client.head(), "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("file");
    upstream.expect("file");
    upstream.send(OK);
    assert_eq!(client.head().status(), 200);

    let anonymous = format!("POST /v1/files HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    assert_proxy_error(&mut app.send(&anonymous), 401, "token");
}

#[test]
fn rejected_upload_gets_its_error_and_no_reset() {
    let (_listener, app) = start_app();
    let length = 5 << 20;
    let mut client = app.send(&format!(
        "POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
    ));
    // A client that sends everything before it reads.
    client.send(vec![b'x'; length]);
    assert_proxy_error(&mut client, 401, "token");
    assert_eq!(client.rest(), "");
}

#[test]
fn early_response_passes_within_an_upload() {
    let (listener, app) = start_app();
    let upload = request("POST /v1/files", "Content-Length: 1000000\r\n");
    let (mut client, mut upstream, _) = app.forward(&listener, &upload);
    upstream.send(
        "HTTP/1.1 413 Payload Too Large\r\nconnection: close\r\ncontent-length: 3\r\n\r\nbig",
    );
    let response = client.response();
    assert_eq!((response.status(), response.text().as_str()), (413, "big"));
}

#[test]
fn cut_response_is_cut_for_the_client() {
    let (listener, app) = start_app();
    for (head, body) in [
        ("transfer-encoding: chunked\r\n", "3\r\nabc\r\n"),
        ("transfer-encoding: chunked\r\n", "9\r\nabc"),
        ("content-length: 9\r\n", "abc"),
    ] {
        let (mut client, mut upstream, _) = app.forward(&listener, &request("GET /v1/x", ""));
        upstream.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n{body}"));
        assert_eq!(client.head().status(), 200);
        match head.starts_with("transfer") {
            true => assert_eq!(client.chunk(), "abc"),
            false => client.expect("abc"),
        }
        upstream.close();
        assert_eq!(client.rest(), "", "an end after {body:?}");
        app.assert_logged(200, "upstream_failed");
    }
}

#[test]
fn bytes_before_an_invalid_chunk_pass() {
    let (listener, app) = start_app();
    let (mut client, mut upstream, _) = app.forward(&listener, &request("GET /v1/x", ""));
    upstream.send(format!("{CHUNKED}3\r\nabc\r\nnone\r\n"));
    assert_eq!(client.head().status(), 200);
    assert_eq!(client.chunk(), "abc");
    assert_eq!(client.rest(), "");
}

/// HTTP/1.0 has no chunks: an orderly close would look like the end of the body.
#[test]
fn cut_response_is_reset_for_an_http_1_0_client() {
    let (listener, app) = start_app();
    let get = request("GET /v1/x", "").replace("HTTP/1.1", "HTTP/1.0");
    let (mut client, mut upstream, head) = app.forward(&listener, &get);
    assert_eq!(head.line(), "GET /v1/x HTTP/1.1");
    upstream.send(format!("{CHUNKED}3\r\nabc\r\n"));
    assert_eq!(client.head().line(), "HTTP/1.0 200 OK");
    client.expect("abc");
    upstream.close();
    let error = client.stream.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn response_that_ends_with_eof_is_complete() {
    let (listener, app) = start_app();
    let (mut client, mut upstream, _) = app.forward(&listener, &request("GET /v1/x", ""));
    upstream.send("HTTP/1.0 200 OK\r\n\r\nall");
    assert_eq!(client.head().line(), "HTTP/1.1 200 OK");
    assert_eq!(client.chunk(), "all");
    upstream.close();
    assert_eq!(client.chunk(), "");
}
