//! Heads and bodies that pass, in both directions.

use crate::support::*;

/// What the provider receives of this request, and what the caller gets of this reply.
fn exchange(
    server: &Server,
    provider: &Provider,
    request: &str,
    reply: &str,
) -> (String, String, Wire) {
    let mut caller = server.send(request);
    let mut asked = provider.accept();
    let received = asked.head();
    asked.send(reply);
    let head = caller.head();
    (received, head, caller)
}

#[test]
fn the_provider_receives_the_request_and_no_header_beside() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let request = "POST /v1/chat/completions?a=%2F&b=+%20c&=&d HTTP/1.1\r\n\
        Host: localhost:9000\r\nUser-Agent: OpenAI/Python 1.0\r\nAuthorization: Bearer sk-own\r\n\
        Accept: application/json\r\nAccept-Encoding: gzip, deflate\r\nX-Stainless-Lang: python\r\n\
        OpenAI-Organization: org-1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    let mut caller = server.send(request);
    let mut asked = provider.accept();
    let expected = format!(
        "POST /v1/chat/completions?a=%2F&b=+%20c&=&d HTTP/1.1\r\n\
         host: {}\r\nuser-agent: OpenAI/Python 1.0\r\nauthorization: Bearer sk-own\r\n\
         accept: application/json\r\naccept-encoding: gzip, deflate\r\nx-stainless-lang: python\r\n\
         openai-organization: org-1\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n",
        provider.address()
    );
    assert_eq!(asked.head(), expected);
    asked.expect("{}");
    asked.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let head = caller.head();
    assert_eq!(caller.body(&head), "ok");
}

#[test]
fn a_request_without_a_body_gets_none() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    for line in ["GET /v1/models", "DELETE /v1/models/ft", "POST /v1/threads/1/cancel"] {
        let mut caller = server.send(&request(line, "Connection: close\r\n"));
        let mut asked = provider.accept();
        let expected = format!(
            "{line} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {KEY}\r\n\r\n",
            provider.address()
        );
        assert_eq!(asked.head(), expected);
        asked.send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(status(&caller.head()), 200);
    }
}

#[test]
fn methods_that_would_show_the_key_or_open_a_tunnel_stay_here() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    for line in ["TRACE /v1/models", "CONNECT /v1/models"] {
        let head = server.send(&request(line, "Connection: close\r\n")).head();
        assert_eq!(status(&head), 405, "{line}");
        assert!(header(&head, "allow").is_some(), "{head}");
    }
    provider.is_left_alone();
}

#[test]
fn what_is_not_the_providers_business_stays_here() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let staying = "Connection: keep-alive, X-Hop, Authorization\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nTE: trailers\r\n\
        Trailer: x\r\nUpgrade: h2c\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic x\r\n\
        Proxy-Authenticate: x\r\nX-Scf-Secret-Id: a\r\nX-Scf-Secret-Key: b\r\nX-Scf-Session-Token: c\r\n\
        X-Scf-Remote-Addr: 1.2.3.4\r\nX-Fc-Security-Token: x\r\nX-Api-Requestid: x\r\nX-B3-Traceid: x\r\n\
        Endpoint-Timeout: 15\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nForwarded: for=1.2.3.4\r\n\
        X-Real-Ip: 1.2.3.4\r\nVia: 1.1 x\r\nCookie: a=b\r\nOrigin: http://localhost\r\nReferer: http://localhost/\r\n\
        Sec-Fetch-Site: same-origin\r\nSec-Ch-Ua: x\r\nX-Ask-Token: owner\r\n";
    let (received, head, _) = exchange(
        &server,
        &provider,
        &request("GET /v1/models", staying),
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    );
    let expected = format!(
        "GET /v1/models HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {KEY}\r\n\r\n",
        provider.address()
    );
    assert_eq!(received, expected);
    assert_eq!(status(&head), 200);
}

