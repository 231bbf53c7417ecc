//! WebSockets are tunnelled.

use std::net::Shutdown;
use std::time::Duration;

use crate::support::*;

const UPGRADE: &str = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n";

/// Both ends of a tunnel.
fn tunnel(server: &Server, provider: &Provider) -> (Wire, Wire) {
    let mut caller = server.send(&request("GET /v1/realtime?model=m", UPGRADE));
    let mut asked = provider.accept();
    let head = asked.head();
    assert!(head.starts_with("GET /v1/realtime?model=m HTTP/1.1\r\n"));
    assert_eq!(header(&head, "connection").as_deref(), Some("upgrade"));
    assert_eq!(header(&head, "upgrade").as_deref(), Some("websocket"));
    assert_eq!(header(&head, "sec-websocket-key").as_deref(), Some("dGhlIHNhbXBsZSBub25jZQ=="));
    assert_eq!(header(&head, "authorization"), Some(format!("Bearer {KEY}")));
    asked.send(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nearly",
    );
    let head = caller.head();
    assert_eq!(status(&head), 101);
    assert_eq!(header(&head, "connection").as_deref(), Some("upgrade"));
    assert_eq!(header(&head, "upgrade").as_deref(), Some("websocket"));
    assert_eq!(
        header(&head, "sec-websocket-accept").as_deref(),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    assert!(
        header(&head, "content-length").is_none() && header(&head, "transfer-encoding").is_none(),
        "{head}"
    );
    caller.expect("early");
    assert_eq!(server.log()["status"], 101);
    (caller, asked)
}

#[test]
fn bytes_pass_both_ways_until_one_side_closes() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let (mut caller, mut asked) = tunnel(&server, &provider);
    for n in 0..3 {
        caller.send(format!("ask {n}"));
        asked.expect(&format!("ask {n}"));
        asked.send(format!("say {n}"));
        caller.expect(&format!("say {n}"));
    }
    asked.send("last");
    asked.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(caller.rest(), "last");

    let (caller, mut asked) = tunnel(&server, &provider);
    caller.close();
    asked.closes_within(Duration::from_secs(1));
}

#[test]
fn a_provider_that_does_not_upgrade_just_answers() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let mut caller = server.send(&request("GET /v1/realtime", UPGRADE));
    let mut asked = provider.accept();
    asked.head();
    asked.send("HTTP/1.1 426 Upgrade Required\r\ncontent-length: 2\r\n\r\nno");
    let head = caller.head();
    assert_eq!((status(&head), caller.body(&head).as_str()), (426, "no"));
}

#[test]
fn a_stop_waits_for_a_tunnel() {
    let provider = Provider::start();
    let mut server = Server::before(&provider);
    let (mut caller, mut asked) = tunnel(&server, &provider);
    server.terminate();
    crate::server::refuses_connections(&server);
    caller.send("still");
    asked.expect("still");
    caller.close();
    asked.closes_within(Duration::from_secs(1));
    assert!(server.wait().success());
}
