//! Requests whose head is ambiguous: request line, host, and headers.

use super::{Promise, REJECTED, check_requests, passes, usual};

#[test]
fn ambiguous_heads_are_rejected_or_passed_in_one_form() {
    let usual = usual();
    let hosts = |hosts: &str| usual.replace("Host: localhost\r\n", hosts);
    let post = |more: &str| format!("POST /v1/x HTTP/1.1\r\n{more}Content-Length: 5\r\n\r\nhello");
    let line = |line: &str| format!("{line}\r\n{usual}\r\n");
    let foreign: Promise = (&[400, 403], None);
    let nowhere: Promise = (&[400, 404], None);
    let h2c = "Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n";
    let underscores = "Content_Length: 99\r\nTransfer_Encoding: chunked\r\n";
    let rows: Vec<(String, _)> = vec![
        // Targets on another host.
        (line("GET http://evil/v1/x HTTP/1.1"), foreign),
        (line("GET http://localhost@evil/v1/x HTTP/1.1"), foreign),
        (line("GET https://evil:443/v1/x HTTP/1.1"), foreign),
        (line("GET http:///v1/x HTTP/1.1"), foreign),
        (line("GET //evil/v1/x HTTP/1.1"), nowhere),
        (line("GET ///evil/v1/x HTTP/1.1"), nowhere),
        (line("GET /\\evil/v1/x HTTP/1.1"), nowhere),
        (line("GET \\\\evil\\v1\\x HTTP/1.1"), nowhere),
        (line("GET @evil/v1/x HTTP/1.1"), foreign),
        (line("GET /v1@evil/x HTTP/1.1"), nowhere),
        (line("GET http://evil/v1/\" HTTP/1.1"), foreign),
        (line("GET @evil/\" HTTP/1.1"), foreign),
        (line("GET /\"@evil/v1/x HTTP/1.1"), nowhere),
        (line("GET evil HTTP/1.1"), foreign),
        (line("GET evil:80 HTTP/1.1"), foreign),
        (line("CONNECT evil:443 HTTP/1.1"), (&[400, 403, 404, 405], None)),
        (line("OPTIONS * HTTP/1.1"), (&[204, 400, 404], None)),
        (line("GET * HTTP/1.1"), nowhere),
        (line("GET /v1/..;/evil HTTP/1.1"), REJECTED),
        (line("GET /v1\\..\\evil HTTP/1.1"), nowhere),
        (line("GET /v1/%2e%2e/evil HTTP/1.1"), REJECTED),
        (line("GET /v1/%2E%2E%2fevil HTTP/1.1"), REJECTED),
        (line("GET /v1/..%5cevil HTTP/1.1"), REJECTED),
        // Request lines.
        (line("GET\t/v1/x\tHTTP/1.1"), REJECTED),
        (line("GET  /v1/x HTTP/1.1"), REJECTED),
        (line("GET /v1/x  HTTP/1.1"), REJECTED),
        (line("GET /v1/x\x0bHTTP/1.1"), REJECTED),
        (line("GET /v1/x y HTTP/1.1"), REJECTED),
        (line("GET /v1/x\"\tHTTP/1.1"), REJECTED),
        (line("GET /v1/x\" y HTTP/1.1"), REJECTED),
        (line("GET /v1/x\rHTTP/1.1"), REJECTED),
        (line("GET /v1/x\0 HTTP/1.1"), REJECTED),
        (line(" GET /v1/x HTTP/1.1"), REJECTED),
        (line("G\0T /v1/x HTTP/1.1"), REJECTED),
        (line("GET(/v1/x HTTP/1.1"), REJECTED),
        (line("GET /v1/x"), REJECTED),
        (line("GET /v1/x HTTP/0.9"), REJECTED),
        (line("GET /v1/x HTTP/1.2"), REJECTED),
        (line("GET /v1/x HTTP/1.10"), REJECTED),
        (line("GET /v1/x HTTP/2.0"), REJECTED),
        (line("GET /v1/x HTTP/1,1"), REJECTED),
        (line("GET /v1/x http/1.1"), REJECTED),
        (line("GET /v1/x HTTPS/1.1"), REJECTED),
        (line("GET /v1/x HTTP/ 1.1"), REJECTED),
        // Hosts.
        (post(&hosts("Host: localhost\r\nHost: evil\r\n")), foreign),
        (post(&hosts("Host: evil\r\nHost: localhost\r\n")), foreign),
        (post(&hosts("Host: localhost, evil\r\n")), foreign),
        (post(&hosts("Host:\r\n")), foreign),
        (post(&hosts("")), foreign),
        (post(&hosts("Host: localhost/evil\r\n")), foreign),
        (post(&hosts("Host: evil#localhost\r\n")), foreign),
        (post(&hosts("Host: localhost@evil\r\n")), foreign),
        (post(&hosts("Host: evil\\@localhost\r\n")), foreign),
        (post(&hosts("Host : localhost\r\n")), REJECTED),
        // Headers that a hop would interpret.
        (post(&(usual.clone() + "Connection: Content-Length\r\n")), passes("hello")),
        (post(&(usual.clone() + "Connection: Authorization, Host\r\n")), passes("hello")),
        (post(&(usual.clone() + h2c)), passes("hello")),
        (post(&(usual.clone() + underscores)), passes("hello")),
        (post(&usual).replace("POST", "GET"), passes("hello")),
        (post(&usual).replace("POST", "DELETE"), passes("hello")),
    ];
    check_requests(
        rows.into_iter().map(|(bytes, expected)| (bytes.into_bytes(), expected)).collect(),
    );
}

#[test]
fn too_large_heads_are_rejected() {
    let lines =
        |count: usize| (0..count).map(|number| format!("X-{number}: y\r\n")).collect::<String>();
    let head = |more: &str| format!("GET /v1/x HTTP/1.1\r\n{more}{}\r\n", usual());
    let too_large: Promise = (&[431], None);
    check_requests(vec![
        (head(&format!("X: {}\r\n", "y".repeat(64 << 10))).into_bytes(), too_large),
        (
            head("").replace("/v1/x", &format!("/v1/{}", "x".repeat(70 << 10))).into_bytes(),
            too_large,
        ),
        (head(&lines(200)).into_bytes(), too_large),
        (head(&lines(50)).into_bytes(), passes("")),
    ]);
}