#[test]
fn the_caller_gets_the_reply_without_what_belongs_to_the_providers_gateway() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let (_, head, mut caller) = exchange(
        &server,
        &provider,
        &request("GET /v1/models", ""),
        "HTTP/1.1 418 Short and stout\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n\
         X-Request-Id: req_1\r\nOpenAI-Processing-Ms: 7\r\nX-Ratelimit-Remaining-Tokens: 5\r\nRetry-After: 3\r\n\
         Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nConnection: keep-alive, x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
         Proxy-Authenticate: x\r\nTrailer: x\r\nUpgrade: h2\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\nAlt-Svc: h3\r\n\
         Strict-Transport-Security: max-age=1\r\nNEL: {}\r\nReport-To: {}\r\nServer: cloudflare\r\nCF-Ray: x\r\n\
         CF-Cache-Status: x\r\nAccess-Control-Allow-Origin: https://provider.example\r\n\
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
    caller.expect("body");
}

#[test]
fn the_reply_carries_no_more_than_4_kb_of_headers() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let many: String = (0..40).map(|n| format!("x-filler-{n}: {}\r\n", "f".repeat(150))).collect();
    let reply = format!(
        "HTTP/1.1 200 OK\r\n{many}content-type: text/plain\r\nx-request-id: req_1\r\nretry-after: 1\r\n\
         x-ratelimit-limit-requests: 9\r\nopenai-model: m\r\ncontent-length: 0\r\n\r\n"
    );
    let (_, head, _) = exchange(&server, &provider, &request("GET /v1/models", ""), &reply);
    assert!(head.len() < 4096, "{}", head.len());
    for needed in [
        "content-type",
        "x-request-id",
        "retry-after",
        "x-ratelimit-limit-requests",
        "openai-model",
        "content-length",
    ] {
        assert!(header(&head, needed).is_some(), "{needed} is missing in {head}");
    }
    assert!(head.matches("x-filler").count() > 15, "{head}");
}

#[test]
fn paths_are_mapped_and_kept_to_the_byte() {
    let provider = Provider::start();
    for (base, asked, expected) in [
        (
            "/v1",
            "/v1/files/%E4%BD%A0/a%2Fb//c;d=e?x=/v1/../y",
            "/v1/files/%E4%BD%A0/a%2Fb//c;d=e?x=/v1/../y",
        ),
        ("/api/paas/v4/", "/v1/chat/completions?a=1", "/api/paas/v4/chat/completions?a=1"),
        ("/api/paas/v4", "/api/paas/v4/models", "/api/paas/v4/models"),
        ("", "/v1/models?", "/v1/models?"),
        ("", "/anything/at/all", "/anything/at/all"),
        ("/v1", "/release/v1/models", "/v1/models"),
        (
            "/v1",
            "/openai/deployments/x?api-version=2024-10-21",
            "/openai/deployments/x?api-version=2024-10-21",
        ),
        ("/v1", "http://localhost/v1/models", "/v1/models"),
        ("/v1", "/v1/你好", "/v1/你好"),
        ("/v1", "/v1/a|b{c}\"", "/v1/a|b{c}\""),
    ] {
        let server = Server::before_with(
            &provider,
            &[("OPENAI_BASE_URL", &provider.url(base)), ("ASK_PATHS", "/openai/")],
        );
        let (received, ..) = exchange(
            &server,
            &provider,
            &request(&format!("GET {asked}"), ""),
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        );
        assert_eq!(received.split(' ').nth(1), Some(expected), "{base} {asked}");
    }
}

#[test]
fn other_paths_are_not_forwarded() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    for (path, expected) in [
        ("/nothing", (404, "not_found")),
        ("/v10/models", (404, "not_found")),
        ("/openai/deployments", (404, "not_found")),
        ("/v1/../admin", (400, "path")),
        ("/v1/%2e%2E/admin", (400, "path")),
        ("/v1/.%2e\\admin", (400, "path")),
        ("/v1%5c..%5cadmin", (400, "path")),
        ("/v1/./models", (400, "path")),
    ] {
        let (status, code) = failure(&mut server.send(&request(&format!("GET {path}"), "")));
        assert_eq!((status, code.as_str()), expected, "{path}");
    }
    provider.is_left_alone();
}

