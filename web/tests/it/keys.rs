//! Keys: the server's key for a token, a client's own key, and errors that repeat one.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use testkit::{Disconnect, Response};

use crate::support::*;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// Returns the header lines that the upstream receives of these credentials, but `host`.
#[track_caller]
fn received(app: &Instance, listener: &Listener, credentials: &str) -> Vec<String> {
    let get = "GET /v1/models?token=t HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
    let (mut client, mut upstream, head) =
        app.forward(listener, &format!("{get}{credentials}\r\n"));
    upstream.send(OK.replace("content-length", "connection: close\r\ncontent-length"));
    assert_eq!(client.head().status(), 200);
    head.trim_end().split("\r\n").skip(2).map(str::to_owned).collect()
}

#[test]
fn token_is_replaced_by_the_server_key() {
    let (listener, app) = start_app();
    let bearer = format!("authorization: {BEARER}");
    let subprotocol = "sec-websocket-protocol: realtime, openai-insecure-api-key.";
    for (credentials, expected) in [
        (format!("Authorization: Bearer {TOKEN}\r\n"), bearer.clone()),
        (format!("authorization: BEARER  {TOKEN}\r\n"), bearer.clone()),
        (format!("Api-Key: {TOKEN}\r\n"), format!("api-key: {KEY}")),
        (
            format!(
                "Api-Key: {TOKEN}\r\nAuthorization: Bearer sk-own\r\n\
                 X-Ask-Token: {TOKEN}\r\nX-Echo: {TOKEN}\r\n"
            ),
            format!("api-key: {KEY}"),
        ),
        (format!("{subprotocol}{TOKEN}\r\n"), format!("{subprotocol}{KEY}")),
        // `Connection` may not remove the credentials.
        (format!("Authorization: Bearer {TOKEN}\r\nConnection: authorization\r\n"), bearer),
    ] {
        assert_eq!(received(&app, &listener, &credentials), [expected], "{credentials}");
    }
}

#[test]
fn own_key_of_a_client_passes_unchanged_if_allowed() {
    let (listener, app) = start_app();
    for credentials in [
        "authorization: Bearer sk-own",
        "authorization: Basic b3duOg==",
        "api-key: own",
        "sec-websocket-protocol: realtime, openai-insecure-api-key.sk-own",
    ] {
        assert_eq!(received(&app, &listener, &format!("{credentials}\r\n")), [credentials]);
    }
    let without_token = App::unset().set("OPENAI_BASE_URL", listener.url("/v1")).start();
    let own = "authorization: Bearer sk-own";
    assert_eq!(received(&without_token, &listener, &format!("{own}\r\n")), [own]);
}

/// Expects a request with these credentials to be rejected.
#[track_caller]
fn assert_rejected(app: &Instance, credentials: &str) {
    let post = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n";
    let response = app.send(&format!("{post}{credentials}\r\n")).response();
    response.assert_error(401, "token");
    assert_eq!(response.header("www-authenticate"), Some("Bearer"));
    let body = response.text();
    assert!(body.starts_with("{\"error\":{") && !body.contains("sk-own"), "{body}");
}

#[test]
fn missing_or_wrong_credentials_are_rejected() {
    let listener = Listener::bind();
    let app = App::new(&listener).set("ASK_PUBLIC_TOKEN", "public");
    let public = "Authorization: Bearer public\r\n";
    let strict = app.clone().set("ASK_OWN_KEYS", "").start();
    for credentials in [
        "",
        "Authorization: Bearer sk-own\r\n",
        "Api-Key: own\r\n",
        "X-Ask-Token: public\r\n",
        public,
    ] {
        assert_rejected(&strict, credentials);
    }
    let lax = app.start();
    for credentials in
        ["", "Authorization: Bearer\r\n", public, &format!("Authorization: Basic {TOKEN}\r\n")]
    {
        assert_rejected(&lax, credentials);
    }
    let open = App::new(&listener).set("ASK_TOKEN", "").set("ASK_OWN_KEYS", "").start();
    assert_rejected(&open, "");
    listener.assert_unused();
}

#[test]
fn refused_or_limited_server_key_is_skipped_afterwards() {
    for failure in ["401 Unauthorized\r\n", "429 Busy\r\nretry-after: 50\r\n"] {
        let listener = Listener::bind();
        let app = App::new(&listener).set("OPENAI_API_KEY", "sk-first-Qq1,sk-second-Ww2").start();
        let failure = format!("HTTP/1.1 {failure}content-length: 0\r\n\r\n");
        let ask = |response: &str| {
            let (mut client, mut upstream, head) =
                app.forward(&listener, &request("GET /v1/models", ""));
            upstream.send(response);
            Disconnect::HalfClose.apply(&upstream.stream);
            client.head();
            head.header("authorization").unwrap().to_owned()
        };
        let failed = ask(&failure);
        // A random choice would take the failed one with a chance of all but 1 in 2^16.
        for _ in 0..16 {
            assert_ne!(ask(OK), failed);
        }
    }
}

