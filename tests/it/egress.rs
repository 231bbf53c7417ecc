//! The way to the provider: proxies, and TLS.

use std::io::{Read, Write};
use std::net::TcpListener;

use base64::prelude::{BASE64_STANDARD, Engine};

use crate::support::{Act, Ask, Authority, Proxy, Scratch, Server, answer, each, listen, reply};

/// A name that only a proxy can resolve.
const NAMED: &str = "http://provider.invalid/v1";

#[test]
fn an_http_proxy_resolves_the_name_and_connects() {
    let provider = Server::always(answer("Yes."));
    let rows = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
    each(&rows, |variable| {
        let proxy = Proxy::http(provider.address(), None);
        let url = format!("http://{}", proxy.address());
        let ask = Ask::of(&provider).set("OPENAI_BASE_URL", NAMED).set(variable, url).start();
        ask.ask("hi").says("Yes.");
        ask.ask("hi").says("Yes.");
        // One connection to the provider, and none to the platform.
        assert_eq!(proxy.targets(), ["CONNECT provider.invalid:80 HTTP/1.1"], "{variable}");
    });
    assert_eq!(provider.requests()[0].target(), "/v1/chat/completions");
    assert_eq!(provider.requests()[0].header("host"), Some("provider.invalid"));
    assert_eq!(provider.requests()[0].header("proxy-authorization"), None);
}

#[test]
fn a_proxy_without_a_scheme_speaks_http() {
    let provider = Server::always(answer("Yes."));
    let proxy = Proxy::http(provider.address(), None);
    let ask = Ask::of(&provider).set("OPENAI_BASE_URL", NAMED);
    ask.set("HTTP_PROXY", proxy.address().to_string()).start().ask("hi").says("Yes.");
    assert_eq!(proxy.targets().len(), 1);
}

#[test]
fn a_proxys_login_is_decoded_and_shown_to_the_proxy_alone() {
    let provider = Server::always(answer("Yes."));
    let basic = format!("Basic {}", BASE64_STANDARD.encode("me@work:pa:ss wörd"));
    let proxy = Proxy::http(provider.address(), Some(&basic));
    let url = format!("http://me%40work:pa:ss%20w%C3%B6rd@{}/", proxy.address());
    Ask::of(&provider)
        .set("OPENAI_BASE_URL", NAMED)
        .set("HTTP_PROXY", url)
        .start()
        .ask("hi")
        .says("Yes.");
    assert_eq!(provider.request().header("proxy-authorization"), None);

    let socks = Proxy::socks(provider.address(), Some(("me", "pass")));
    let url = format!("socks5h://me:pass@{}", socks.address());
    Ask::of(&provider)
        .set("OPENAI_BASE_URL", NAMED)
        .set("ALL_PROXY", url)
        .start()
        .ask("hi")
        .says("Yes.");
}

#[test]
fn a_socks_proxy_resolves_the_name_where_it_is_told_to() {
    let provider = Server::always(answer("Yes."));
    let proxy = Proxy::socks(provider.address(), None);
    let ask = Ask::of(&provider).set("ALL_PROXY", format!("socks5h://{}", proxy.address()));
    ask.set("OPENAI_BASE_URL", "http://provider.invalid:8080/v1").start().ask("hi").says("Yes.");
    assert_eq!(proxy.targets(), ["provider.invalid:8080"]);

    let proxy = Proxy::socks(provider.address(), None);
    let ask = Ask::of(&provider).set("ALL_PROXY", format!("socks5://{}", proxy.address()));
    ask.clone().set("OPENAI_BASE_URL", "http://localhost:8080/v1").start().ask("hi").says("Yes.");
    let resolved = ["127.0.0.1:8080", "[::1]:8080"];
    assert!(resolved.contains(&proxy.targets()[0].as_str()), "{:?}", proxy.targets());

    let reply = ask.set("OPENAI_BASE_URL", NAMED).start().ask("hi");
    reply.fails(502, "upstream_unreachable");
    assert!(reply.body.contains("provider.invalid"), "{}", reply.body);
}

