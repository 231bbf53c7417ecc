//! A provider behind TLS.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::support::*;

/// A private authority.
pub(crate) struct Root {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate.
    pub(crate) file: PathBuf,
}

impl Root {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let key = KeyPair::generate().unwrap();
        let mut root = CertificateParams::new(vec![]).unwrap();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let unique =
            format!("{}-{}.pem", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(unique);
        std::fs::write(&file, root.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(root, key), file }
    }

    /// What a server needs to show a certificate for this name.
    pub(crate) fn config(&self, name: &str) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let cert = CertificateParams::new(vec![name.to_owned()])
            .unwrap()
            .signed_by(&key, &self.issuer)
            .unwrap();
        let config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(
                    vec![cert.der().clone()],
                    PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
                )
                .unwrap();
        Arc::new(config)
    }
}

/// A certificate for this name, and the file with the root that signed it.
fn certificate(name: &str) -> (Arc<ServerConfig>, PathBuf) {
    let root = Root::new();
    (root.config(name), root.file)
}

/// Says these bytes to one caller after another, and goes without a goodbye.
fn provide(config: Arc<ServerConfig>, reply: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            // Whoever does not trust this certificate ends the handshake.
            let _ = say(socket, config.clone(), reply);
        }
    });
    port
}

fn say(socket: TcpStream, config: Arc<ServerConfig>, reply: &str) -> std::io::Result<()> {
    let connection = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut stream = StreamOwned::new(connection, socket);
    let mut asked = Vec::new();
    while !asked.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        asked.push(byte[0]);
    }
    stream.write_all(reply.as_bytes())
}

/// What a caller gets from this provider.
fn ask(port: u16, vars: &[(&str, &str)]) -> (Server, Wire) {
    let url = format!("https://localhost:{port}/v1");
    let server = Server::start(&[&[("OPENAI_BASE_URL", url.as_str())][..], vars].concat());
    let caller = server.send(&request("GET /v1/models", ""));
    (server, caller)
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[test]
fn a_private_root_is_trusted_where_it_is_named() {
    let (config, root) = certificate("localhost");
    let port = provide(config, OK);
    let (_server, mut caller) = ask(port, &[("SSL_CERT_FILE", root.to_str().unwrap())]);
    let head = caller.head();
    assert_eq!((status(&head), caller.body(&head).as_str()), (200, "ok"));

    let (_server, mut caller) = ask(port, &[]);
    assert_eq!(failure(&mut caller), (502, "upstream_unreachable".into()));
}

#[test]
fn tls_goes_through_a_proxy() {
    let (config, root) = certificate("provider.invalid");
    let proxy = Provider::start();
    let server = Server::start(&[
        ("OPENAI_BASE_URL", "https://provider.invalid/v1"),
        ("HTTPS_PROXY", &proxy.url("")),
        ("SSL_CERT_FILE", root.to_str().unwrap()),
    ]);
    let mut caller = server.send(&request("GET /v1/models", ""));
    let mut tunnel = proxy.accept();
    assert!(tunnel.head().starts_with("CONNECT provider.invalid:443 HTTP/1.1\r\n"));
    tunnel.send("HTTP/1.1 200 OK\r\n\r\n");
    say(tunnel.stream, config, OK).unwrap();
    let head = caller.head();
    assert_eq!((status(&head), caller.body(&head).as_str()), (200, "ok"));
}

#[test]
fn a_certificate_for_another_name_is_not() {
    let (config, root) = certificate("elsewhere.example");
    let port = provide(config, OK);
    let (_server, mut caller) = ask(port, &[("SSL_CERT_FILE", root.to_str().unwrap())]);
    let head = caller.head();
    assert_eq!(status(&head), 502);
    assert!(caller.body(&head).contains("TLS"));
}

#[test]
fn a_provider_that_speaks_no_tls_is_said() {
    let plain = Provider::start();
    let (_server, mut caller) = ask(plain.address().port(), &[]);
    let mut asked = plain.accept();
    asked.send("HTTP/1.1 400 Bad Request\r\n\r\n");
    assert_eq!(failure(&mut caller), (502, "upstream_unreachable".into()));
}

#[test]
fn a_file_without_certificates_is_a_broken_setting() {
    for file in [
        "/nowhere/at/all.pem",
        env!("CARGO_MANIFEST_DIR"),
        concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
    ] {
        let (_server, mut caller) = ask(1, &[("SSL_CERT_FILE", file)]);
        assert_eq!(failure(&mut caller), (500, "config".into()), "{file}");
        let (_server, mut caller) =
            ask(1, &[("SSL_CERT_FILE", file), ("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")]);
        assert_eq!(failure(&mut caller), (500, "config".into()), "without TLS, too: {file}");
    }
}

#[test]
fn a_reply_that_is_cut_off_is_not_taken_for_whole() {
    let (config, root) = certificate("localhost");
    let port = provide(config, "HTTP/1.1 200 OK\r\n\r\nno length");
    let (server, mut caller) = ask(
        port,
        &[("SSL_CERT_FILE", root.to_str().unwrap()), ("ASK_TOKEN", "t"), ("ASK_OWN_KEYS", "1")],
    );
    assert_eq!(status(&caller.head()), 200);
    assert_eq!(caller.chunk(), "no length");
    assert_eq!(caller.rest(), "");
    assert_eq!(server.log()["code"], "upstream_failed");
}
