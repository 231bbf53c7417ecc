//! Whose key goes to the provider, and who gets nothing.

use crate::support::*;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// What the provider receives of these credentials: every header line that is no `host`.
#[track_caller]
fn received(server: &Server, provider: &Provider, credentials: &str) -> Vec<String> {
    let mut caller = server.send(&format!(
        "GET /v1/models?token=t HTTP/1.1\r\nHost: localhost\r\n{credentials}Connection: close\r\n\r\n"
    ));
    let mut asked = provider.accept();
    let head = asked.head();
    asked.send(OK.replace("content-length", "connection: close\r\ncontent-length"));
    assert_eq!(status(&caller.head()), 200);
    head.trim_end().split("\r\n").skip(2).map(str::to_owned).collect()
}

#[test]
fn a_token_borrows_the_servers_key_and_is_gone_from_everywhere() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    for (credentials, expected) in [
        (format!("Authorization: Bearer {TOKEN}\r\n"), format!("authorization: Bearer {KEY}")),
        (format!("authorization: BEARER  {TOKEN}\r\n"), format!("authorization: Bearer {KEY}")),
        (format!("Api-Key: {TOKEN}\r\n"), format!("api-key: {KEY}")),
        (
            format!(
                "Api-Key: {TOKEN}\r\nAuthorization: Bearer sk-own\r\nX-Ask-Token: {TOKEN}\r\nX-Echo: {TOKEN}\r\n"
            ),
            format!("api-key: {KEY}"),
        ),
        (
            format!("Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.{TOKEN}\r\n"),
            format!("sec-websocket-protocol: realtime, openai-insecure-api-key.{KEY}"),
        ),
        (
            format!("Authorization: Bearer {TOKEN}\r\nConnection: authorization\r\n"),
            format!("authorization: Bearer {KEY}"),
        ),
    ] {
        assert_eq!(received(&server, &provider, &credentials), [expected], "{credentials}");
    }
}

#[test]
fn a_callers_own_key_passes_untouched_where_it_may() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    for credentials in [
        "authorization: Bearer sk-own",
        "authorization: Basic b3duOg==",
        "api-key: own",
        "sec-websocket-protocol: realtime, openai-insecure-api-key.sk-own",
    ] {
        assert_eq!(received(&server, &provider, &format!("{credentials}\r\n")), [credentials]);
    }
    let without_token = Server::start(&[("OPENAI_BASE_URL", &provider.url("/v1"))]);
    let own = "authorization: Bearer sk-own";
    assert_eq!(received(&without_token, &provider, &format!("{own}\r\n")), [own]);
}

#[track_caller]
fn refused(server: &Server, credentials: &str) {
    let mut caller = server.send(&format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n{credentials}\r\n"
    ));
    let head = caller.head();
    assert_eq!(status(&head), 401, "{credentials}");
    assert_eq!(header(&head, "www-authenticate").as_deref(), Some("Bearer"));
    assert_eq!(header(&head, "x-error-code").as_deref(), Some("token"));
    let body = caller.body(&head);
    assert!(body.starts_with("{\"error\":{") && !body.contains("sk-own"), "{body}");
}

#[test]
fn without_a_key_or_with_a_wrong_one_nothing_is_forwarded() {
    let provider = Provider::start();
    let strict =
        Server::before_with(&provider, &[("ASK_OWN_KEYS", ""), ("ASK_PUBLIC_TOKEN", "public")]);
    let public = "Authorization: Bearer public\r\n";
    for credentials in [
        "",
        "Authorization: Bearer sk-own\r\n",
        "Api-Key: own\r\n",
        "X-Ask-Token: public\r\n",
        public,
    ] {
        refused(&strict, credentials);
    }
    let lax = Server::before_with(&provider, &[("ASK_PUBLIC_TOKEN", "public")]);
    for credentials in
        ["", "Authorization: Bearer\r\n", public, &format!("Authorization: Basic {TOKEN}\r\n")]
    {
        refused(&lax, credentials);
    }
    let open = Server::start(&[("OPENAI_API_KEY", KEY), ("OPENAI_BASE_URL", &provider.url("/v1"))]);
    refused(&open, "");
    provider.is_left_alone();
}

#[test]
fn the_key_list_is_lent_from_and_a_refused_key_is_put_aside() {
    let provider = Provider::start();
    let server =
        Server::before_with(&provider, &[("OPENAI_API_KEY", "sk-first-Qq1,sk-second-Ww2")]);
    for (key, reply) in [
        ("sk-first-Qq1", "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n"),
        ("sk-second-Ww2", OK),
        ("sk-second-Ww2", OK),
    ] {
        let mut caller = server.send(&request("GET /v1/models", ""));
        let mut asked = provider.accept();
        assert_eq!(header(&asked.head(), "authorization"), Some(format!("Bearer {key}")));
        asked.send(reply);
        asked.stream.shutdown(std::net::Shutdown::Write).unwrap();
        caller.head();
    }
}

/// What a caller with the token is told of this refusal.
fn told(reply_headers: &str, refusal: &[u8], credentials: &str) -> (String, String) {
    let (head, body) = told_with(&format!("401 No {KEY}"), reply_headers, refusal, credentials);
    assert_eq!(status(&head), 401);
    (head, body)
}

/// What a caller is told of a reply with this status.
fn told_with(
    status: &str,
    reply_headers: &str,
    refusal: &[u8],
    credentials: &str,
) -> (String, String) {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let mut caller = server.send(&format!(
        "GET /v1/models HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {credentials}\r\n\r\n"
    ));
    let mut asked = provider.accept();
    asked.head();
    let length = refusal.len();
    asked.send(format!("HTTP/1.1 {status}\r\n{reply_headers}content-length: {length}\r\n\r\n"));
    asked.send(refusal);
    let head = caller.head();
    let body = caller.body(&head);
    (head, body)
}