#[test]
fn the_proxy_goes_by_the_scheme_of_the_base_url_and_around_no_proxy() {
    let provider = Server::always(answer("Yes."));
    let other = Proxy::http(provider.address(), None);
    let other_url = format!("http://{}", other.address());
    let url = provider.url("");
    let port = provider.address().port();
    let by_name = format!("http://localhost:{port}");
    let rows: [(&str, Vec<(&str, &str)>); 11] = [
        (&url, vec![("HTTPS_PROXY", &other_url)]),
        (&url, vec![("https_proxy", &other_url)]),
        (&url, vec![("ALL_PROXY", &other_url), ("NO_PROXY", "127.0.0.1")]),
        (&url, vec![("HTTP_PROXY", &other_url), ("NO_PROXY", "127.0.0.0/8")]),
        (&url, vec![("HTTP_PROXY", &other_url), ("NO_PROXY", "10.0.0.0/8, 127.0.0.1/32")]),
        (&url, vec![("HTTP_PROXY", &other_url), ("no_proxy", "*")]),
        (&url, vec![("HTTP_PROXY", &other_url), ("NO_PROXY", "nobody"), ("no_proxy", "*")]),
        (&by_name, vec![("HTTP_PROXY", &other_url), ("NO_PROXY", "localhost")]),
        (&by_name, vec![("HTTP_PROXY", &other_url), ("NO_PROXY", ".localhost")]),
        (&by_name, vec![("HTTP_PROXY", &other_url), ("NO_PROXY", "example.org,LOCALHOST")]),
        (&url, vec![("HTTP_PROXY", "")]),
    ];
    each(&rows, |(url, vars)| {
        let ask = Ask::of(&provider).set("OPENAI_BASE_URL", *url);
        let ask = vars.iter().fold(ask, |ask, (name, value)| ask.set(name, *value));
        ask.start().ask("hi").says("Yes.");
    });
    assert_eq!(other.targets(), [""; 0]);

    let proxied = [
        vec![
            ("HTTP_PROXY", other_url.as_str()),
            ("NO_PROXY", "127.0.0.2,10.0.0.0/8,localhost,27.0.0.1"),
        ],
        vec![("ALL_PROXY", other_url.as_str()), ("HTTPS_PROXY", "http://127.0.0.1:1")],
        vec![("HTTP_PROXY", "http://127.0.0.1:1"), ("http_proxy", other_url.as_str())],
    ];
    each(&proxied, |vars| {
        let ask = vars.iter().fold(Ask::of(&provider), |ask, (name, value)| ask.set(name, *value));
        ask.start().ask("hi").says("Yes.");
    });
    assert_eq!(other.targets().len(), 3);
}

#[test]
fn a_proxy_that_does_not_connect_is_said_not_to() {
    let provider = Server::always(answer("No."));
    let wants_login = Proxy::http(provider.address(), Some("Basic xxxx"));
    let socks_login = Proxy::socks(provider.address(), Some(("me", "right")));
    let refuses = Server::always(reply(503, &[], "no such host"));
    let hangs_up = Server::always([Act::Close]);
    let rows = [
        format!("http://me:Kw8Rt4Zb@{}", wants_login.address()),
        format!("http://{}", refuses.address()),
        format!("http://{}", hangs_up.address()),
        "http://127.0.0.1:1".to_owned(),
        "socks5h://127.0.0.1:1".to_owned(),
        format!("socks5h://me:Kw8Rt4Zb@{}", socks_login.address()),
        "http://proxy.invalid:3128".to_owned(),
        "socks5h://proxy.invalid".to_owned(),
    ];
    each(&rows, |url| {
        let ask = Ask::of(&provider).set("OPENAI_BASE_URL", NAMED).set("HTTP_PROXY", url).start();
        let reply = ask.ask("hi");
        reply.fails(502, "upstream_unreachable");
        assert!(reply.body.contains("the proxy settings"), "{url}: {}", reply.body);
        for run in ["Kw8R", "8Rt4", "t4Zb"] {
            assert!(
                !reply.body.contains(run) && !reply.log.concat().contains(run),
                "{}",
                reply.body
            );
        }
    });
    assert_eq!(provider.connections(), 0);
}

#[test]
fn a_proxy_that_says_nothing_costs_no_more_than_the_time() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap();
    each(&["http", "socks5h"], |scheme| {
        let ask = Ask::bare().set("OPENAI_API_KEY", "key").set("OPENAI_BASE_URL", NAMED);
        let ask =
            ask.set("HTTP_PROXY", format!("{scheme}://{silent}")).set("ASK_TIMEOUT", "0.5").start();
        ask.ask("hi").fails(504, "deadline");
    });
}

#[test]
fn a_provider_with_a_private_root_is_trusted_by_ssl_cert_file_alone() {
    let authority = Authority::new();
    let root = authority.file();
    let provider = Server::wrapped([answer("Yes.")], authority.serve("localhost", false));
    let url = format!("https://localhost:{}/v1", provider.address().port());
    let ask = Ask::of(&provider).set("OPENAI_BASE_URL", url);
    let trusting = ask.clone().set("SSL_CERT_FILE", root.path()).start();
    for _ in 0..3 {
        trusting.ask("hi").says("Yes.");
    }
    assert_eq!((provider.requests().len(), provider.connections()), (3, 1));

    let reply = ask.start().ask("hi");
    reply.fails(502, "upstream_unreachable");
    assert!(reply.body.contains("TLS"), "{}", reply.body);
    // A certificate does not get better by trying again.
    assert_eq!((provider.requests().len(), provider.connections()), (3, 2));
}

