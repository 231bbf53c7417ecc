//! The way to the provider: through proxies, and where it is blocked.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use crate::support::*;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A server for a provider that only the proxy can find, by way of this proxy.
fn behind(variable: &str, proxy: &str) -> Server {
    Server::start(&[
        ("OPENAI_API_KEY", KEY),
        ("ASK_TOKEN", TOKEN),
        ("OPENAI_BASE_URL", "http://provider.invalid:8123/v1"),
        (variable, proxy),
    ])
}

/// The tunnel is there: the test is the provider now.
#[track_caller]
fn is_answered(mut tunnel: Wire, mut caller: Wire) {
    let head = tunnel.head();
    assert!(
        head.starts_with("GET /v1/models HTTP/1.1\r\nhost: provider.invalid:8123\r\n"),
        "{head}"
    );
    assert!(header(&head, "proxy-authorization").is_none());
    tunnel.send(OK);
    let head = caller.head();
    assert_eq!(caller.body(&head), "ok");
}

#[test]
fn http_connect_reaches_the_provider() {
    let proxy = Provider::start();
    for (login, expected) in [("", None), ("me:p%40ss@", Some("Basic bWU6cEBzcw=="))] {
        let server = behind("HTTP_PROXY", &format!("http://{login}{}", proxy.address()));
        let caller = server.send(&request("GET /v1/models", ""));
        let mut tunnel = proxy.accept();
        let head = tunnel.head();
        assert!(head.starts_with("CONNECT provider.invalid:8123 HTTP/1.1\r\n"), "{head}");
        assert_eq!(header(&head, "proxy-authorization").as_deref(), expected);
        tunnel.send("HTTP/1.1 200 Connection established\r\n\r\n");
        is_answered(tunnel, caller);
    }
}

#[test]
fn socks5_reaches_the_provider_by_its_name() {
    let proxy = Provider::start();
    let server = behind("ALL_PROXY", &format!("socks5h://me:pass@{}", proxy.address()));
    let caller = server.send(&request("GET /v1/models", ""));
    let mut tunnel = proxy.accept();
    // RFC 1928 and 1929: the methods, the login, the name.
    assert_eq!(tunnel.exactly(3), [5, 1, 2]);
    tunnel.send([5, 2]);
    assert_eq!(tunnel.exactly(9), b"\x01\x02me\x04pass");
    tunnel.send([1, 0]);
    assert_eq!(tunnel.exactly(23), b"\x05\x01\x00\x03\x10provider.invalid\x1f\xbb");
    tunnel.send([5, 0, 0, 1, 127, 0, 0, 1, 0, 0]);
    is_answered(tunnel, caller);
}

#[test]
fn socks5_without_h_is_given_an_address() {
    let proxy = Provider::start();
    let server = Server::start(&[
        ("ASK_OWN_KEYS", "1"),
        ("OPENAI_BASE_URL", "http://localhost:8123/v1"),
        ("http_proxy", &format!("socks5://{}", proxy.address())),
    ]);
    let mut caller = server.send(&request("GET /v1/models", ""));
    let mut tunnel = proxy.accept();
    assert_eq!(tunnel.exactly(3), [5, 1, 0]);
    tunnel.send([5, 0]);
    let asked = tunnel.exactly(4);
    let address = tunnel.exactly(if asked[3] == 1 { 4 } else { 16 });
    let loopback = [&[127, 0, 0, 1][..], &std::net::Ipv6Addr::LOCALHOST.octets()];
    assert!(
        matches!(asked[..], [5, 1, 0, 1 | 4]) && loopback.contains(&&address[..]),
        "{asked:?} {address:?}"
    );
    assert_eq!(tunnel.exactly(2), 8123_u16.to_be_bytes());
    tunnel.send([5, 0, 0, 1, 127, 0, 0, 1, 0, 0]);
    tunnel.head();
    tunnel.send(OK);
    assert_eq!(status(&caller.head()), 200);
}

#[test]
fn a_proxy_that_does_not_connect_is_said() {
    let proxy = Provider::start();
    for reply in [
        "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
        "HTTP/1.1 502 Bad Gateway\r\n\r\n",
        "",
    ] {
        let server = behind("HTTP_PROXY", &format!("http://{}", proxy.address()));
        let mut caller = server.send(&request("GET /v1/models", ""));
        let mut tunnel = proxy.accept();
        tunnel.head();
        tunnel.send(reply);
        tunnel.close();
        assert_eq!(failure(&mut caller), (502, "upstream_unreachable".into()), "{reply}");
    }
    let server = behind("HTTP_PROXY", "socks4://proxy");
    assert_eq!(failure(&mut server.send(&request("GET /v1/models", ""))), (500, "config".into()));
}

#[test]
fn a_provider_that_refuses_is_said() {
    let closed = Provider::start().address();
    let server = Server::start(&[("OPENAI_BASE_URL", &format!("http://{closed}/v1"))]);
    assert_eq!(
        failure(&mut server.send(&request("GET /v1/models", ""))),
        (502, "upstream_unreachable".into())
    );
    let line = server.log();
    assert_eq!(
        (line["status"].as_u64(), line["code"].as_str()),
        (Some(502), Some("upstream_unreachable"))
    );
}

#[test]
fn a_name_that_nobody_knows_is_said_in_the_callers_language() {
    let server = Server::start(&[("OPENAI_BASE_URL", "http://provider.invalid/v1")]);
    let mut caller = server.send(&request("GET /v1/models", "Accept-Language: zh-CN\r\n"));
    let head = caller.head();
    assert_eq!(status(&head), 502);
    assert!(caller.body(&head).contains("无法解析域名 provider.invalid"));
}

#[test]
fn a_provider_that_does_not_take_the_connection_is_waited_for_10_s() {
    let (provider, _waiting) = full_backlog();
    let server = Server::before(&provider);
    let mut caller = server.send(&request("GET /v1/models", ""));
    caller.is_silent_for(Duration::from_secs(9));
    assert_eq!(failure(&mut caller), (504, "deadline".into()));
}

/// A provider whose queue is full: connections are neither taken nor refused, as long as those in it wait.
pub(crate) fn full_backlog() -> (Provider, Vec<TcpStream>) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let provider = Provider(TcpListener::from(socket));
    let knock = || TcpStream::connect_timeout(&provider.address(), Duration::from_millis(200));
    let waiting = std::iter::from_fn(|| knock().ok()).collect();
    (provider, waiting)
}
