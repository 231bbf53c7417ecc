//! Egress proxies: HTTP `CONNECT`, SOCKS5, and the choice between them.

use base64::prelude::{BASE64_STANDARD, Engine};
use testkit::{Authority, Listener, Proxy, Turn, Upstream, chat, each, http};

use crate::support::App;

/// A URL that only a proxy can resolve.
const NAMED: &str = "http://provider.invalid/v1";

#[test]
fn http_proxy_resolves_the_name_and_connects() {
    let upstream = Upstream::always(chat::completion("Yes."));
    let rows = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
    each(&rows, |variable| {
        let proxy = Proxy::http(upstream.address(), None);
        let app = App::at(NAMED).set(variable, format!("http://{}", proxy.address())).start();
        app.ask("hi").assert_answer("Yes.");
        app.ask("hi").assert_answer("Yes.");
        // One connection to the upstream, and none to the platform.
        assert_eq!(proxy.targets(), ["CONNECT provider.invalid:80 HTTP/1.1"], "{variable}");
    });
    let request = &upstream.requests()[0];
    assert_eq!(request.target(), "/v1/chat/completions");
    assert_eq!(request.header("host"), Some("provider.invalid"));
    assert_eq!(request.header("proxy-authorization"), None);
}

#[test]
fn proxy_without_a_scheme_is_http() {
    let upstream = Upstream::always(chat::completion("Yes."));
    let proxy = Proxy::http(upstream.address(), None);
    let app = App::at(NAMED).set("HTTP_PROXY", proxy.address().to_string()).start();
    app.ask("hi").assert_answer("Yes.");
    assert_eq!(proxy.targets().len(), 1);
}

#[test]
fn proxy_login_is_decoded_and_sent_to_the_proxy_alone() {
    let upstream = Upstream::always(chat::completion("Yes."));
    let basic = format!("Basic {}", BASE64_STANDARD.encode("me@work:pa:ss wörd"));
    let proxy = Proxy::http(upstream.address(), Some(&basic));
    let url = format!("http://me%40work:pa:ss%20w%C3%B6rd@{}/", proxy.address());
    App::at(NAMED).set("HTTP_PROXY", url).start().ask("hi").assert_answer("Yes.");
    assert_eq!(upstream.request().header("proxy-authorization"), None);

    let socks = Proxy::socks(upstream.address(), Some(("me", "pass")));
    let url = format!("socks5h://me:pass@{}", socks.address());
    App::at(NAMED).set("ALL_PROXY", url).start().ask("hi").assert_answer("Yes.");
}

#[test]
fn socks5h_resolves_at_the_proxy_and_socks5_here() {
    let upstream = Upstream::always(chat::completion("Yes."));
    let proxy = Proxy::socks(upstream.address(), None);
    let app = |scheme: &str, url| {
        App::at(url).set("ALL_PROXY", format!("{scheme}://{}", proxy.address())).start()
    };
    app("socks5h", "http://provider.invalid:8080/v1").ask("hi").assert_answer("Yes.");
    assert_eq!(proxy.targets(), ["provider.invalid:8080"]);

    app("socks5", "http://localhost:8080/v1").ask("hi").assert_answer("Yes.");
    let resolved = ["127.0.0.1:8080", "[::1]:8080"];
    assert!(resolved.contains(&proxy.targets()[1].as_str()), "{:?}", proxy.targets());

    let reply = app("socks5", NAMED).ask("hi");
    reply.assert_error(502, "upstream_unreachable");
    assert!(reply.text().contains("provider.invalid"), "{}", reply.text());
}