#[test]
fn a_refusal_of_the_lent_key_shows_no_part_of_it() {
    let refusal = format!(
        r#"{{"error":{{"message":"Incorrect API key provided: {KEY}. Ends in -Zq7.","code":"k"}}}}"#
    );
    let (head, body) = told("content-type: application/json\r\n", refusal.as_bytes(), TOKEN);
    assert!(!head.contains("Zq7"), "{head}");
    assert_eq!(
        body,
        r#"{"error":{"message":"Incorrect API key provided: […] Ends in […].","code":"k"}}"#
    );

    let (head, body) = told(
        "content-encoding: gzip\r\nx-debug: ends in server-Zq7\r\n",
        b"\x1f\x8bnot to be read",
        TOKEN,
    );
    assert!(body.contains("OPENAI_API_KEY") && body.starts_with("{\"error\":{"), "{body}");
    assert!(
        header(&head, "content-encoding").is_none() && header(&head, "x-debug").is_none(),
        "{head}"
    );
    assert_eq!(header(&head, "content-type").as_deref(), Some("application/json"));
}

#[test]
fn no_error_shows_a_part_of_the_lent_key() {
    let error = format!(
        "{{\"error\":{{\"message\":\"bad {KEY}, ends in {}\",\"type\":\"x\",\"code\":null}}}}",
        &KEY[KEY.len() - 5..]
    );
    for status in ["400 Bad", "404 None", "429 Busy", "500 Oops", "503 Down"] {
        for kind in [
            "application/json; charset=utf-8",
            "Text/Plain",
            "application/problem+json",
            "text/event-stream",
            "",
        ] {
            let headers =
                if kind.is_empty() { String::new() } else { format!("content-type: {kind}\r\n") };
            let (head, body) = told_with(status, &headers, error.as_bytes(), TOKEN);
            assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{head}");
            assert!(
                body.contains("bad […], ends in […]") && body.contains("\"type\":\"x\""),
                "{body}"
            );
        }
        let (_, body) =
            told_with(status, "content-type: application/json\r\n", error.as_bytes(), "sk-own");
        assert_eq!(body, error, "a caller's own key is none of ours");
    }
    // What was said before in all that is no error is not looked at.
    let (_, body) =
        told_with("200 OK", "content-type: application/json\r\n", error.as_bytes(), TOKEN);
    assert_eq!(body, error);
    let long = format!("{{\"error\":\"{}\"}}", "x".repeat(70_000));
    let (head, body) =
        told_with("500 Oops", "content-type: application/json\r\n", long.as_bytes(), TOKEN);
    assert!(head.starts_with("HTTP/1.1 500 ") && body.contains("upstream_refused"), "{body}");
}

#[test]
fn a_refusal_of_a_callers_own_key_is_the_providers() {
    let (head, body) = told("content-encoding: gzip\r\n", b"sk-own sk-o**wn", "sk-own");
    assert_eq!(body, "sk-own sk-o**wn");
    assert_eq!(header(&head, "content-encoding").as_deref(), Some("gzip"));
}

#[test]
fn pages_may_call_and_read_everything() {
    let provider = Provider::start();
    let server = Server::before_with(&provider, &[("ASK_ORIGINS", "https://page.example")]);
    let mut caller = server.send(
        "OPTIONS /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nOrigin: https://page.example\r\n\
         Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization, x-stainless-os\r\n\r\n",
    );
    let head = caller.head();
    assert_eq!(status(&head), 204);
    assert_eq!(
        header(&head, "access-control-allow-origin").as_deref(),
        Some("https://page.example")
    );
    assert_eq!(
        header(&head, "access-control-allow-headers").as_deref(),
        Some("authorization, x-stainless-os")
    );
    assert_eq!(header(&head, "access-control-max-age").as_deref(), Some("86400"));
    assert!(header(&head, "access-control-allow-methods").unwrap().contains("DELETE"));
    assert!(header(&head, "access-control-allow-credentials").is_none());

    let mut caller = server.send(&request("GET /v1/models", "Origin: https://page.example\r\n"));
    let mut asked = provider.accept();
    assert!(header(&asked.head(), "origin").is_none());
    asked.send("HTTP/1.1 200 OK\r\naccess-control-allow-origin: *\r\ncontent-length: 0\r\n\r\n");
    let head = caller.head();
    assert_eq!(
        header(&head, "access-control-allow-origin").as_deref(),
        Some("https://page.example")
    );
    assert_eq!(header(&head, "access-control-expose-headers").as_deref(), Some("*"));

    let mut other = server.send(&request("GET /v1/models", "Origin: https://other.example\r\n"));
    assert_eq!(failure(&mut other), (403, "origin".into()));
    provider.is_left_alone();
}

#[test]
fn other_origins_do_not_drive_a_local_server() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let mut caller = server.send(&request("GET /v1/models", "Origin: https://page.example\r\n"));
    assert_eq!(failure(&mut caller), (403, "origin".into()));
    provider.is_left_alone();
}

#[test]
fn broken_settings_are_said_and_nothing_is_forwarded() {
    let provider = Provider::start();
    let server = Server::before_with(&provider, &[("ASK_EXTRA", "7")]);
    let logged = server.said();
    assert_eq!(
        (logged["level"].as_str(), logged["code"].as_str()),
        (Some("error"), Some("config"))
    );
    assert_eq!(failure(&mut server.send(&request("GET /v1/models", ""))), (500, "config".into()));
    let keyless = Server::before_with(&provider, &[("OPENAI_API_KEY", "")]);
    assert_eq!(failure(&mut keyless.send(&request("GET /v1/models", ""))), (500, "config".into()));
    provider.is_left_alone();
}
