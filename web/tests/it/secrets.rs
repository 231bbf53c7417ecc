//! No key, token or part of one is in a reply of ours or in the log, whoever repeats it.

use std::thread;

use serde_json::{Value, json};

use crate::support::*;

/// No run of four of their characters is in any sentence of ours.
const SECRET: &str = "sk-proj-Zq7Wx3Vb9Nm1Lk5Jh8Gf";
const OWNER: &str = "Ow4er-t0ken-Xy12";
const PUBLIC: &str = "Pub1ic-Qz98-w0rd";
const SIGNING: &str = "S1gn1ng-Kq77-Vb55-Nn33";
const PASSWORD: &str = "Pa55-Uu66-Ii88";

#[track_caller]
fn holds_no_secret(text: &str) {
    for secret in [SECRET, OWNER, PUBLIC, SIGNING, PASSWORD] {
        for start in 0..secret.len() - 3 {
            let run = &secret[start..start + 4];
            assert!(!text.contains(run), "{run} of {secret} in {text}");
        }
    }
}

/// A server with everything that is secret, before a provider that says the same to everybody.
fn guarded(said: &str, vars: &[(&str, &str)]) -> Server {
    let provider = Provider::start();
    let url = provider.url("/v1");
    let said = said.to_owned();
    thread::spawn(move || {
        for stream in provider.0.incoming() {
            let mut wire = Wire::new(stream.unwrap());
            let head = wire.head();
            wire.body(&head);
            wire.send(&said);
        }
    });
    let secrets = [
        ("OPENAI_API_KEY", SECRET),
        ("OPENAI_BASE_URL", &url),
        ("ASK_TOKEN", OWNER),
        ("ASK_PUBLIC_TOKEN", PUBLIC),
        ("ASK_SIGNING_KEY", SIGNING),
        ("ASK_LOG_TEXT", "1"),
    ];
    Server::start(&[&secrets[..], vars].concat())
}

/// All that a caller gets, and all that is in the log.
fn told(server: &Server, request: &str) -> String {
    let reply = server.send(request).rest();
    let line = server.log();
    format!("{reply}\n{line}\n{}", server.rest_of_log().join("\n"))
}

fn question(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

fn reply(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn stream(events: &[Value]) -> String {
    let events: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    reply("200 OK", "content-type: text/event-stream\r\n", &events)
}

#[test]
fn a_provider_that_repeats_a_secret_is_not_quoted() {
    let error = |message: String| json!({"error": {"message": message}}).to_string();
    let json = "content-type: application/json\r\n";
    let piece = json!({"model": "m", "choices": [{"delta": {"content": "Begun"}}]});
    let beside = json!({
        "model": SECRET,
        "choices": [{"delta": {"content": "Yes."}, "message": {"content": "Yes."}, "finish_reason": PUBLIC}],
        "usage": {"note": OWNER, SIGNING: 1},
    });
    let turns = [
        reply("400 Bad", json, &error(format!("Incorrect API key provided: {SECRET}, {OWNER}"))),
        reply(
            "400 Bad",
            json,
            &error(format!("{}****{}", &SECRET[..11], &SECRET[SECRET.len() - 4..])),
        ),
        reply(&format!("400 {SECRET}"), &format!("x-a: {SECRET}\r\n"), SECRET),
        reply("429 Busy", &format!("retry-after: {SECRET}\r\n"), ""),
        reply("302 Found", &format!("location: https://elsewhere.invalid/{SECRET}\r\n"), ""),
        reply("200 OK", json, &format!("{{\"choices\": {SECRET}")),
        reply("200 OK", json, &error(format!("{PUBLIC} failed"))),
        reply("200 OK", json, &beside.to_string()),
        stream(&[beside, json!("[DONE]")]),
        stream(&[json!({"error": {"message": SECRET}})]),
        stream(&[
            piece.clone(),
            json!({"error": {"message": format!("{SECRET} is out"), "code": SECRET}}),
        ]),
        stream(&[piece, json!(SECRET)]),
        format!("HTTP/1.1 {SECRET}\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\n{SECRET}\r\n\r\n"),
    ];
    thread::scope(|scope| {
        for turn in &turns {
            scope.spawn(move || {
                let server = guarded(turn, &[]);
                for format in ["text", "json", "sse", "ndjson"] {
                    let path = format!("/?q=hi&token={PUBLIC}&format={format}");
                    let told = told(&server, &question(&path));
                    assert!(told.starts_with("HTTP/1.1 "), "{told}");
                    holds_no_secret(&told);
                }
            });
        }
    });
}

#[test]
fn a_caller_who_shows_a_secret_anywhere_does_not_find_it_in_the_log() {
    let server = guarded(&reply("400 Bad", "", ""), &[]);
    let host = "Host: localhost\r\nConnection: close";
    for request in [
        question(&format!("/{OWNER}?token={OWNER}")),
        question(&format!("/ask?q={OWNER}&token={}", &OWNER[..9])),
        question(&format!("/?q=is+{SECRET}+good&token={PUBLIC}")),
        question(&format!("/v1/{SECRET}?key={SECRET}")),
        format!("{OWNER} / HTTP/1.1\r\n{host}\r\n\r\n"),
        format!(
            "GET /?q=hi HTTP/1.1\r\n{host}\r\nX-Ask-Token: {}\r\nCookie: {SECRET}\r\n\r\n",
            &OWNER[1..]
        ),
        format!("GET /v1/models HTTP/1.1\r\n{host}\r\nAuthorization: Bearer {PUBLIC}\r\n\r\n"),
        format!("GET /?q=hi&sig={SIGNING}&exp=1 HTTP/1.1\r\n{host}\r\n\r\n"),
    ] {
        holds_no_secret(&told(&server, &request));
    }
}

#[test]
fn a_setting_that_cannot_be_used_is_named_and_not_shown() {
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
        let server = guarded("", &[(name, &value)]);
        let started = server.said().to_string();
        assert!(started.contains(name), "{started}");
        holds_no_secret(&started);
        for path in
            [format!("/?q=hi&token={PUBLIC}"), "/healthz".to_owned(), "/v1/models".to_owned()]
        {
            holds_no_secret(&told(&server, &question(&path)));
        }
    }
}

#[test]
fn the_proxys_password_is_not_shown_where_it_refuses() {
    let proxy = Provider::start();
    let address = format!("http://user:{PASSWORD}@{}", proxy.address());
    thread::spawn(move || {
        for stream in proxy.0.incoming() {
            let mut wire = Wire::new(stream.unwrap());
            wire.head();
            wire.send(reply(&format!("407 {PASSWORD}"), &format!("x-a: {PASSWORD}\r\n"), PASSWORD));
        }
    });
    let server = guarded("", &[("HTTP_PROXY", &address)]);
    let told = told(&server, &question(&format!("/?q=hi&token={PUBLIC}")));
    assert!(told.contains("upstream_unreachable"), "{told}");
    holds_no_secret(&told);
}