#[test]
fn proxy_goes_by_scheme_and_no_proxy() {
    let upstream = Upstream::always(chat::completion("Yes."));
    let proxy = Proxy::http(upstream.address(), None);
    let proxy_url = format!("http://{}", proxy.address());
    let url = upstream.url("");
    let by_name = url.replace("127.0.0.1", "localhost");
    let rows: [(&str, Vec<(&str, &str)>); 11] = [
        (&url, vec![("HTTPS_PROXY", &proxy_url)]),
        (&url, vec![("https_proxy", &proxy_url)]),
        (&url, vec![("ALL_PROXY", &proxy_url), ("NO_PROXY", "127.0.0.1")]),
        (&url, vec![("HTTP_PROXY", &proxy_url), ("NO_PROXY", "127.0.0.0/8")]),
        (&url, vec![("HTTP_PROXY", &proxy_url), ("NO_PROXY", "10.0.0.0/8, 127.0.0.1/32")]),
        (&url, vec![("HTTP_PROXY", &proxy_url), ("no_proxy", "*")]),
        (&url, vec![("HTTP_PROXY", &proxy_url), ("NO_PROXY", "nobody"), ("no_proxy", "*")]),
        (&by_name, vec![("HTTP_PROXY", &proxy_url), ("NO_PROXY", "localhost")]),
        (&by_name, vec![("HTTP_PROXY", &proxy_url), ("NO_PROXY", ".localhost")]),
        (&by_name, vec![("HTTP_PROXY", &proxy_url), ("NO_PROXY", "example.org,LOCALHOST")]),
        (&url, vec![("HTTP_PROXY", "")]),
    ];
    each(&rows, |(url, vars)| {
        App::at(*url).set_all(vars).start().ask("hi").assert_answer("Yes.");
    });
    assert_eq!(proxy.targets(), [""; 0]);

    let closed = "http://127.0.0.1:1";
    let others = "127.0.0.2,10.0.0.0/8,localhost,27.0.0.1";
    let proxied = [
        [("HTTP_PROXY", proxy_url.as_str()), ("NO_PROXY", others)],
        [("ALL_PROXY", &proxy_url), ("HTTPS_PROXY", closed)],
        [("HTTP_PROXY", closed), ("http_proxy", &proxy_url)],
    ];
    each(&proxied, |vars| {
        App::new(&upstream).set_all(vars).start().ask("hi").assert_answer("Yes.");
    });
    assert_eq!(proxy.targets().len(), 3);
}

#[test]
fn unusable_proxy_is_named_without_its_password() {
    let upstream = Upstream::always(chat::completion("No."));
    let wants_login = Proxy::http(upstream.address(), Some("Basic xxxx"));
    let socks_login = Proxy::socks(upstream.address(), Some(("me", "right")));
    let refuses = Upstream::always(http::response(503, &[], "no such host"));
    let closes = Upstream::always(Turn::closing());
    let rows = [
        format!("http://me:Kw8Rt4Zb@{}", wants_login.address()),
        format!("http://{}", refuses.address()),
        format!("http://{}", closes.address()),
        "http://127.0.0.1:1".to_owned(),
        "socks5h://127.0.0.1:1".to_owned(),
        format!("socks5h://me:Kw8Rt4Zb@{}", socks_login.address()),
        "http://proxy.invalid:3128".to_owned(),
        "socks5h://proxy.invalid".to_owned(),
    ];
    each(&rows, |url| {
        let reply = App::at(NAMED).set("HTTP_PROXY", url).start().ask("hi");
        reply.assert_error(502, "upstream_unreachable");
        assert!(reply.text().contains("proxy"), "{url}: {}", reply.text());
        let shown = reply.text() + &reply.log.concat();
        for run in ["Kw8R", "8Rt4", "t4Zb"] {
            assert!(!shown.contains(run), "{shown}");
        }
    });
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn silent_proxy_ends_at_the_deadline() {
    let silent = Listener::bind();
    each(&["http", "socks5h"], |scheme| {
        let proxy = format!("{scheme}://{}", silent.address());
        let app = App::at(NAMED).set("HTTP_PROXY", proxy).set("ASK_TIMEOUT", "0.5").start();
        app.ask("hi").assert_error(504, "deadline");
    });
}

#[test]
fn tls_through_a_proxy_checks_the_name_of_the_upstream() {
    let authority = Authority::new();
    let root = authority.file();
    each(&["http", "socks5h"], |scheme| {
        let config = authority.server("provider.invalid");
        let upstream = Upstream::with_tls([chat::completion("Yes.")], config);
        let proxy = match *scheme {
            "http" => Proxy::http(upstream.address(), None),
            _ => Proxy::socks(upstream.address(), None),
        };
        let app = App::at("https://provider.invalid/v1")
            .set("HTTPS_PROXY", format!("{scheme}://{}", proxy.address()))
            .set("HTTP_PROXY", "http://127.0.0.1:1")
            .set("SSL_CERT_FILE", root.path())
            .start();
        app.ask("hi").assert_answer("Yes.");
        app.ask("hi").assert_answer("Yes.");
        assert_eq!(proxy.targets().len(), 1);
        assert!(proxy.targets()[0].contains("provider.invalid:443"), "{:?}", proxy.targets());
        assert_eq!(upstream.requests()[0].header("host"), Some("provider.invalid"));
    });
}
