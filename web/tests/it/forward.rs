//! Requests and responses that pass: methods, paths, headers.

use testkit::Head;

use crate::support::*;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// Returns the head that the upstream receives of this request, the head that the client receives
/// of this response, and the client.
fn exchange(
    app: &Instance,
    listener: &Listener,
    request: &str,
    response: &str,
) -> (Head, Head, Wire) {
    let (mut client, mut upstream, received) = app.forward(listener, request);
    upstream.send(response);
    let head = client.head();
    (received, head, client)
}

#[test]
fn request_passes_with_its_headers_and_no_others() {
    let (listener, app) = start_app();
    let request = "POST /v1/chat/completions?a=%2F&b=+%20c&=&d HTTP/1.1\r\n\
        Host: localhost:9000\r\nUser-Agent: OpenAI/Python 1.0\r\nAuthorization: Bearer sk-own\r\n\
        Accept: application/json\r\nAccept-Encoding: gzip, deflate\r\nX-Stainless-Lang: python\r\n\
        OpenAI-Organization: org-1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    let (mut client, mut upstream, head) = app.forward(&listener, request);
    let expected = format!(
        "POST /v1/chat/completions?a=%2F&b=+%20c&=&d HTTP/1.1\r\n\
         host: {}\r\nuser-agent: OpenAI/Python 1.0\r\nauthorization: Bearer sk-own\r\n\
         accept: application/json\r\naccept-encoding: gzip, deflate\r\nx-stainless-lang: python\r\n\
         openai-organization: org-1\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n",
        listener.address()
    );
    assert_eq!(*head, *expected);
    upstream.expect("{}");
    upstream.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    assert_eq!(client.response().text(), "ok");
}

#[test]
fn request_without_a_body_stays_without() {
    let (listener, app) = start_app();
    for line in ["GET /v1/models", "DELETE /v1/models/ft", "POST /v1/threads/1/cancel"] {
        let request = request(line, "Connection: close\r\n");
        let (mut client, mut upstream, head) = app.forward(&listener, &request);
        let host = listener.address();
        let expected =
            format!("{line} HTTP/1.1\r\nhost: {host}\r\nauthorization: {BEARER}\r\n\r\n");
        assert_eq!(*head, *expected);
        upstream.send(OK.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n"));
        assert_eq!(client.head().status(), 200);
    }
}

#[test]
fn trace_and_connect_are_not_forwarded() {
    let (listener, app) = start_app();
    for line in ["TRACE /v1/models", "CONNECT /v1/models"] {
        let head = app.send(&request(line, "Connection: close\r\n")).head();
        assert_eq!(head.status(), 405, "{line}");
        assert!(head.header("allow").is_some(), "{head}");
    }
    listener.assert_unused();
}

#[test]
fn hop_by_hop_and_private_headers_are_not_forwarded() {
    let (listener, app) = start_app();
    let private = "Connection: keep-alive, X-Hop, Authorization\r\nX-Hop: 1\r\n\
        Keep-Alive: timeout=5\r\nTE: trailers\r\nTrailer: x\r\nUpgrade: h2c\r\n\
        Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic x\r\nProxy-Authenticate: x\r\n\
        X-Scf-Secret-Id: a\r\nX-Scf-Secret-Key: b\r\nX-Scf-Session-Token: c\r\n\
        X-Scf-Remote-Addr: 1.2.3.4\r\nX-Fc-Security-Token: x\r\nX-Api-Requestid: x\r\n\
        X-B3-Traceid: x\r\nEndpoint-Timeout: 15\r\nX-Forwarded-For: 1.2.3.4\r\n\
        X-Forwarded-Proto: https\r\nForwarded: for=1.2.3.4\r\nX-Real-Ip: 1.2.3.4\r\n\
        Via: 1.1 x\r\nCookie: a=b\r\nOrigin: http://localhost\r\nReferer: http://localhost/\r\n\
        Sec-Fetch-Site: same-origin\r\nSec-Ch-Ua: x\r\nX-Ask-Token: owner\r\n";
    let (received, head, _) = exchange(&app, &listener, &request("GET /v1/models", private), OK);
    let host = listener.address();
    let expected =
        format!("GET /v1/models HTTP/1.1\r\nhost: {host}\r\nauthorization: {BEARER}\r\n\r\n");
    assert_eq!(*received, *expected);
    assert_eq!(head.status(), 200);
}

#[test]
fn response_passes_without_headers_of_the_upstreams_gateway() {
    let (listener, app) = start_app();
    let (_, head, mut client) = exchange(
        &app,
        &listener,
        &request("GET /v1/models", ""),
        "HTTP/1.1 418 Short and stout\r\nContent-Type: application/json\r\n\
         Content-Encoding: gzip\r\nX-Request-Id: req_1\r\nOpenAI-Processing-Ms: 7\r\n\
         X-Ratelimit-Remaining-Tokens: 5\r\nRetry-After: 3\r\n\
         Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nConnection: keep-alive, x-hop\r\nX-Hop: 1\r\n\
         Keep-Alive: timeout=5\r\nProxy-Authenticate: x\r\nTrailer: x\r\nUpgrade: h2\r\n\
         Set-Cookie: a=b\r\nSet-Cookie: c=d\r\nAlt-Svc: h3\r\n\
         Strict-Transport-Security: max-age=1\r\nNEL: {}\r\nReport-To: {}\r\n\
         Server: cloudflare\r\nCF-Ray: x\r\nCF-Cache-Status: x\r\n\
         Access-Control-Allow-Origin: https://provider.example\r\n\
         Access-Control-Allow-Credentials: true\r\nContent-Length: 4\r\n\r\nbody",
    );
    let mut lines: Vec<&str> = head.trim_end().split("\r\n").collect();
    assert_eq!(lines.remove(0), "HTTP/1.1 418 Short and stout");
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "access-control-allow-origin: http://localhost",
            "access-control-expose-headers: *",
            "content-encoding: gzip",
            "content-length: 4",
            "content-type: application/json",
            "date: Thu, 01 Jan 1970 00:00:00 GMT",
            "openai-processing-ms: 7",
            "retry-after: 3",
            "vary: Origin",
            "x-ratelimit-remaining-tokens: 5",
            "x-request-id: req_1",
        ]
    );
    client.expect("body");
}