#[test]
fn redirects_pass_through() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let (_, head, _) = exchange(
        &server,
        &provider,
        &request("GET /v1/files/1/content", ""),
        "HTTP/1.1 302 Found\r\nlocation: https://files.example/x?sig=1\r\ncontent-length: 0\r\n\r\n",
    );
    assert_eq!(status(&head), 302);
    assert_eq!(header(&head, "location").as_deref(), Some("https://files.example/x?sig=1"));
}

#[test]
fn connections_to_the_provider_are_used_again() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let mut asked = None;
    for body in ["one", "two", "three"] {
        let mut caller = server.send(
            &request("POST /v1/x", "Content-Length: 2\r\n").replace("\r\n\r\n", "\r\n\r\nhi"),
        );
        let asked = asked.get_or_insert_with(|| provider.accept());
        asked.head();
        asked.expect("hi");
        // Whole, and in chunks.
        asked.send(match body {
            "two" => "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n"
                .to_owned(),
            _ => format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()),
        });
        let head = caller.head();
        match body {
            "two" => assert_eq!((caller.chunk().as_str(), caller.chunk().as_str()), ("two", "")),
            _ => assert_eq!(caller.body(&head), body),
        }
    }
    provider.is_left_alone();
}

#[test]
fn a_request_goes_out_twice_at_most_however_many_connections_are_kept() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let ok = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let get = request("GET /v1/models", "");
    let mut kept = [(); 2].map(|()| {
        let caller = server.send(&get);
        let mut asked = provider.accept();
        asked.head();
        (caller, asked)
    });
    for (caller, asked) in &mut kept {
        asked.send(ok);
        let head = caller.head();
        assert_eq!(caller.body(&head), "ok");
    }
    let [_first, (_, mut last)] = kept;
    // The one used last is asked first.
    let mut caller = server.send(&get);
    last.head();
    last.close();
    let mut anew = provider.accept();
    anew.head();
    anew.close();
    assert_eq!(failure(&mut caller), (502, "upstream_failed".into()));
    provider.is_left_alone();
}

#[test]
fn what_may_not_be_done_twice_is_not_sent_twice() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let ok = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    for (method, may_be_done_twice) in [
        ("POST", false),
        ("PATCH", false),
        ("MERGE", false),
        ("GET", true),
        ("HEAD", true),
        ("PUT", true),
        ("DELETE", true),
    ] {
        let request = request(&format!("{method} /v1/runs/1/cancel"), "Connection: close\r\n");
        let mut caller = server.send(&request);
        let mut asked = provider.accept();
        asked.head();
        asked.send(ok);
        assert_eq!(status(&caller.head()), 200, "{method}");
        // The connection is kept, and goes when it has the request.
        let mut caller = server.send(&request);
        asked.head();
        asked.close();
        if may_be_done_twice {
            let mut asked = provider.accept();
            asked.head();
            asked.send(ok.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n"));
            assert_eq!(status(&caller.head()), 200, "{method}");
        } else {
            assert_eq!(failure(&mut caller), (502, "upstream_failed".into()), "{method}");
            provider.is_left_alone();
        }
    }
}

#[test]
fn a_kept_connection_that_has_gone_costs_a_new_one_and_no_more() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let ok = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let post = request("POST /v1/x", "Content-Length: 2\r\n") + "hi";
    let mut caller = server.send(&post);
    let mut asked = provider.accept();
    asked.head();
    asked.expect("hi");
    asked.send(ok);
    assert_eq!(status(&caller.head()), 200);
    asked.close();

    let mut caller = server.send(&post);
    let mut asked = provider.accept();
    asked.head();
    asked.expect("hi");
    asked.send(ok);
    assert_eq!(status(&caller.head()), 200);

    // This one goes only when it is asked: what has no body is asked again on a new one.
    let mut caller = server.send(&request("GET /v1/models", ""));
    asked.head();
    asked.close();
    let mut asked = provider.accept();
    asked.head();
    asked.send(ok);
    assert_eq!(status(&caller.head()), 200);

    // What has one may have been taken: it is not sent twice.
    let mut caller = server.send(&post);
    asked.head();
    asked.expect("hi");
    asked.close();
    assert_eq!(failure(&mut caller), (502, "upstream_failed".into()));
    provider.is_left_alone();
}
