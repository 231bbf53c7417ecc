//! Invalid settings: the function starts all the same, and names them.

use serde_json::{Value, json};
use testkit::{Scratch, Turn, Upstream, chat, each};

use crate::support::{App, is_chinese};

#[test]
fn invalid_setting_is_named_and_the_function_stays_up() {
    let upstream = Upstream::always(Turn::silent());
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
        let app = App::new(&upstream).set(name, *value).start();
        for _ in 0..2 {
            let reply = app.get(&[("q", "hi"), ("format", "json")], &[]);
            // An invalid token admits no client, and an invalid reply form counts as an envelope.
            reply.assert_error(500, "config");
            let sentence = reply.json()["error"].as_str().unwrap().to_owned();
            assert!(sentence.contains(name), "{name}={value}: {sentence}");
            assert!(!sentence.contains("zz"), "{sentence} shows the value");
            assert_eq!(reply.log_line()["code"], "config");
        }
        let chinese = app.get(&[("q", "hi")], &[("accept-language", "zh")]).text();
        assert!(chinese.contains(name) && is_chinese(&chinese), "{chinese}");
        app.event(&json!({"question": "hi"})).assert_error(500, "config");
        // A request without a question needs no valid settings.
        assert_eq!(app.event(&json!({"httpMethod": "GET", "path": "/robots.txt"})).status(), 200);

        let lines = app.emulator.logs().into_iter();
        let lines = lines.filter_map(|line| serde_json::from_str::<Value>(&line.text).ok());
        let errors: Vec<_> = lines.filter(|line| line["level"] == "error").collect();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0]["message"].as_str().unwrap().contains(name), "{errors:?}");
    });
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn empty_settings_and_those_of_ask_web_are_ignored() {
    let upstream = Upstream::always(chat::completion("Yes."));
    let mut app = App::new(&upstream).set("PORT", "ninety").set("HOST", "nowhere");
    for name in ask_core::settings::VARIABLES {
        if !app.vars.contains_key(*name) {
            app = app.set(name, " ");
        }
    }
    app.start().ask("hi").assert_answer("Yes.");
}

#[test]
fn question_length_is_counted_in_characters() {
    let upstream = Upstream::always(chat::completion("Yes."));
    let app = App::new(&upstream).start();
    let short = App::new(&upstream).set("ASK_MAX_QUESTION", "4").start();
    app.ask(&"好".repeat(8000)).assert_answer("Yes.");
    app.ask(&"好".repeat(8001)).assert_error(413, "question_too_long");
    // Longer than a URI may be.
    let reply = app.get(
        &[("q", &"x".repeat(100_000))],
        &[("accept-language", "zh"), ("accept", "application/json")],
    );
    reply.assert_error(413, "question_too_long");
    let sentence = reply.json()["error"].as_str().unwrap().to_owned();
    assert!(sentence.contains("8000") && is_chinese(&sentence), "{sentence}");
    short.ask(" 你好吗？ ").assert_answer("Yes.");
    short.ask("hello").assert_error(413, "question_too_long");
    let user = |text: &str| json!({"role": "user", "content": text});
    let messages = json!({"messages": [user("abc"), user("de")]});
    short.post("application/json", &messages.to_string()).assert_error(413, "question_too_long");
    assert_eq!(upstream.requests().len(), 2);
}
