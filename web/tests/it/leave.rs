//! A client that leaves ends the request to the upstream.

use std::io::Write;
use std::time::Duration;

use testkit::Endpoint;

use crate::support::*;

const SOON: Duration = Duration::from_secs(1);

#[test]
fn leaving_before_the_response_ends_the_upstream_request() {
    let (listener, app) = start_app();
    let (client, mut upstream, _) = app.forward(&listener, &request("GET /v1/x", ""));
    client.close();
    upstream.assert_closes_within(SOON);
    app.assert_logged(499, "caller_left");
}

#[test]
fn leaving_within_the_response_ends_the_upstream_request() {
    let (listener, app) = start_app();
    let (mut client, mut upstream, _) = app.forward(&listener, &request("GET /v1/x", ""));
    upstream.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n");
    client.head();
    assert_eq!(client.chunk(), "abc");
    client.close();
    upstream.assert_closes_within(SOON);
    app.assert_logged(200, "caller_left");
}

#[test]
fn leaving_within_an_upload_ends_the_upstream_request() {
    let (listener, app) = start_app();
    let upload = request("POST /v1/files", "Content-Length: 100\r\n") + "some";
    let (client, mut upstream, _) = app.forward(&listener, &upload);
    upstream.expect("some");
    client.close();
    upstream.assert_closes_within(SOON);
}

#[test]
fn leaving_an_unread_upload_ends_the_upstream_request() {
    let (listener, app) = start_app();
    let upload = request("POST /v1/files", "Content-Length: 100000000\r\n");
    let (mut client, mut upstream, _) = app.forward(&listener, &upload);
    // Fills every buffer on the way.
    client.stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    while client.stream.write(&[b'x'; 1 << 16]).is_ok() {}
    // An orderly close would queue behind the unread bytes.
    client.reset();
    app.assert_logged(499, "caller_left");
    upstream.assert_closes_within(WAIT_LIMIT);
}

#[test]
fn leaving_with_a_pipelined_request_ends_both() {
    let (listener, app) = start_app();
    let one = request("GET /v1/x", "");
    let (client, mut upstream, _) = app.forward(&listener, &format!("{one}{one}"));
    client.close();
    upstream.assert_closes_within(SOON);
    listener.assert_unused();
}

#[test]
fn leaving_while_connecting_ends_the_request() {
    let upstream = Endpoint::start(|_| {});
    upstream.stall();
    let app = App::at(&format!("http://{}/v1", upstream.address())).start();
    app.send(&request("GET /v1/x", "")).close();
    app.assert_logged(499, "caller_left");
}
