//! A caller that leaves takes the request to the provider along.

use std::time::Duration;

use crate::support::*;

const SOON: Duration = Duration::from_secs(1);

#[test]
fn before_the_reply_begins() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let caller = server.send(&request("GET /v1/x", ""));
    let mut asked = provider.accept();
    asked.head();
    caller.close();
    asked.closes_within(SOON);
    let line = server.log();
    assert_eq!((line["status"].as_u64(), line["code"].as_str()), (Some(499), Some("caller_left")));
}

#[test]
fn in_the_middle_of_the_reply() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let mut caller = server.send(&request("GET /v1/x", ""));
    let mut asked = provider.accept();
    asked.head();
    asked.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n");
    caller.head();
    assert_eq!(caller.chunk(), "abc");
    caller.close();
    asked.closes_within(SOON);
    let line = server.log();
    assert_eq!((line["status"].as_u64(), line["code"].as_str()), (Some(200), Some("caller_left")));
}

#[test]
fn in_the_middle_of_an_upload() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let mut caller = server.send(&request("POST /v1/files", "Content-Length: 100\r\n"));
    caller.send("some");
    let mut asked = provider.accept();
    asked.head();
    asked.expect("some");
    caller.close();
    asked.closes_within(SOON);
}

#[test]
fn with_an_upload_that_the_provider_does_not_read() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let mut caller = server.send(&request("POST /v1/files", "Content-Length: 100000000\r\n"));
    let mut asked = provider.accept();
    asked.head();
    // Until every buffer on the way is full.
    caller.stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    while std::io::Write::write(&mut caller.stream, &[b'x'; 1 << 16]).is_ok() {}
    // What was sent and not taken would come before a goodbye, so this caller goes without one.
    socket2::SockRef::from(&caller.stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(caller);
    let line = server.log();
    assert_eq!((line["status"].as_u64(), line["code"].as_str()), (Some(499), Some("caller_left")));
    asked.closes_within(PATIENCE);
}

#[test]
fn with_the_next_request_sent_already() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let one = request("GET /v1/x", "");
    let caller = server.send(&format!("{one}{one}"));
    let mut asked = provider.accept();
    asked.head();
    caller.close();
    asked.closes_within(SOON);
    provider.is_left_alone();
}

#[test]
fn while_the_connection_is_being_opened() {
    let (provider, _waiting) = crate::egress::full_backlog();
    let server = Server::before(&provider);
    let caller = server.send(&request("GET /v1/x", ""));
    caller.close();
    let line = server.log();
    assert_eq!((line["status"].as_u64(), line["code"].as_str()), (Some(499), Some("caller_left")));
}