/// Returns the response to a client with this bearer, of an upstream that sends this one.
fn pass(status: &str, headers: &str, body: impl AsRef<[u8]>, bearer: &str) -> Response {
    let (listener, app) = start_app();
    let get = "GET /v1/models HTTP/1.1\r\nHost: localhost\r\n";
    let get = format!("{get}Authorization: Bearer {bearer}\r\n\r\n");
    let (mut client, mut upstream, _) = app.forward(&listener, &get);
    let length = body.as_ref().len();
    upstream.send(format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n"));
    upstream.send(body);
    client.response()
}

const JSON: &str = "content-type: application/json\r\n";

#[test]
fn refusal_of_the_server_key_is_redacted() {
    let refusal = format!(
        r#"{{"error":{{"message":"Incorrect API key provided: {KEY}. Ends in -Zq7.","code":"k"}}}}"#
    );
    let status = format!("401 No {KEY}");
    let response = pass(&status, JSON, &refusal, TOKEN);
    assert_eq!(response.status(), 401);
    assert!(!response.head.contains("Zq7"), "{response:?}");
    let error = response.json()["error"].clone();
    let message = error["message"].as_str().unwrap();
    assert!(!message.contains("Zq7") && !message.contains(KEY), "{message}");
    assert_eq!(error["code"], "k");

    // The body cannot be read.
    let headers = "content-encoding: gzip\r\nx-debug: ends in server-Zq7\r\n";
    let response = pass(&status, headers, b"\x1f\x8bnot to be read", TOKEN);
    let body = response.text();
    assert!(body.contains("OPENAI_API_KEY") && body.starts_with("{\"error\":{"), "{body}");
    for (name, value) in
        [("content-encoding", None), ("x-debug", None), ("content-type", Some("application/json"))]
    {
        assert_eq!(response.header(name), value, "{name}");
    }
}

#[test]
fn every_error_is_redacted_for_the_server_key_alone() {
    let tail = &KEY[KEY.len() - 5..];
    let error =
        format!(r#"{{"error":{{"message":"bad {KEY}, ends in {tail}","type":"x","code":null}}}}"#);
    for status in ["400 Bad", "404 None", "429 Busy", "500 Oops", "503 Down"] {
        for kind in [
            "content-type: application/json; charset=utf-8\r\n",
            "content-type: Text/Plain\r\n",
            "content-type: application/problem+json\r\n",
            "content-type: text/event-stream\r\n",
            "",
        ] {
            let response = pass(status, kind, &error, TOKEN);
            assert_eq!(response.line(), format!("HTTP/1.1 {status}"));
            let body = response.text();
            assert!(!body.contains(tail) && body.contains("\"type\":\"x\""), "{body}");
        }
        assert_eq!(pass(status, JSON, &error, "sk-own").text(), error);
    }
    // A response that is no error is not searched.
    assert_eq!(pass("200 OK", JSON, &error, TOKEN).text(), error);
    let long = format!("{{\"error\":\"{}\"}}", "x".repeat(70_000));
    let response = pass("500 Oops", JSON, long, TOKEN);
    assert_eq!(
        (response.status(), &response.json()["error"]["code"]),
        (500, &"upstream_refused".into())
    );
}

fn gzip(text: &str) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    gzip.finish().unwrap()
}

#[test]
fn compressed_error_with_the_server_key_is_redacted() {
    let gzip_header = &format!("{JSON}content-encoding: GZIP\r\n");
    let bad = r#"{"error":{"message":"bad KEY","type":"x"}}"#.replace("KEY", KEY);
    let response = pass("400 Bad", gzip_header, gzip(&bad), TOKEN);
    assert!(response.header("content-encoding").is_none(), "{response:?}");
    assert_eq!(response.json()["error"]["type"], "x");
    assert!(!response.text().contains(KEY), "{response:?}");

    for (body, code) in [
        (gzip(&format!("{{\"error\":\"{}\"}}", "x".repeat(70_000))), Some("upstream_refused")),
        (b"\x1f\x8bbroken".to_vec(), Some("upstream_refused")),
        (gzip("{\"error\":\"no key\"}"), None),
        (b"mislabelled".to_vec(), None),
    ] {
        let response = pass("400 Bad", gzip_header, &body, TOKEN);
        match code {
            Some(code) => assert_eq!(response.json()["error"]["code"], code),
            None => {
                assert_eq!(response.header("content-encoding"), Some("GZIP"));
                assert_eq!(response.body, body);
            }
        }
    }

    let br = &format!("{JSON}content-encoding: br\r\n");
    let opaque = b"\x8b\x02\x80\xff\x03";
    let response = pass("400 Bad", br, opaque, TOKEN);
    assert_eq!(
        (response.header("content-encoding"), &response.body[..]),
        (Some("br"), &opaque[..])
    );
    for mislabelled in [br, gzip_header] {
        let response = pass("400 Bad", mislabelled, &bad, TOKEN);
        assert_eq!(response.json()["error"]["type"], "x");
        assert!(!response.text().contains(KEY), "{response:?}");
    }
}

#[test]
fn refusal_of_a_clients_own_key_passes_unchanged() {
    let response = pass("401 No", "content-encoding: gzip\r\n", "sk-own sk-o**wn", "sk-own");
    assert_eq!((response.status(), response.text().as_str()), (401, "sk-own sk-o**wn"));
    assert_eq!(response.header("content-encoding"), Some("gzip"));
}
