//! Who may ask, and what never reaches the model.

use serde_json::{Value, json};

use crate::support::{Ask, Server, answer};

#[test]
fn a_question_needs_one_of_the_tokens_in_one_of_three_places() {
    let provider = Server::always(answer("Yes."));
    let ask = Ask::of(&provider)
        .set("ASK_TOKEN", "owner-1,owner-2")
        .set("ASK_PUBLIC_TOKEN", "public-1")
        .start();
    let question = ("q", "hi");
    for token in ["owner-1", "owner-2", "public-1"] {
        let bearer = format!("Bearer {token}");
        ask.get(&[question], &[("authorization", &bearer)]).says("Yes.");
        ask.get(&[question], &[("X-Ask-Token", token)]).says("Yes.");
        ask.get(&[question, ("token", token)], &[]).says("Yes.");
        ask.get(&[question], &[("authorization", "Bearer sk-of-another"), ("x-ask-token", token)])
            .says("Yes.");
    }
    let asked = provider.requests().len();
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
        let reply = ask.get(&[question, ("token", "")], headers);
        reply.fails(401, "token");
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
    }
    // A token in the body is none.
    ask.post("application/json", r#"{"question": "hi", "token": "owner-1"}"#).fails(401, "token");
    assert_eq!(provider.requests().len(), asked);
    // The platform has checked who invokes directly.
    ask.event(&json!({"question": "hi"})).says("Yes.");
    // And what needs no model needs no token.
    for path in ["/widget.js", "/robots.txt"] {
        assert_eq!(ask.event(&json!({"httpMethod": "GET", "path": path})).status, 200);
    }
    assert_eq!(ask.get(&[], &[("accept", "text/html")]).status, 200);
}

#[test]
fn what_asks_nothing_never_reaches_the_model() {
    let provider = Server::always(answer("No."));
    let ask = Ask::of(&provider).start();
    let question: &[(&str, &str)] = &[("question", "hi")];
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

    for (header, value) in [
        ("sec-purpose", "prefetch"),
        ("sec-purpose", "prefetch;prerender"),
        ("Sec-Purpose", "prerender"),
        ("purpose", "prefetch"),
    ] {
        assert_eq!(
            ask.get(question, &[(header, value), ("accept", browser)]).status,
            503,
            "{header}: {value}"
        );
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
        assert_eq!(ask.get(question, &[("user-agent", agent)]).status, 403, "{agent}");
    }
    for method in ["PUT", "DELETE", "PATCH", "TRACE", "PURGE"] {
        let reply = ask.http(method, question, &[], "");
        reply.fails(405, "method");
        assert_eq!(reply.header("allow"), Some("GET, HEAD, POST, OPTIONS"));
    }
    let head = ask.http("HEAD", question, &[], "");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-type"), Some("text/plain; charset=utf-8"));
    let again = ask.get(question, &[("last-event-id", "3"), ("accept", "text/event-stream")]);
    assert_eq!((again.status, again.body.as_str()), (204, ""));

    let page = ask.get(&[], &[("accept", browser)]);
    assert!(page.status == 200 && page.body.contains("<html"), "{}", page.status);
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    assert!(page.header("content-security-policy").unwrap().contains("default-src 'none'"));
    let widget = ask.event(&json!({"httpMethod": "GET", "path": "/release/widget.js"}));
    assert!(
        widget.status == 200
            && widget.header("content-type").unwrap().starts_with("text/javascript")
    );
    let robots =
        ask.event(&json!({"httpMethod": "GET", "path": "/robots.txt", "queryString": {"q": "hi"}}));
    assert_eq!((robots.status, robots.body.as_str()), (200, "User-agent: *\nDisallow: /\n"));
    let icon = ask
        .event(&json!({"httpMethod": "GET", "path": "/favicon.ico", "queryString": {"q": "hi"}}));
    assert_eq!((icon.status, icon.body.as_str()), (404, ""));

    let history = r#"{"action": "loadPreviousSession", "sessionId": "x"}"#;
    let empty: Value = json!({"data": []});
    assert_eq!(ask.post("application/json", history).json(), empty);
    assert_eq!(ask.get(&[("action", "loadPreviousSession")], &[]).json(), empty);
    ask.post("image/png", "x").fails(415, "media_type");
    ask.post("multipart/form-data; boundary=x", "--x").fails(415, "media_type");
    assert_eq!(provider.requests().len(), 0);
}

