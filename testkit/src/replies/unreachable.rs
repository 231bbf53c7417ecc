//! Upstreams that cannot be reached.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::row::{Delivery, Row, raw};
use crate::{Authority, Disconnect, Endpoint, Proxy, Scratch, accept_tls};

/// A failure to connect, and the settings that lead to it.
pub(super) struct Unreachable {
    pub(super) row: Row,
    pub(super) vars: Vec<(&'static str, String)>,
    /// The servers and files that the settings name.
    _holds: Box<dyn Send + Sync>,
}

/// A host that no resolver knows.
const UNKNOWN: &str = "http://provider.invalid/v1";

const REFUSED: &str = "connection refused";

/// A row for an upstream at this URL.
fn at(name: &str, url: impl Into<String>, row: impl FnOnce(Row) -> Row) -> Unreachable {
    let nothing = raw(name, "").delivered(Delivery::RawClosed).fails("upstream_unreachable");
    let vars = vec![("OPENAI_BASE_URL", url.into())];
    Unreachable { row: row(nothing), vars, _holds: Box::new(()) }
}

impl Unreachable {
    fn set(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.vars.push((name, value.into()));
        self
    }

    fn holding(self, holds: impl Send + Sync + 'static) -> Self {
        Self { _holds: Box::new(holds), ..self }
    }
}

pub(super) fn rows() -> Vec<Unreachable> {
    let mut rows = upstreams();
    rows.extend(proxies());
    rows.extend(closed_proxies());
    rows.extend(tls());
    rows
}

/// An address that refuses connections.
fn closed_port() -> Endpoint {
    let endpoint = Endpoint::start_unique(|_| {});
    endpoint.refuse();
    endpoint
}

fn upstreams() -> Vec<Unreachable> {
    let closed_at = |name, scheme: &str| {
        let endpoint = closed_port();
        let url = format!("{scheme}://{}/v1", endpoint.address());
        at(name, url, |row| row.says(REFUSED).says("OPENAI_BASE_URL").hides("io:").retried_later())
            .holding(endpoint)
    };
    vec![
        closed_at("a closed port", "http"),
        closed_at("a closed port for TLS", "https"),
        at("an unknown host", UNKNOWN, |row| row.says("provider.invalid").retried_later()),
    ]
}

fn proxies() -> Vec<Unreachable> {
    let rejecting = |name, answer: &'static str| {
        let endpoint = Endpoint::start(move |mut stream| {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
            Disconnect::Close.apply(stream);
        });
        let address = endpoint.address();
        at(name, UNKNOWN, |row| row.says(format!("the proxy {address}")))
            .set("HTTP_PROXY", format!("http://{address}"))
            .holding(endpoint)
    };
    let login = Proxy::http(([127, 0, 0, 1], 1).into(), Some("Basic xxxx"));
    vec![
        at("an unknown proxy", UNKNOWN, |row| row.says("proxy.invalid").retried_later())
            .set("HTTP_PROXY", "http://proxy.invalid:3128"),
        rejecting(
            "a proxy that is a web server",
            "HTTP/1.1 405 Not Allowed\r\ncontent-length: 0\r\n\r\n",
        ),
        rejecting("a proxy that forbids", "HTTP/1.1 403 Forbidden\r\n\r\n"),
        at("a proxy that wants a login", UNKNOWN, |row| {
            row.says(format!("the proxy {}", login.address()))
        })
        .set("HTTP_PROXY", format!("http://{}", login.address()))
        .holding(login),
    ]
}

/// Proxies that refuse connections.
fn closed_proxies() -> Vec<Unreachable> {
    let closed_at = |name, url: &str, variable, scheme: &str| {
        let endpoint = closed_port();
        let address = endpoint.address();
        let message = format!("connect to the proxy {address}: {REFUSED}");
        at(name, url, |row| row.says(message).retried_later())
            .set(variable, format!("{scheme}{address}"))
            .holding(endpoint)
    };
    vec![
        closed_at("a closed proxy", UNKNOWN, "HTTP_PROXY", "http://"),
        closed_at(
            "a closed proxy for TLS",
            "https://provider.invalid/v1",
            "HTTPS_PROXY",
            "http://",
        ),
        closed_at("a closed proxy for all", UNKNOWN, "ALL_PROXY", "http://"),
        closed_at("a closed proxy without a scheme", UNKNOWN, "http_proxy", ""),
        closed_at("a closed proxy that resolves names", UNKNOWN, "ALL_PROXY", "socks5h://"),
        closed_at(
            "a closed proxy for addresses",
            "http://127.0.0.1:1/v1",
            "ALL_PROXY",
            "socks5://",
        ),
    ]
}

fn tls() -> Vec<Unreachable> {
    let plain = |name, answer: &'static str| {
        let endpoint = Endpoint::start(move |mut stream| {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
            Disconnect::HalfClose.apply(stream);
        });
        let url = format!("https://{}/v1", endpoint.address());
        at(name, url, |row| row.says("TLS").says("http://")).holding(endpoint)
    };
    let certificate = |name, host: &str, expired: bool| {
        let authority = Authority::new();
        let config = match expired {
            true => authority.expired_server(host),
            false => authority.server(host),
        };
        let endpoint = Endpoint::start(move |stream: &TcpStream| {
            let _ = accept_tls(&config, stream).read(&mut [0; 64]);
        });
        let url = format!("https://{}/v1", endpoint.address());
        let root: Scratch = authority.file();
        let row = at(name, url, |row| row.says("TLS"));
        match name {
            "an unknown certificate" => row.holding(endpoint),
            _ => row.set("SSL_CERT_FILE", root.path()).holding((endpoint, root)),
        }
    };
    vec![
        plain("TLS to a port for HTTP", "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"),
        plain("TLS to a port of another kind", "SSH-2.0-OpenSSH_9.2\r\n"),
        certificate("an unknown certificate", "127.0.0.1", false),
        certificate("a certificate for another name", "elsewhere.example", false),
        certificate("an expired certificate", "127.0.0.1", true),
    ]
}
