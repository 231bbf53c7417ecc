//! Settings that cannot be used are said to be, by a function that is up all the same.

use serde_json::{Value, json};

use crate::support::{Act, Ask, Scratch, Server, answer, each};

#[test]
fn a_setting_that_cannot_be_used_is_named_and_the_function_stays_up() {
    let provider = Server::always([Act::Hold]);
    let empty = Scratch::new("");
    let junk = Scratch::new("not a certificate\n");
    let broken = Scratch::new("-----BEGIN CERTIFICATE-----\n****\n-----END CERTIFICATE-----\n");
    let hollow = Scratch::new("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let rows = [
        ("OPENAI_API_KEY", ""),
        ("OPENAI_API_KEY", " "),
        ("OPENAI_API_KEY", "zz key"),
        ("OPENAI_API_KEY", "钥匙"),
        ("OPENAI_API_KEY", ","),
        ("OPENAI_BASE_URL", "api.openai.com/v1"),
        ("OPENAI_BASE_URL", "ftp://api.openai.com"),
        ("OPENAI_BASE_URL", "https://zzuser:zzpass@api.openai.com/v1"),
        ("OPENAI_BASE_URL", "https://api.openai.com/v1?zz=1"),
        ("OPENAI_BASE_URL", "https://api.openai.com/v1#zz"),
        ("OPENAI_BASE_URL", "https://api.openai.com:99999/v1"),
        ("OPENAI_BASE_URL", "https://api.openai.com/v1/chat/completions"),
        ("OPENAI_BASE_URL", "https://"),
        ("OPENAI_MODEL", " , "),
        ("ASK_EXTRA", "temperature=1"),
        ("ASK_EXTRA", "[]"),
        ("ASK_EXTRA", "null"),
        ("ASK_EXTRA", r#"{"model": "x"}"#),
        ("ASK_EXTRA", r#"{"messages": []}"#),
        ("ASK_EXTRA", r#"{"stream": false}"#),
        ("ASK_TOKEN", "zz zz"),
        ("ASK_PUBLIC_TOKEN", "zz\u{e9}"),
        ("ASK_ORIGINS", "page.example"),
        ("ASK_MAX_QUESTION", "0"),
        ("ASK_MAX_QUESTION", "many"),
        ("ASK_TIMEOUT", "0"),
        ("ASK_TIMEOUT", "1m"),
        ("ASK_TIMEOUT", "-1"),
        ("ASK_TIMEOUT", "inf"),
        ("ASK_PARTIAL", "yes"),
        ("ASK_LOG_TEXT", "2"),
        ("ASK_RESPONSE", "raw"),
        ("ASK_OWN_KEYS", "maybe"),
        ("ASK_PATHS", "openai/"),
        ("ASK_DRAIN", "long"),
        ("ASK_SIGNING_KEY", "zz-too-short"),
        ("ASK_RATE", "0"),
        ("ASK_RATE", "1.5"),
        ("HTTP_PROXY", "https://proxy.invalid"),
        ("http_proxy", "socks4://proxy.invalid"),
        ("ALL_PROXY", "http://"),
        ("ALL_PROXY", "http://proxy.invalid:port"),
        ("all_proxy", "http://zzuser:zz%FFpass@proxy.invalid"),
        ("SSL_CERT_FILE", "/nonexistent/roots.pem"),
        ("SSL_CERT_FILE", env!("CARGO_TARGET_TMPDIR")),
        ("SSL_CERT_FILE", empty.path()),
        ("SSL_CERT_FILE", junk.path()),
        ("SSL_CERT_FILE", broken.path()),
        ("SSL_CERT_FILE", hollow.path()),
    ];
    each(&rows, |(name, value)| {
        let ask = Ask::of(&provider).set(name, *value).start();
        for _ in 0..2 {
            let reply = ask.get(&[("q", "hi"), ("format", "json")], &[]);
            // A token that cannot be used opens nothing, and so does a bare reply form not count.
            reply.fails(500, "config");
            let sentence = reply.json()["error"].as_str().unwrap().to_owned();
            assert!(sentence.starts_with(&format!("{name} ")), "{name}={value}: {sentence}");
            assert!(!sentence.contains("zz"), "{sentence} shows the value");
            assert_eq!(reply.line()["code"], "config");
        }
        let chinese = ask.get(&[("q", "hi")], &[("accept-language", "zh")]);
        assert!(
            chinese.body.starts_with(&format!("{name} ")) && chinese.body.contains("环境变量"),
            "{}",
            chinese.body
        );
        ask.event(&json!({"question": "hi"})).fails(500, "config");
        // What needs no model is there.
        assert_eq!(ask.event(&json!({"httpMethod": "GET", "path": "/robots.txt"})).status, 200);

        let at_start: Vec<Value> = ask
            .emulator
            .logs()
            .iter()
            .filter_map(|line| serde_json::from_str::<Value>(&line.text).ok())
            .filter(|line| line["level"] == "error")
            .collect();
        assert_eq!(at_start.len(), 1, "{at_start:?}");
        assert!(
            at_start[0]["message"].as_str().unwrap().starts_with(&format!("{name} ")),
            "{at_start:?}"
        );
    });
    assert_eq!(provider.requests().len(), 0);
}

#[test]
fn empty_settings_and_those_of_the_other_face_do_no_harm() {
    let provider = Server::always(answer("Yes."));
    let mut ask = Ask::of(&provider).set("PORT", "ninety").set("HOST", "nowhere");
    for name in ask_core::settings::VARIABLES {
        if !ask.vars.contains_key(*name) {
            ask = ask.set(name, " ");
        }
    }
    ask.start().ask("hi").says("Yes.");
}

#[test]
fn the_longest_question_is_counted_in_characters() {
    let provider = Server::always(answer("Yes."));
    let ask = Ask::of(&provider).start();
    let ask4 = Ask::of(&provider).set("ASK_MAX_QUESTION", "4").start();
    ask.ask(&"好".repeat(8000)).says("Yes.");
    ask.ask(&"好".repeat(8001)).fails(413, "question_too_long");
    // Longer than a URI can be.
    let reply = ask.get(
        &[("q", &"x".repeat(100_000))],
        &[("accept-language", "zh"), ("accept", "application/json")],
    );
    reply.fails(413, "question_too_long");
    assert!(reply.json()["error"].as_str().unwrap().contains("8000 个字符"), "{}", reply.body);
    ask4.ask(" 你好吗？ ").says("Yes.");
    ask4.ask("hello").fails(413, "question_too_long");
    let messages = json!({"messages": [{"role": "user", "content": "abc"}, {"role": "user", "content": "de"}]});
    ask4.post("application/json", &messages.to_string()).fails(413, "question_too_long");
    assert_eq!(provider.requests().len(), 2);
}
