//! TLS to the upstream: roots, certificates, and connections that have gone.

use std::io::{Read, Write};

use testkit::{Authority, Endpoint, Scratch, Turn, Upstream, chat};

use crate::support::App;

/// The URL of an upstream by its name, for which certificates are issued.
fn localhost(upstream: &Upstream) -> String {
    format!("https://localhost:{}/v1", upstream.address().port())
}

#[test]
fn private_root_is_trusted_by_ssl_cert_file_alone() {
    let authority = Authority::new();
    let root = authority.file();
    let upstream = Upstream::with_tls([chat::completion("Yes.")], authority.server("localhost"));
    let app = App::at(localhost(&upstream));
    let trusting = app.clone().set("SSL_CERT_FILE", root.path()).start();
    for _ in 0..3 {
        trusting.ask("hi").assert_answer("Yes.");
    }
    assert_eq!((upstream.requests().len(), upstream.connections()), (3, 1));

    let reply = app.start().ask("hi");
    reply.assert_error(502, "upstream_unreachable");
    assert!(reply.text().contains("TLS"), "{}", reply.text());
    // A certificate error is not retried.
    assert_eq!((upstream.requests().len(), upstream.connections()), (3, 2));
}

#[test]
fn intermediate_certificate_is_accepted() {
    let authority = Authority::new();
    let root = authority.file();
    let config = authority.intermediate().server("127.0.0.1");
    let upstream = Upstream::with_tls([chat::completion("Yes.")], config);
    let app = App::new(&upstream).set("SSL_CERT_FILE", root.path()).start();
    app.ask("hi").assert_answer("Yes.");
}

#[test]
fn root_among_others_in_the_file_is_trusted() {
    let authority = Authority::new();
    let (other, pem) = (Authority::new(), authority.pem());
    let roots = Scratch::new(&format!("# roots\n{}\ntext between\n{pem}", other.pem()));
    let upstream = Upstream::with_tls([chat::completion("Yes.")], authority.server("127.0.0.1"));
    let app = App::new(&upstream).set("SSL_CERT_FILE", roots.path()).start();
    app.ask("hi").assert_answer("Yes.");
}

#[test]
fn certificate_of_another_name_or_expired_is_refused() {
    let authority = Authority::new();
    let root = authority.file();
    for config in [authority.server("elsewhere.example"), authority.expired_server("localhost")] {
        let upstream = Upstream::with_tls([chat::completion("No.")], config);
        let app = App::at(localhost(&upstream)).set("SSL_CERT_FILE", root.path()).start();
        let reply = app.ask("hi");
        reply.assert_error(502, "upstream_unreachable");
        assert!(reply.text().contains("TLS"), "{}", reply.text());
        assert_eq!((upstream.requests().len(), upstream.connections()), (0, 1));
    }
}

#[test]
fn tls_to_a_plain_port_is_an_error_that_names_tls() {
    let refusal = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let plain = Endpoint::start(move |mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(refusal.as_bytes());
    });
    let reply = App::at(format!("https://{}/v1", plain.address())).start().ask("hi");
    reply.assert_error(502, "upstream_unreachable");
    assert!(reply.text().contains("TLS"), "{}", reply.text());
    assert_eq!(plain.connections(), 1);
}

#[test]
fn plain_http_to_a_tls_port_is_an_error() {
    let authority = Authority::new();
    let upstream = Upstream::with_tls([chat::completion("No.")], authority.server("localhost"));
    let reply = App::at(format!("http://{}/v1", upstream.address())).start().ask("hi");
    assert_eq!(reply.status(), 502, "{}", reply.text());
}

#[test]
fn closed_tls_connection_costs_no_attempt() {
    let authority = Authority::new();
    let root = authority.file();
    let turns = [
        Turn::from(chat::completion("1")),
        Turn::closing(),
        Turn::from(chat::completion("2")),
        Turn::from(chat::completion("3")).close(),
        Turn::from(chat::completion("4")),
    ];
    let upstream = Upstream::with_tls(turns, authority.server("127.0.0.1"));
    let app = App::new(&upstream).set("SSL_CERT_FILE", root.path()).start();
    for text in ["1", "2", "3", "4"] {
        let reply = app.ask("hi");
        reply.assert_answer(text);
        assert_eq!(reply.log_line()["attempts"], 1);
    }
    assert_eq!(upstream.connections(), 3);
}
