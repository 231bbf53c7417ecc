//! Access: tokens, origins, signed links, rate, and requests that never reach the model.

use std::time::{Duration, SystemTime};

use ask_core::access::signed_link::sign;
use ask_core::settings::Secret;
use serde_json::json;
use testkit::{Upstream, chat};

use crate::support::App;

#[test]
fn token_is_accepted_in_three_places() {
    let upstream = Upstream::always(chat::completion("Yes."));
    let app = App::new(&upstream)
        .set("ASK_TOKEN", "owner-1,owner-2")
        .set("ASK_PUBLIC_TOKEN", "public-1")
        .start();
    let question = ("q", "hi");
    for token in ["owner-1", "owner-2", "public-1"] {
        let bearer = format!("Bearer {token}");
        app.get(&[question], &[("authorization", &bearer)]).assert_answer("Yes.");
        app.get(&[question], &[("X-Ask-Token", token)]).assert_answer("Yes.");
        app.get(&[question, ("token", token)], &[]).assert_answer("Yes.");
        app.get(&[question], &[("authorization", "Bearer sk-of-another"), ("x-ask-token", token)])
            .assert_answer("Yes.");
    }
    let asked = upstream.requests().len();
    for headers in [
        &[][..],
        &[("authorization", "Bearer wrong")],
        &[("authorization", "owner-1")],
        &[("authorization", "Basic owner-1")],
        &[("x-ask-token", "")],
        &[("x-ask-token", "owner-1,owner-2")],
        &[("x-ask-token", "owner-")],
        &[("cookie", "token=owner-1")],
    ] {
        let reply = app.get(&[question, ("token", "")], headers);
        reply.assert_error(401, "token");
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
    }
    // A token in the body does not count.
    let body = r#"{"question": "hi", "token": "owner-1"}"#;
    app.post("application/json", body).assert_error(401, "token");
    assert_eq!(upstream.requests().len(), asked);
    // The platform authorizes direct invocations.
    app.event(&json!({"question": "hi"})).assert_answer("Yes.");
    // Requests that need no model need no token.
    for path in ["/widget.js", "/chat.js", "/robots.txt"] {
        assert_eq!(app.event(&json!({"httpMethod": "GET", "path": path})).status(), 200);
    }
    assert_eq!(app.get(&[], &[("accept", "text/html")]).status(), 200);
}

