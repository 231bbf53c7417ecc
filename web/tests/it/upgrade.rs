//! WebSockets pass through a tunnel.

use std::time::Duration;

use testkit::Disconnect;

use crate::support::*;

const UPGRADE: &str = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate\r\n";

/// Opens a tunnel and returns both ends.
fn tunnel(app: &Instance, listener: &Listener) -> (Wire, Wire) {
    let upgrade = request("GET /v1/realtime?model=m", UPGRADE);
    let (mut client, mut upstream, head) = app.forward(listener, &upgrade);
    assert_eq!(head.line(), "GET /v1/realtime?model=m HTTP/1.1");
    for (name, value) in [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("authorization", BEARER),
    ] {
        assert_eq!(head.header(name), Some(value), "{name}");
    }
    upstream.send(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nearly",
    );
    let head = client.head();
    assert_eq!(head.status(), 101);
    for (name, value) in [
        ("connection", Some("upgrade")),
        ("upgrade", Some("websocket")),
        ("sec-websocket-accept", Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")),
        ("content-length", None),
        ("transfer-encoding", None),
    ] {
        assert_eq!(head.header(name), value, "{name}");
    }
    client.expect("early");
    assert_eq!(app.log_line()["status"], 101);
    (client, upstream)
}

#[test]
fn tunnel_passes_bytes_both_ways_until_one_side_closes() {
    let (listener, app) = start_app();
    let (mut client, mut upstream) = tunnel(&app, &listener);
    for n in 0..3 {
        client.send(format!("ask {n}"));
        upstream.expect(&format!("ask {n}"));
        upstream.send(format!("say {n}"));
        client.expect(&format!("say {n}"));
    }
    upstream.send("last");
    Disconnect::HalfClose.apply(&upstream.stream);
    assert_eq!(client.rest(), "last");

    let (client, mut upstream) = tunnel(&app, &listener);
    client.close();
    upstream.assert_closes_within(Duration::from_secs(1));
}

#[test]
fn refused_upgrade_passes_as_a_response() {
    let (listener, app) = start_app();
    let upgrade = request("GET /v1/realtime", UPGRADE);
    let (mut client, mut upstream, _) = app.forward(&listener, &upgrade);
    upstream.send("HTTP/1.1 426 Upgrade Required\r\ncontent-length: 2\r\n\r\nno");
    let response = client.response();
    assert_eq!((response.status(), response.text().as_str()), (426, "no"));
}

#[test]
fn stop_waits_for_a_tunnel() {
    let (listener, app) = start_app();
    let (mut client, mut upstream) = tunnel(&app, &listener);
    app.signal("TERM");
    app.wait_until_refusing();
    client.send("still");
    upstream.expect("still");
    client.close();
    upstream.assert_closes_within(Duration::from_secs(1));
    assert!(app.wait().success());
}
