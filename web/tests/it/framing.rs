//! Messages that say oddly, or badly, where they end.

use crate::support::*;

/// The head that a caller gets of this reply to a request with this method.
fn head_of(method: &str, reply: &str) -> (String, Wire, Server, Wire) {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let mut caller = server.send(&request(&format!("{method} /v1/x"), ""));
    let mut asked = provider.accept();
    asked.head();
    asked.send(reply);
    (caller.head(), caller, server, asked)
}

/// The connection is in step: the next request on it is answered.
#[track_caller]
fn is_in_step(caller: &mut Wire) {
    caller.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let head = caller.head();
    assert_eq!(status(&head), 200);
    assert!(caller.body(&head).contains("version"));
}

#[test]
fn head_keeps_the_length_and_has_no_body() {
    let (head, mut caller, server, mut asked) =
        head_of("HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n");
    assert_eq!(header(&head, "content-length").as_deref(), Some("1234"));
    is_in_step(&mut caller);
    // And the connection to the provider is used again.
    caller.send(request("HEAD /v1/y", ""));
    assert!(asked.head().starts_with("HEAD /v1/y"));
    drop(server);
}

#[test]
fn replies_without_a_body_have_none() {
    for reply in [
        "204 No Content\r\n",
        "304 Not Modified\r\netag: \"x\"\r\n",
        "304 Not Modified\r\ncontent-length: 7\r\n",
    ] {
        let (head, mut caller, _server, _asked) = head_of("GET", &format!("HTTP/1.1 {reply}\r\n"));
        assert_eq!(status(&head), reply[..3].parse::<u16>().unwrap());
        is_in_step(&mut caller);
    }
}

#[test]
fn chunks_win_over_a_length() {
    let (head, mut caller, _server, _asked) = head_of(
        "GET",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    );
    assert!(header(&head, "content-length").is_none());
    assert_eq!((caller.chunk().as_str(), caller.chunk().as_str()), ("abc", ""));
    is_in_step(&mut caller);
}

#[test]
fn a_reply_with_trailers_ends() {
    let (_, mut caller, server, _asked) = head_of(
        "GET",
        "HTTP/1.1 200 OK\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n",
    );
    assert_eq!((caller.chunk().as_str(), caller.chunk().as_str()), ("abc", ""));
    assert!(server.log()["code"].is_null());
    is_in_step(&mut caller);
}

#[test]
fn informational_replies_are_for_the_next_hop_alone() {
    let (head, mut caller, _server, _asked) = head_of(
        "GET",
        "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    );
    assert_eq!(status(&head), 200);
    caller.expect("ok");
}

#[test]
fn pipelined_requests_are_answered_in_turn() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let mut caller = server.send(&format!(
        "{}hi{}{}",
        request("POST /v1/one", "Content-Length: 2\r\n"),
        request("GET /v1/two", ""),
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ));
    let mut asked = provider.accept();
    assert!(asked.head().starts_with("POST /v1/one "));
    asked.expect("hi");
    asked.send("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\none");
    assert!(asked.head().starts_with("GET /v1/two "));
    asked.send("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\ntwo");
    for expected in ["one", "two"] {
        let head = caller.head();
        assert_eq!(caller.body(&head), expected);
    }
    let head = caller.head();
    assert!(caller.body(&head).contains("version"));
}

#[test]
fn requests_that_two_servers_could_read_differently_are_refused() {
    let provider = Provider::start();
    let server = Server::before(&provider);
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
        let mut caller = server.send(&request("POST /v1/x", headers));
        let status = status(&caller.head());
        assert!(matches!(status, 400 | 501), "{status} for {headers:?}");
    }
    let mut old = server.send(
        &request("POST /v1/x", "Transfer-Encoding: chunked\r\n").replace("HTTP/1.1", "HTTP/1.0"),
    );
    assert_eq!(status(&old.head()), 400);
    provider.is_left_alone();
}

#[test]
fn a_request_with_chunks_and_a_length_is_read_in_chunks_and_is_the_last() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    for headers in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
    ] {
        let smuggled = request("GET /v1/smuggled", "");
        let mut caller =
            server.send(&format!("{}0\r\n\r\n{smuggled}", request("POST /v1/x", headers)));
        let mut asked = provider.accept();
        let head = asked.head();
        assert!(header(&head, "content-length").is_none(), "{head}");
        assert_eq!(asked.chunk(), "");
        asked.send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(header(&caller.head(), "connection").as_deref(), Some("close"));
        assert_eq!(caller.rest(), "");
    }
    provider.is_left_alone();
}

#[test]
fn a_reply_that_is_no_http_is_a_failure() {
    for reply in [
        "SSH-2.0-OpenSSH\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        "HTTP/1.1 101 Switching\r\n\r\n",
        "",
    ] {
        let provider = Provider::start();
        let server = Server::before(&provider);
        let mut caller = server.send(&request("GET /v1/x", ""));
        let mut asked = provider.accept();
        asked.head();
        asked.send(reply);
        if reply.is_empty() {
            asked.close();
        }
        assert_eq!(failure(&mut caller), (502, "upstream_failed".into()), "{reply:?}");
    }
}