#[test]
fn requests_without_a_question_never_reach_the_model() {
    let upstream = Upstream::always(chat::completion("No."));
    let app = App::new(&upstream).start();
    let question: &[(&str, &str)] = &[("question", "hi")];
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

    for (header, value) in [
        ("sec-purpose", "prefetch"),
        ("sec-purpose", "prefetch;prerender"),
        ("Sec-Purpose", "prerender"),
        ("purpose", "prefetch"),
    ] {
        let reply = app.get(question, &[(header, value), ("accept", browser)]);
        assert_eq!(reply.status(), 503, "{header}: {value}");
    }
    for agent in [
        "Slackbot-LinkExpanding 1.0",
        "Twitterbot/1.0",
        "facebookexternalhit/1.1",
        "TelegramBot (like TwitterBot)",
        "WhatsApp/2.23",
        "Mozilla/5.0 (compatible; Discordbot/2.0)",
        "LinkedInBot/1.0",
    ] {
        assert_eq!(app.get(question, &[("user-agent", agent)]).status(), 403, "{agent}");
    }
    for method in ["PUT", "DELETE", "PATCH", "TRACE", "PURGE"] {
        let reply = app.http(method, question, &[], "");
        reply.assert_error(405, "method");
        assert_eq!(reply.header("allow"), Some("GET, HEAD, POST, OPTIONS"));
    }
    let head = app.http("HEAD", question, &[], "");
    assert_eq!((head.status(), head.text().as_str()), (200, ""));
    assert_eq!(head.header("content-type"), Some("text/plain; charset=utf-8"));
    let again = app.get(question, &[("last-event-id", "3"), ("accept", "text/event-stream")]);
    assert_eq!((again.status(), again.text().as_str()), (204, ""));

    let page = app.get(&[], &[("accept", browser)]);
    assert!(page.status() == 200 && page.text().contains("<html"), "{}", page.head);
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    assert!(page.header("content-security-policy").unwrap().contains("default-src 'none'"));
    let widget = app.event(&json!({"httpMethod": "GET", "path": "/release/widget.js"}));
    assert_eq!(widget.status(), 200);
    assert!(widget.header("content-type").unwrap().starts_with("text/javascript"));
    let file =
        |path| app.event(&json!({"httpMethod": "GET", "path": path, "queryString": {"q": "hi"}}));
    file("/robots.txt").assert_answer("User-agent: *\nDisallow: /\n");
    let icon = file("/favicon.ico");
    assert_eq!((icon.status(), icon.text().as_str()), (404, ""));

    let history = r#"{"action": "loadPreviousSession", "sessionId": "x"}"#;
    let empty = json!({"data": []});
    assert_eq!(app.post("application/json", history).json(), empty);
    assert_eq!(app.get(&[("action", "loadPreviousSession")], &[]).json(), empty);
    app.post("image/png", "x").assert_error(415, "media_type");
    app.post("multipart/form-data; boundary=x", "--x").assert_error(415, "media_type");
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn preflight_is_answered_before_any_check() {
    let upstream = Upstream::always(chat::completion("No."));
    let app = App::new(&upstream)
        .set("ASK_TOKEN", "t")
        .set("ASK_ORIGINS", "https://page.example")
        .start();
    let asked = [
        ("origin", "https://page.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type, x-ask-token, x-stainless-os"),
    ];
    let reply = app.http("OPTIONS", &[], &asked, "");
    assert_eq!((reply.status(), reply.text().as_str()), (204, ""));
    for (name, value) in [
        ("access-control-allow-origin", "https://page.example"),
        ("access-control-allow-headers", "content-type, x-ask-token, x-stainless-os"),
        ("access-control-allow-methods", "GET, HEAD, POST, OPTIONS"),
        ("access-control-max-age", "86400"),
    ] {
        assert_eq!(reply.header(name), Some(value), "{name}");
    }
    let foreign = app.http("OPTIONS", &[], &[("origin", "https://other.example")], "");
    assert_eq!((foreign.status(), foreign.header("access-control-allow-origin")), (204, None));
    for requested in ["x-a\u{7f}", "<script>", &"x".repeat(1025)] {
        let reply = app.http("OPTIONS", &[], &[("access-control-request-headers", requested)], "");
        let allowed = reply.header("access-control-allow-headers").unwrap();
        assert!(!allowed.contains(requested), "{requested}");
    }
}

#[test]
fn only_listed_origins_may_ask() {
    let upstream = Upstream::always(chat::completion("Yes."));
    let app = App::new(&upstream).set("ASK_ORIGINS", "https://page.example, null").start();
    let question: &[(&str, &str)] = &[("question", "hi")];
    let host = ("host", "fn.example");
    let rows: [(&[(&str, &str)], bool); 11] = [
        (&[], true),
        (&[("origin", "https://page.example")], true),
        (&[("origin", "https://PAGE.example")], true),
        (&[("origin", "null")], true),
        (&[("origin", "https://page.example.evil.example")], false),
        (&[("origin", "http://page.example")], false),
        (&[("origin", "https://fn.example"), host], true),
        (&[("origin", "https://other.example"), ("sec-fetch-site", "same-origin")], true),
        (&[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")], false),
        (&[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")], true),
        (&[("sec-fetch-site", "same-site")], true),
    ];
    for (headers, admitted) in rows {
        let reply = app.get(question, headers);
        match admitted {
            true => reply.assert_answer("Yes."),
            false => reply.assert_error(403, "origin"),
        }
    }
    let app = App::new(&upstream).start();
    let anywhere = [("origin", "https://anywhere.example"), ("sec-fetch-site", "cross-site")];
    app.get(question, &anywhere).assert_answer("Yes.");
}

#[test]
fn signed_link_needs_no_token() {
    let upstream = Upstream::always(chat::completion("Yes."));
    let key = "a signing key of the tests";
    let until = SystemTime::now() + Duration::from_secs(3600);
    let until = until.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let link = |question: Option<&str>| {
        let link = sign(&Secret::new(key.to_owned()), "/", until, question);
        let question = question.map(|question| ("question".to_owned(), question.to_owned()));
        let signed =
            [("exp".to_owned(), link.expires.to_string()), ("sig".to_owned(), link.signature)];
        question.into_iter().chain(signed).collect::<Vec<_>>()
    };
    let app = App::new(&upstream).set("ASK_TOKEN", "t").set("ASK_SIGNING_KEY", key).start();
    let get = |pairs: &[(String, String)], question: &str| {
        let mut query: Vec<_> =
            pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        if !question.is_empty() {
            query.retain(|(name, _)| *name != "question");
            query.push(("question", question));
        }
        app.get(&query, &[])
    };
    let any = link(None);
    get(&any, "hi").assert_answer("Yes.");
    get(&any, "another").assert_answer("Yes.");
    let one = link(Some("What is Rust?"));
    get(&one, "").assert_answer("Yes.");
    get(&one, "another").assert_error(401, "link");
    let mut longer = any.clone();
    longer[0].1 = (longer[0].1.parse::<u64>().unwrap() + 1).to_string();
    get(&longer, "hi").assert_error(401, "link");
    let mut forged = any;
    forged[1].1.insert(0, 'A');
    get(&forged, "hi").assert_error(401, "link");
    assert_eq!(upstream.requests().len(), 3);
}

#[test]
fn rate_limit_counts_by_client_address() {
    let upstream = Upstream::always(chat::completion("Yes."));
    let app = App::new(&upstream).set("ASK_RATE", "2").start();
    let from = |address: &str| app.get(&[("q", "hi")], &[("x-scf-remote-addr", address)]);
    from("203.0.113.7").assert_answer("Yes.");
    from("203.0.113.7:51234").assert_answer("Yes.");
    let reply = from("203.0.113.7:51235");
    reply.assert_error(429, "rate");
    let after: u32 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&after), "{after}");
    from("203.0.113.8").assert_answer("Yes.");
    for address in ["2001:db8::1", "[2001:db8::2]:443"] {
        from(address).assert_answer("Yes.");
    }
    from("2001:db8::ffff:1").assert_error(429, "rate");
    from("2001:db8:0:1::1").assert_answer("Yes.");
}