#[test]
fn response_headers_are_cut_at_4_kb() {
    let (listener, app) = start_app();
    let many: String = (0..40).map(|n| format!("x-filler-{n}: {}\r\n", "f".repeat(150))).collect();
    let response = format!(
        "HTTP/1.1 200 OK\r\n{many}content-type: text/plain\r\nx-request-id: req_1\r\n\
         retry-after: 1\r\nx-ratelimit-limit-requests: 9\r\nopenai-model: m\r\n\
         content-length: 0\r\n\r\n"
    );
    let (_, head, _) = exchange(&app, &listener, &request("GET /v1/models", ""), &response);
    assert!(head.len() < 4096, "{}", head.len());
    for needed in [
        "content-type",
        "x-request-id",
        "retry-after",
        "x-ratelimit-limit-requests",
        "openai-model",
        "content-length",
    ] {
        assert!(head.header(needed).is_some(), "{needed} is missing in {head}");
    }
    assert!(head.matches("x-filler").count() > 15, "{head}");
}

#[test]
fn path_is_mapped_and_unchanged_to_the_byte() {
    let listener = Listener::bind();
    let same = |base, path| (base, path, path);
    for (base, path, expected) in [
        same("/v1", "/v1/files/%E4%BD%A0/a%2Fb//c;d=e?x=/v1/../y"),
        ("/api/paas/v4/", "/v1/chat/completions?a=1", "/api/paas/v4/chat/completions?a=1"),
        same("/api/paas/v4", "/api/paas/v4/models"),
        ("", "/v1/models?", "/models?"),
        ("/", "/release/v1/models", "/models"),
        ("/v1", "/release/v1/models", "/v1/models"),
        same("/v1", "/openai/deployments/x?api-version=2024-10-21"),
        ("/v1", "http://localhost/v1/models", "/v1/models"),
        same("/v1", "/v1/你好"),
        same("/v1", "/v1/a|b{c}"),
    ] {
        let app = App::at(&listener.url(base)).set("ASK_PATHS", "/openai/").start();
        let get = request(&format!("GET {path}"), "");
        let (received, ..) = exchange(&app, &listener, &get, OK);
        assert_eq!(received.target(), expected, "{base} {path}");
    }
}

#[test]
fn other_paths_are_not_forwarded() {
    let (listener, app) = start_app();
    for (path, (status, code)) in [
        ("/nothing", (404, "not_found")),
        ("/v10/models", (404, "not_found")),
        ("/openai/deployments", (404, "not_found")),
        ("/v1/../admin", (400, "path")),
        ("/v1/%2e%2E/admin", (400, "path")),
        ("/v1/.%2e\\admin", (400, "path")),
        ("/v1%5c..%5cadmin", (400, "path")),
        ("/v1/./models", (400, "path")),
    ] {
        assert_proxy_error(&mut app.send(&request(&format!("GET {path}"), "")), status, code);
    }
    listener.assert_unused();
}

#[test]
fn redirect_passes() {
    let (listener, app) = start_app();
    let (_, head, _) = exchange(
        &app,
        &listener,
        &request("GET /v1/files/1/content", ""),
        "HTTP/1.1 302 Found\r\nlocation: https://files.example/x?sig=1\r\ncontent-length: 0\r\n\r\n",
    );
    assert_eq!(head.status(), 302);
    assert_eq!(head.header("location"), Some("https://files.example/x?sig=1"));
}
