//! Secrets: no key or token, whole or in part, is in our replies or in the log.

use serde_json::{Value, json};
use testkit::{Turn, Upstream, assert_no_fragment, chat, each};

use crate::support::*;

// No run of four of their characters is in any of our sentences.
const SECRET: &str = "sk-proj-Zq7Wx3Vb9Nm1Lk5Jh8Gf";
const OWNER: &str = "Ow4er-t0ken-Xy12";
const PUBLIC: &str = "Pub1ic-Qz98-w0rd";
const SIGNING: &str = "S1gn1ng-Kq77-Vb55-Nn33";
const PASSWORD: &str = "Pa55-Uu66-Ii88";

#[track_caller]
fn assert_no_secret(text: &str) {
    assert_no_fragment(text, &[SECRET, OWNER, PUBLIC, SIGNING, PASSWORD]);
}

/// An app with all secrets, which logs questions and answers.
fn guarded(upstream: &Upstream) -> App {
    App::at(&upstream.url("/v1")).set_all(&[
        ("OPENAI_API_KEY", SECRET),
        ("ASK_TOKEN", OWNER),
        ("ASK_PUBLIC_TOKEN", PUBLIC),
        ("ASK_SIGNING_KEY", SIGNING),
        ("ASK_LOG_TEXT", "1"),
    ])
}

/// Returns the response to a request, and everything in the log.
fn shown(app: &Instance, request: &str) -> String {
    let response = app.send(request).rest();
    let line = app.log_line();
    format!("{response}\n{line}\n{}", app.stdout.rest().join("\n"))
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

fn response(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    let headers = format!("connection: close\r\n{headers}content-length: {length}\r\n");
    format!("HTTP/1.1 {status}\r\n{headers}\r\n{body}")
}

fn stream(events: &[Value]) -> String {
    let events: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    response("200 OK", "content-type: text/event-stream\r\n", &events)
}

#[test]
fn reply_that_repeats_a_secret_is_redacted() {
    let error = |message: String| json!({"error": {"message": message}}).to_string();
    let json = "content-type: application/json\r\n";
    let begun = json!({"model": "m", "choices": [{"delta": {"content": "Begun"}}]});
    let yes = json!({"content": "Yes."});
    let metadata = json!({
        "model": SECRET,
        "choices": [{"delta": yes, "message": yes, "finish_reason": PUBLIC}],
        "usage": {"note": OWNER, SIGNING: 1},
    });
    let replies = [
        response("400 Bad", json, &error(format!("Incorrect API key provided: {SECRET}, {OWNER}"))),
        response(
            "400 Bad",
            json,
            &error(format!("{}****{}", &SECRET[..11], &SECRET[SECRET.len() - 4..])),
        ),
        response(&format!("400 {SECRET}"), &format!("x-a: {SECRET}\r\n"), SECRET),
        response("429 Busy", &format!("retry-after: {SECRET}\r\n"), ""),
        response("302 Found", &format!("location: https://elsewhere.invalid/{SECRET}\r\n"), ""),
        response("200 OK", json, &format!("{{\"choices\": {SECRET}")),
        response("200 OK", json, &error(format!("{PUBLIC} failed"))),
        response("200 OK", json, &metadata.to_string()),
        stream(&[metadata, json!("[DONE]")]),
        stream(&[json!({"error": {"message": SECRET}})]),
        stream(&[
            begun.clone(),
            json!({"error": {"message": format!("{SECRET} is out"), "code": SECRET}}),
        ]),
        stream(&[begun, json!(SECRET)]),
        format!("HTTP/1.1 {SECRET}\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\n{SECRET}\r\n\r\n"),
    ];
    each(&replies, |reply| {
        let upstream = Upstream::always(Turn::from(reply.as_str()).close());
        let app = guarded(&upstream).start();
        for format in ["text", "json", "sse", "ndjson"] {
            let target = format!("/?q=hi&token={PUBLIC}&format={format}");
            let shown = shown(&app, &get(&target));
            assert!(shown.starts_with("HTTP/1.1 "), "{shown}");
            assert_no_secret(&shown);
        }
    });
}

#[test]
fn secret_in_a_request_is_redacted_in_response_and_log() {
    let upstream = Upstream::always(Turn::from(response("400 Bad", "", "")).close());
    let app = guarded(&upstream).start();
    let host = "Host: localhost\r\nConnection: close";
    let token = &OWNER[1..];
    for request in [
        get(&format!("/{OWNER}?token={OWNER}")),
        get(&format!("/ask?q={OWNER}&token={}", &OWNER[..9])),
        get(&format!("/?q=is+{SECRET}+good&token={PUBLIC}")),
        get(&format!("/v1/{SECRET}?key={SECRET}")),
        format!("{OWNER} / HTTP/1.1\r\n{host}\r\n\r\n"),
        format!(
            "GET /?q=hi HTTP/1.1\r\n{host}\r\nX-Ask-Token: {token}\r\nCookie: {SECRET}\r\n\r\n"
        ),
        format!("GET /v1/models HTTP/1.1\r\n{host}\r\nAuthorization: Bearer {PUBLIC}\r\n\r\n"),
        format!("GET /?q=hi&sig={SIGNING}&exp=1 HTTP/1.1\r\n{host}\r\n\r\n"),
    ] {
        assert_no_secret(&shown(&app, &request));
    }
}

#[test]
fn invalid_setting_is_named_and_not_shown() {
    let upstream = Upstream::always(chat::completion("No."));
    for (name, value) in [
        ("OPENAI_API_KEY", format!("{SECRET} {SECRET}")),
        ("OPENAI_BASE_URL", format!("https://{SECRET}@api.example/v1")),
        ("ASK_TOKEN", format!("{OWNER} and another")),
        ("ASK_SIGNING_KEY", SIGNING[..9].to_owned()),
        ("ASK_EXTRA", format!("{{\"model\": \"{SECRET}\"}}")),
        ("ASK_RATE", SECRET.to_owned()),
        ("HTTP_PROXY", format!("https://user:{PASSWORD}@proxy.example")),
        ("SSL_CERT_FILE", format!("/{SECRET}")),
    ] {
        let app = guarded(&upstream).set(name, value).start();
        let line = app.line().to_string();
        assert!(line.contains(name), "{line}");
        assert_no_secret(&line);
        let question = format!("/?q=hi&token={PUBLIC}");
        for target in [&question, "/healthz", "/v1/models"] {
            assert_no_secret(&shown(&app, &get(target)));
        }
    }
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn password_of_a_proxy_that_refuses_is_not_shown() {
    let refusal = response(&format!("407 {PASSWORD}"), &format!("x-a: {PASSWORD}\r\n"), PASSWORD);
    let proxy = Upstream::always(Turn::from(refusal).close());
    let upstream = Upstream::always(chat::completion("No."));
    let url = proxy.url("").replace("http://", &format!("http://user:{PASSWORD}@"));
    let app = guarded(&upstream).set("HTTP_PROXY", url).start();
    let shown = shown(&app, &get(&format!("/?q=hi&token={PUBLIC}")));
    assert!(shown.contains("upstream_unreachable"), "{shown}");
    assert_no_secret(&shown);
}