#[test]
fn a_preflight_is_answered_before_any_check() {
    let provider = Server::always(answer("No."));
    let ask =
        Ask::of(&provider).set("ASK_TOKEN", "t").set("ASK_ORIGINS", "https://page.example").start();
    let asked = [
        ("origin", "https://page.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type, x-ask-token, x-stainless-os"),
    ];
    let reply = ask.http("OPTIONS", &[], &asked, "");
    assert_eq!((reply.status, reply.body.as_str()), (204, ""));
    for (name, value) in [
        ("access-control-allow-origin", "https://page.example"),
        ("access-control-allow-headers", "content-type, x-ask-token, x-stainless-os"),
        ("access-control-allow-methods", "GET, HEAD, POST, OPTIONS"),
        ("access-control-max-age", "86400"),
    ] {
        assert_eq!(reply.header(name), Some(value), "{name}");
    }
    let foreign = ask.http("OPTIONS", &[], &[("origin", "https://other.example")], "");
    assert_eq!((foreign.status, foreign.header("access-control-allow-origin")), (204, None));
    for requested in ["x-a\u{7f}", "<script>", &"x".repeat(1025)] {
        let reply = ask.http("OPTIONS", &[], &[("access-control-request-headers", requested)], "");
        assert!(
            !reply.header("access-control-allow-headers").unwrap().contains(requested),
            "{requested}"
        );
    }
}

#[test]
fn pages_of_other_origins_may_not_ask_where_the_owner_lists_them() {
    let provider = Server::always(answer("Yes."));
    let ask = Ask::of(&provider).set("ASK_ORIGINS", "https://page.example, null").start();
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
        let reply = ask.get(question, headers);
        match admitted {
            true => reply.says("Yes."),
            false => reply.fails(403, "origin"),
        }
    }
    let everybody = Ask::of(&provider).start();
    everybody
        .get(question, &[("origin", "https://anywhere.example"), ("sec-fetch-site", "cross-site")])
        .says("Yes.");
}

#[test]
fn a_signed_link_may_ask_without_a_token() {
    let provider = Server::always(answer("Yes."));
    let key = "a signing key of the tests";
    let link = |args: &[&str]| {
        let mut command = Ask::bare().set("ASK_SIGNING_KEY", key).command();
        let output = command.arg("sign").args(args).arg("https://fn.example/").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let url = String::from_utf8(output.stdout).unwrap();
        let query = url.trim_end().strip_prefix("https://fn.example/?").unwrap().to_owned();
        query.split('&').map(|pair| pair.split_once('=').unwrap()).fold(
            Vec::new(),
            |mut pairs, (name, value)| {
                pairs.push((name.to_owned(), value.replace("%20", " ").replace("%3F", "?")));
                pairs
            },
        )
    };
    let ask = Ask::of(&provider).set("ASK_TOKEN", "t").set("ASK_SIGNING_KEY", key).start();
    let get = |pairs: &[(String, String)], question: &str| {
        let mut query: Vec<_> =
            pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        if !question.is_empty() {
            query.retain(|(name, _)| *name != "question");
            query.push(("question", question));
        }
        ask.get(&query, &[])
    };
    let any = link(&[]);
    get(&any, "hi").says("Yes.");
    get(&any, "another").says("Yes.");
    let one = link(&["--question", "What is Rust?", "--expires", "1h"]);
    get(&one, "").says("Yes.");
    get(&one, "another").fails(401, "link");
    let mut forged = any.clone();
    forged[0].1 = (forged[0].1.parse::<u64>().unwrap() + 1).to_string();
    get(&forged, "hi").fails(401, "link");
    let mut bent = any;
    bent[1].1.insert(0, 'A');
    get(&bent, "hi").fails(401, "link");
    assert_eq!(provider.requests().len(), 3);
}

#[test]
fn a_caller_who_asks_too_often_is_told_when_to_come_back() {
    let provider = Server::always(answer("Yes."));
    let ask = Ask::of(&provider).set("ASK_RATE", "2").start();
    let from = |address: &str| ask.get(&[("q", "hi")], &[("x-scf-remote-addr", address)]);
    from("203.0.113.7").says("Yes.");
    from("203.0.113.7:51234").says("Yes.");
    let reply = from("203.0.113.7:51235");
    reply.fails(429, "rate");
    let after: u32 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&after), "{after}");
    from("203.0.113.8").says("Yes.");
    for address in ["2001:db8::1", "[2001:db8::2]:443"] {
        from(address).says("Yes.");
    }
    from("2001:db8::ffff:1").fails(429, "rate");
    from("2001:db8:0:1::1").says("Yes.");
}
