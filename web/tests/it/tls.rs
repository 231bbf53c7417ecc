//! TLS to the upstream.

use std::io::{Read, Write};

use testkit::{Authority, Endpoint, Turn, Upstream};

use crate::support::*;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// An app for an upstream with this host name. Clients bring their own keys.
fn app(port: u16) -> App {
    App::unset().set("OPENAI_BASE_URL", format!("https://localhost:{port}/v1"))
}

/// An upstream that closes after each response without the end that TLS would announce.
fn start_upstream(authority: &Authority, name: &str, response: &str) -> Upstream {
    Upstream::with_tls([Turn::from(response).close()], authority.server(name))
}

#[test]
fn private_root_is_trusted_by_ssl_cert_file_alone() {
    let authority = Authority::new();
    let (root, upstream) = (authority.file(), start_upstream(&authority, "localhost", OK));
    let app = app(upstream.address().port());
    let trusting = app.clone().set("SSL_CERT_FILE", root.path()).start();
    let response = trusting.send(&request("GET /v1/models", "")).response();
    assert_eq!((response.status(), response.text().as_str()), (200, "ok"));

    let app = app.start();
    assert_proxy_error(&mut app.send(&request("GET /v1/models", "")), 502, "upstream_unreachable");
}

#[test]
fn certificate_for_another_name_is_refused() {
    let authority = Authority::new();
    let (root, upstream) = (authority.file(), start_upstream(&authority, "elsewhere.example", OK));
    let app = app(upstream.address().port()).set("SSL_CERT_FILE", root.path()).start();
    let response = app.send(&request("GET /v1/models", "")).response();
    response.assert_error(502, "upstream_unreachable");
    assert!(response.text().contains("TLS"), "{response:?}");
}

#[test]
fn tls_to_a_plain_port_is_an_error() {
    let plain = Endpoint::start(|mut stream| {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        let _ = stream.read(&mut [0; 4096]);
    });
    let app = app(plain.address().port()).start();
    assert_proxy_error(&mut app.send(&request("GET /v1/models", "")), 502, "upstream_unreachable");
}

#[test]
fn file_without_certificates_is_an_invalid_setting() {
    for file in [
        "/nowhere/at/all.pem",
        env!("CARGO_MANIFEST_DIR"),
        concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
    ] {
        // Without TLS, too.
        for url in ["https://localhost:1/v1", "http://127.0.0.1:1/v1"] {
            let app = App::unset().set("SSL_CERT_FILE", file).set("OPENAI_BASE_URL", url).start();
            assert_proxy_error(&mut app.send(&request("GET /v1/models", "")), 500, "config");
        }
    }
}

#[test]
fn response_without_length_and_close_notify_is_cut() {
    let authority = Authority::new();
    let response = "HTTP/1.1 200 OK\r\n\r\nno length";
    let (root, upstream) = (authority.file(), start_upstream(&authority, "localhost", response));
    let app = app(upstream.address().port())
        .set_all(&[("SSL_CERT_FILE", root.path()), ("ASK_TOKEN", "t"), ("ASK_OWN_KEYS", "1")])
        .start();
    let mut client = app.send(&request("GET /v1/models", ""));
    assert_eq!(client.head().status(), 200);
    assert_eq!(client.chunk(), "no length");
    assert_eq!(client.rest(), "");
    app.assert_logged(200, "upstream_failed");
}
