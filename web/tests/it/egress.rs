//! The way to the upstream: through a proxy, and if it is blocked.

use std::time::Duration;

use testkit::{Authority, Endpoint, Proxy, Turn, Upstream, http};

use crate::support::*;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// An app whose upstream only a proxy can resolve, with this proxy.
fn behind(variable: &str, proxy: String) -> Instance {
    App::at("http://provider.invalid:8123/v1").set(variable, proxy).start()
}

/// Expects a request to be answered through the proxy.
#[track_caller]
fn assert_answered(app: &Instance, listener: &Listener, host: &str) {
    let (mut client, mut upstream, head) = app.forward(listener, &request("GET /v1/models", ""));
    assert_eq!((head.target(), head.header("host")), ("/v1/models", Some(host)));
    assert!(head.header("proxy-authorization").is_none());
    upstream.send(OK);
    assert_eq!(client.response().text(), "ok");
}

#[test]
fn http_connect_reaches_the_upstream() {
    let listener = Listener::bind();
    for (login, expected) in [("", None), ("me:p%40ss@", Some("Basic bWU6cEBzcw=="))] {
        let proxy = Proxy::http(listener.address(), expected);
        let app = behind("HTTP_PROXY", format!("http://{login}{}", proxy.address()));
        assert_answered(&app, &listener, "provider.invalid:8123");
        assert_eq!(proxy.targets(), ["CONNECT provider.invalid:8123 HTTP/1.1"]);
    }
}

#[test]
fn socks5h_resolves_at_the_proxy() {
    let listener = Listener::bind();
    let proxy = Proxy::socks(listener.address(), Some(("me", "pass")));
    let app = behind("ALL_PROXY", format!("socks5h://me:pass@{}", proxy.address()));
    assert_answered(&app, &listener, "provider.invalid:8123");
    assert_eq!(proxy.targets(), ["provider.invalid:8123"]);
}

#[test]
fn socks5_resolves_here() {
    let listener = Listener::bind();
    let proxy = Proxy::socks(listener.address(), None);
    let app = App::at("http://localhost:8123/v1")
        .set("http_proxy", format!("socks5://{}", proxy.address()))
        .start();
    assert_answered(&app, &listener, "localhost:8123");
    let resolved = ["127.0.0.1:8123", "[::1]:8123"];
    assert!(resolved.contains(&proxy.targets()[0].as_str()), "{:?}", proxy.targets());
}

#[test]
fn tls_goes_through_a_proxy() {
    let authority = Authority::new();
    let root = authority.file();
    let config = authority.server("provider.invalid");
    let upstream = Upstream::with_tls([Turn::from(OK).close()], config);
    let proxy = Proxy::http(upstream.address(), None);
    let app = App::at("https://provider.invalid/v1")
        .set("HTTPS_PROXY", format!("http://{}", proxy.address()))
        .set("SSL_CERT_FILE", root.path())
        .start();
    let response = app.send(&request("GET /v1/models", "")).response();
    assert_eq!((response.status(), response.text().as_str()), (200, "ok"));
    assert_eq!(proxy.targets(), ["CONNECT provider.invalid:443 HTTP/1.1"]);
}

#[test]
fn proxy_that_does_not_connect_is_an_error() {
    let get = request("GET /v1/models", "");
    for turn in [
        Turn::from(http::response(407, &[], "")),
        Turn::from(http::response(502, &[], "")),
        Turn::closing(),
    ] {
        let proxy = Upstream::always(turn.close());
        let app = behind("HTTP_PROXY", proxy.url(""));
        assert_proxy_error(&mut app.send(&get), 502, "upstream_unreachable");
    }
    let app = behind("HTTP_PROXY", "socks4://proxy".to_owned());
    assert_proxy_error(&mut app.send(&get), 500, "config");
}

#[test]
fn upstream_that_refuses_is_an_error() {
    let closed = Listener::bind().url("/v1");
    let app = App::unset().set("OPENAI_BASE_URL", closed).start();
    let mut client = app.send(&request("GET /v1/models", ""));
    assert_proxy_error(&mut client, 502, "upstream_unreachable");
    app.assert_logged(502, "upstream_unreachable");
}

#[test]
fn unknown_host_is_named_in_the_language_of_the_client() {
    let app = App::unset().set("OPENAI_BASE_URL", "http://provider.invalid/v1").start();
    let response = app.send(&request("GET /v1/models", "Accept-Language: zh-CN\r\n")).response();
    assert_eq!(response.status(), 502);
    let sentence = response.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(sentence.contains("provider.invalid") && !sentence.is_ascii(), "{sentence}");
}

#[test]
fn connecting_times_out_after_10_s() {
    let upstream = Endpoint::start(|_| {});
    upstream.stall();
    let app = App::at(&format!("http://{}/v1", upstream.address())).start();
    let mut client = app.send(&request("GET /v1/models", ""));
    client.assert_silent_for(Duration::from_secs(9));
    assert_proxy_error(&mut client, 504, "deadline");
}