#[test]
fn a_root_among_others_in_the_file_is_taken() {
    let authority = Authority::new();
    let file = |authority: &Authority| std::fs::read_to_string(authority.file().path()).unwrap();
    let all = Scratch::new(&format!(
        "# roots\n{}\ntext between\n{}",
        file(&Authority::new()),
        file(&authority)
    ));
    let provider = Server::wrapped([answer("Yes.")], authority.serve("127.0.0.1", false));
    let ask = Ask::of(&provider).set("OPENAI_BASE_URL", format!("https://{}", provider.address()));
    ask.set("SSL_CERT_FILE", all.path()).start().ask("hi").says("Yes.");
}

#[test]
fn a_certificate_for_another_name_or_of_old_is_refused() {
    let authority = Authority::new();
    let root = authority.file();
    for (name, expired) in [("elsewhere.example", false), ("localhost", true)] {
        let provider = Server::wrapped([answer("No.")], authority.serve(name, expired));
        let url = format!("https://localhost:{}/v1", provider.address().port());
        let ask = Ask::of(&provider)
            .set("OPENAI_BASE_URL", url)
            .set("SSL_CERT_FILE", root.path())
            .start();
        let reply = ask.ask("hi");
        reply.fails(502, "upstream_unreachable");
        assert!(reply.body.contains("TLS") && reply.body.contains("ertificate"), "{}", reply.body);
        assert_eq!((provider.requests().len(), provider.connections()), (0, 1));
    }
}

#[test]
fn tls_to_a_port_without_is_said_to_be_tls() {
    let plain = listen(|mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        );
    });
    let ask = Ask::bare().set("OPENAI_API_KEY", "key");
    let reply =
        ask.set("OPENAI_BASE_URL", format!("https://{}/v1", plain.address)).start().ask("hi");
    reply.fails(502, "upstream_unreachable");
    assert!(reply.body.contains("TLS"), "{}", reply.body);
    assert_eq!(plain.connections(), 1);
}

#[test]
fn no_tls_to_a_port_with_it_is_a_failure_in_time() {
    let authority = Authority::new();
    let provider = Server::wrapped([answer("No.")], authority.serve("localhost", false));
    let reply = Ask::of(&provider).start().ask("hi");
    assert_eq!(reply.status, 502, "{}", reply.body);
}

#[test]
fn tls_goes_through_proxies_to_the_providers_own_name() {
    let authority = Authority::new();
    let root = authority.file();
    let rows = ["http", "socks5h"];
    each(&rows, |scheme| {
        let provider =
            Server::wrapped([answer("Yes.")], authority.serve("provider.invalid", false));
        let proxy = match *scheme {
            "http" => Proxy::http(provider.address(), None),
            _ => Proxy::socks(provider.address(), None),
        };
        let ask = Ask::of(&provider)
            .set("OPENAI_BASE_URL", "https://provider.invalid/v1")
            .set("HTTPS_PROXY", format!("{scheme}://{}", proxy.address()))
            .set("HTTP_PROXY", "http://127.0.0.1:1")
            .set("SSL_CERT_FILE", root.path())
            .start();
        ask.ask("hi").says("Yes.");
        ask.ask("hi").says("Yes.");
        assert_eq!(proxy.targets().len(), 1);
        assert!(proxy.targets()[0].contains("provider.invalid:443"), "{:?}", proxy.targets());
        let request = &provider.requests()[0];
        assert_eq!(request.header("host"), Some("provider.invalid"));
    });
}

#[test]
fn an_encrypted_connection_that_went_costs_a_reconnect() {
    let authority = Authority::new();
    let root = authority.file();
    let turns = [
        answer("1"),
        vec![Act::Close],
        answer("2"),
        [answer("3"), vec![Act::Close]].concat(),
        answer("4"),
    ];
    let provider = Server::wrapped(turns, authority.serve("127.0.0.1", false));
    let ask = Ask::of(&provider).set("OPENAI_BASE_URL", format!("https://{}", provider.address()));
    let ask = ask.set("SSL_CERT_FILE", root.path()).start();
    for text in ["1", "2", "3", "4"] {
        let reply = ask.ask("hi");
        reply.says(text);
        assert_eq!(reply.line()["attempts"], 1);
    }
    assert_eq!(provider.connections(), 3);
}
