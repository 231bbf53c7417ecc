//! Cross-origin requests of pages to the proxy.

use crate::support::*;

#[test]
fn listed_origin_may_send_and_read_everything() {
    let listener = Listener::bind();
    let app = App::new(&listener).set("ASK_ORIGINS", "https://page.example").start();
    let origin = "Origin: https://page.example\r\n";
    let preflight = format!(
        "OPTIONS /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n{origin}\
         Access-Control-Request-Method: POST\r\n\
         Access-Control-Request-Headers: authorization, x-stainless-os\r\n\r\n"
    );
    let head = app.send(&preflight).head();
    assert_eq!(head.status(), 204);
    for (name, value) in [
        ("access-control-allow-origin", Some("https://page.example")),
        ("access-control-allow-headers", Some("authorization, x-stainless-os")),
        ("access-control-max-age", Some("86400")),
        ("access-control-allow-credentials", None),
    ] {
        assert_eq!(head.header(name), value, "{name}");
    }
    assert!(head.header("access-control-allow-methods").unwrap().contains("DELETE"));

    let (mut client, mut upstream, head) =
        app.forward(&listener, &request("GET /v1/models", origin));
    assert!(head.header("origin").is_none());
    upstream.send("HTTP/1.1 200 OK\r\naccess-control-allow-origin: *\r\ncontent-length: 0\r\n\r\n");
    let head = client.head();
    assert_eq!(head.header("access-control-allow-origin"), Some("https://page.example"));
    assert_eq!(head.header("access-control-expose-headers"), Some("*"));

    let other = request("GET /v1/models", "Origin: https://other.example\r\n");
    assert_proxy_error(&mut app.send(&other), 403, "origin");
    listener.assert_unused();
}

#[test]
fn local_server_rejects_other_origins() {
    let (listener, app) = start_app();
    let other = request("GET /v1/models", "Origin: https://page.example\r\n");
    assert_proxy_error(&mut app.send(&other), 403, "origin");
    listener.assert_unused();
}
