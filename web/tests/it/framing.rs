//! Messages whose ends are unusual, ambiguous or invalid.

use testkit::Head;

use crate::support::*;

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
const CHUNKED: &str = "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n";

/// A response that has passed to the client, up to its head.
struct Passed {
    head: Head,
    client: Wire,
    upstream: Wire,
    app: Instance,
}

/// Passes this response to a request with this method.
fn pass(method: &str, response: &str) -> Passed {
    let (listener, app) = start_app();
    let (mut client, mut upstream, _) =
        app.forward(&listener, &request(&format!("{method} /v1/x"), ""));
    upstream.send(response);
    Passed { head: client.head(), client, upstream, app }
}

/// Expects the next request on the connection to be answered.
#[track_caller]
fn assert_in_step(client: &mut Wire) {
    client.send(HEALTH);
    let response = client.response();
    assert!(response.status() == 200 && response.text().contains("version"), "{response:?}");
}

#[test]
fn response_to_head_keeps_its_length_and_has_no_body() {
    let mut passed = pass("HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n");
    assert_eq!(passed.head.header("content-length"), Some("1234"));
    assert_in_step(&mut passed.client);
    // The connection to the upstream is used again.
    passed.client.send(request("HEAD /v1/y", ""));
    assert_eq!(passed.upstream.head().target(), "/v1/y");
}

#[test]
fn responses_204_and_304_have_no_body() {
    for response in [
        "204 No Content\r\n",
        "304 Not Modified\r\netag: \"x\"\r\n",
        "304 Not Modified\r\ncontent-length: 7\r\n",
    ] {
        let mut passed = pass("GET", &format!("HTTP/1.1 {response}\r\n"));
        assert_eq!(passed.head.status(), response[..3].parse::<u16>().unwrap());
        assert_in_step(&mut passed.client);
    }
}

#[test]
fn chunks_count_beside_a_length() {
    let response = format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n{CHUNKED}\r\n");
    let mut passed = pass("GET", &response);
    assert!(passed.head.header("content-length").is_none());
    assert_eq!([passed.client.chunk(), passed.client.chunk()], ["abc", ""]);
    assert_in_step(&mut passed.client);
}

#[test]
fn trailers_end_a_response() {
    let response = format!("HTTP/1.1 200 OK\r\ntrailer: x-sum\r\n{CHUNKED}x-sum: 1\r\n\r\n");
    let mut passed = pass("GET", &response);
    assert_eq!([passed.client.chunk(), passed.client.chunk()], ["abc", ""]);
    assert!(passed.app.log_line()["code"].is_null());
    assert_in_step(&mut passed.client);
}

#[test]
fn informational_responses_do_not_pass() {
    let early = "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n";
    let mut passed = pass("GET", &format!("{early}HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"));
    assert_eq!(passed.head.status(), 200);
    passed.client.expect("ok");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let (listener, app) = start_app();
    let (one, two) = (request("POST /v1/one", "Content-Length: 2\r\n"), request("GET /v1/two", ""));
    let (mut client, mut upstream, head) = app.forward(&listener, &format!("{one}hi{two}{HEALTH}"));
    assert_eq!(head.target(), "/v1/one");
    upstream.expect("hi");
    upstream.send("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\none");
    assert_eq!(upstream.head().target(), "/v1/two");
    upstream.send("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\ntwo");
    for expected in ["one", "two"] {
        assert_eq!(client.response().text(), expected);
    }
    assert!(client.response().text().contains("version"));
}

#[test]
fn ambiguous_requests_are_rejected() {
    let (listener, app) = start_app();
    for headers in [
        "Content-Length: 1\r\nContent-Length: 2\r\n",
        "Content-Length: 1, 2\r\n",
        "Content-Length: +1\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x1\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        "Content-Length : 1\r\n",
        " Folded: 1\r\n",
        "No-Colon\r\n",
        "Na\0me: 1\r\n",
    ] {
        let mut client = app.send(&request("POST /v1/x", headers));
        let status = client.head().status();
        assert!(matches!(status, 400 | 501), "{status} for {headers:?}");
    }
    let chunked = request("POST /v1/x", "Transfer-Encoding: chunked\r\n");
    let mut client = app.send(&chunked.replace("HTTP/1.1", "HTTP/1.0"));
    assert_eq!(client.head().status(), 400);
    listener.assert_unused();
}

#[test]
fn request_with_chunks_and_a_length_is_the_last() {
    let (listener, app) = start_app();
    for headers in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
    ] {
        let (post, smuggled) = (request("POST /v1/x", headers), request("GET /v1/smuggled", ""));
        let (mut client, mut upstream, head) =
            app.forward(&listener, &format!("{post}0\r\n\r\n{smuggled}"));
        assert!(head.header("content-length").is_none(), "{head}");
        assert_eq!(upstream.chunk(), "");
        upstream.send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(client.head().header("connection"), Some("close"));
        assert_eq!(client.rest(), "");
    }
    listener.assert_unused();
}

#[test]
fn response_that_is_not_http_is_an_error() {
    for response in [
        "SSH-2.0-OpenSSH\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        "HTTP/1.1 101 Switching\r\n\r\n",
        "",
    ] {
        let (listener, app) = start_app();
        let (mut client, mut upstream, _) = app.forward(&listener, &request("GET /v1/x", ""));
        upstream.send(response);
        if response.is_empty() {
            upstream.close();
        }
        assert_proxy_error(&mut client, 502, "upstream_failed");
    }
}
