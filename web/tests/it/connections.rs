//! Connections to the upstream: kept, replaced if they have gone, and never used to repeat a
//! request that may have been processed.

use crate::support::*;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Expects a complete response to the client.
#[track_caller]
fn assert_ok(client: &mut Wire) {
    assert_eq!(client.response().text(), "ok");
}

#[test]
fn connections_are_reused() {
    let (listener, app) = start_app();
    let post = request("POST /v1/x", "Content-Length: 2\r\n") + "hi";
    let (mut client, mut upstream, _) = app.forward(&listener, &post);
    upstream.expect("hi");
    upstream.send(OK);
    assert_ok(&mut client);
    // After a response in chunks, too.
    let mut client = app.send(&post);
    upstream.request();
    upstream.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n");
    client.head();
    assert_eq!([client.chunk(), client.chunk()], ["two", ""]);
    let mut client = app.send(&post);
    upstream.request();
    upstream.send(OK);
    assert_ok(&mut client);
    listener.assert_unused();
}

#[test]
fn request_is_sent_twice_at_most() {
    let (listener, app) = start_app();
    let get = request("GET /v1/models", "");
    let mut kept = [(); 2].map(|()| app.forward(&listener, &get));
    for (client, upstream, _) in &mut kept {
        upstream.send(OK);
        assert_ok(client);
    }
    let [_first, (_, mut last, _)] = kept;
    // The most recent connection is used first.
    let mut client = app.send(&get);
    last.head();
    last.close();
    let mut second = listener.accept();
    second.head();
    second.close();
    assert_proxy_error(&mut client, 502, "upstream_failed");
    listener.assert_unused();
}

#[test]
fn only_idempotent_requests_are_sent_again() {
    let (listener, app) = start_app();
    let ok = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    for (method, is_idempotent) in [
        ("POST", false),
        ("PATCH", false),
        ("MERGE", false),
        ("GET", true),
        ("HEAD", true),
        ("PUT", true),
        ("DELETE", true),
    ] {
        let request = request(&format!("{method} /v1/runs/1/cancel"), "Connection: close\r\n");
        let (mut client, mut upstream, _) = app.forward(&listener, &request);
        upstream.send(ok);
        assert_eq!(client.head().status(), 200, "{method}");
        // The kept connection closes once it has the next request.
        let mut client = app.send(&request);
        upstream.head();
        upstream.close();
        if is_idempotent {
            let mut upstream = listener.accept();
            upstream.head();
            upstream.send(ok.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n"));
            assert_eq!(client.head().status(), 200, "{method}");
        } else {
            assert_proxy_error(&mut client, 502, "upstream_failed");
            listener.assert_unused();
        }
    }
}

#[test]
fn closed_connection_costs_a_reconnect() {
    let (listener, app) = start_app();
    let post = request("POST /v1/x", "Content-Length: 2\r\n") + "hi";
    let (mut client, mut upstream, _) = app.forward(&listener, &post);
    upstream.expect("hi");
    upstream.send(OK);
    assert_ok(&mut client);
    upstream.close();

    let (mut client, mut upstream, _) = app.forward(&listener, &post);
    upstream.expect("hi");
    upstream.send(OK);
    assert_ok(&mut client);

    // Closed only with the request: without a body it is sent again on a new connection.
    let mut client = app.send(&request("GET /v1/models", ""));
    upstream.head();
    upstream.close();
    let mut upstream = listener.accept();
    upstream.head();
    upstream.send(OK);
    assert_ok(&mut client);

    // With a body it may have been processed, and is not.
    let mut client = app.send(&post);
    upstream.request();
    upstream.close();
    assert_proxy_error(&mut client, 502, "upstream_failed");
    listener.assert_unused();
}
