//! Messages that two readers could read differently: they are refused, or they pass in the one form that nobody reads
//! otherwise, and nothing hidden in them is ever asked.

use std::io::Write;

use super::expected::{has_our_headers, is};
use super::recorder::{Provider, is_answered, send, usual};
use super::reply::shown;
use super::row::SOON;
use crate::support::{Server, TOKEN, header};

/// A whole request, to be hidden in another.
fn hidden() -> String {
    format!("GET /v1/smuggled HTTP/1.1\r\n{}\r\n", usual())
}

/// One of these statuses, and the provider is asked once with this body, or not at all.
type Promise = (&'static [u16], Option<&'static str>);

/// The provider is not asked.
const REFUSED: Promise = (&[400, 501], None);

/// The provider is asked once, with this body.
const fn passes(body: &'static str) -> Promise {
    (&[200], Some(body))
}

/// Tries each of these on one server, in turn.
fn check(rows: Vec<(Vec<u8>, Promise)>) {
    let provider = Provider::saying("");
    let server = provider.server();
    let count = rows.len();
    let wrong: Vec<String> = rows
        .into_iter()
        .filter_map(|(bytes, expected)| {
            let why = check_row(&provider, &server, &bytes, expected).err()?;
            Some(format!("{why}: {:?}", shown(&bytes)))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {count} rows:\n{}", wrong.len(), wrong.join("\n"));
}

fn check_row(
    provider: &Provider,
    server: &Server,
    bytes: &[u8],
    (statuses, body): Promise,
) -> Result<(), String> {
    let replies = send(server, bytes)?;
    let asked = std::mem::take(&mut *provider.asked.lock().unwrap());
    let first = replies.first().ok_or("no reply")?;
    is(statuses.contains(&first.status), true, &format!("the status, {}", first.status))?;
    is(replies.iter().all(|reply| reply.is_whole), true, "whole replies")?;
    for reply in &replies {
        let line = server.log();
        is(
            line["status"].as_u64(),
            Some(u64::from(reply.status)),
            &format!("the status in {line}"),
        )?;
        is(line["code"].as_str().map(str::to_owned), reply.header("x-error-code"), "the code")?;
        if reply.status >= 400 {
            let id = line["request_id"].as_str().unwrap_or_default();
            has_our_headers(reply, id)?;
            is(reply.text().contains(' '), true, "a sentence")?;
        }
    }
    // The connection is in step, or it is closed.
    match &replies[1..] {
        [] => {}
        [health] => is(health.text().contains("version"), true, "what comes after it")?,
        more => return Err(format!("{} replies more", more.len())),
    }
    is(asked.len(), usize::from(body.is_some()), "the number of requests")?;
    for (head, sent) in &asked {
        let of = |name: &str| head.to_lowercase().matches(&format!("\r\n{name}:")).count();
        is(
            of("content-length") + of("transfer-encoding") <= 1,
            true,
            &format!("one length in {head}"),
        )?;
        is(header(head, "host").as_deref(), Some(provider.address.as_str()), "the host")?;
        is(head.to_lowercase().contains("smuggled") || head.contains("evil"), false, head)?;
        let sent = String::from_utf8_lossy(sent);
        let is_sent =
            body.is_some_and(|body| match head.starts_with("POST /v1/chat/completions ") {
                true => sent.contains(body),
                false => sent == body,
            });
        is(is_sent, true, &format!("the body {sent:?}"))?;
    }
    is_answered(provider, server)
}

/// Both faces.
const TARGETS: [&str; 2] = ["/v1/x", "/ask?format=json"];

#[test]
fn lengths_that_can_be_read_in_two_ways() {
    let hidden = hidden();
    let chunked = format!("5\r\nhello\r\n0\r\n\r\n{hidden}");
    let empty = format!("0\r\n\r\n{hidden}");
    let sized = format!("hello{hidden}");
    let rows: Vec<(&str, &str, _)> = vec![
        // Chunks and a length: the chunks count, the length does not pass, and nothing after them is read.
        ("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", &chunked, passes("hello")),
        ("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", &chunked, passes("hello")),
        ("Transfer-Encoding: chunked\r\nContent-Length: 999\r\n", &chunked, passes("hello")),
        ("Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n", &empty, REFUSED),
        ("Transfer-Encoding: identity\r\nContent-Length: 5\r\n", &empty, REFUSED),
        ("Content-Length: 5\r\nTransfer-Encoding: identity, chunked\r\n", &chunked, REFUSED),
        // Codings.
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", &empty, REFUSED),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", &empty, REFUSED),
        ("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", &empty, REFUSED),
        ("Transfer-Encoding: xchunked\r\n", &empty, REFUSED),
        ("Transfer-Encoding: chunkedx\r\n", &empty, REFUSED),
        ("Transfer-Encoding: chunked, identity\r\n", &empty, REFUSED),
        ("Transfer-Encoding: identity, chunked\r\n", &empty, REFUSED),
        ("Transfer-Encoding: chunked,\r\n", &empty, REFUSED),
        ("Transfer-Encoding: ,chunked\r\n", &empty, REFUSED),
        ("Transfer-Encoding: chunked;a=b\r\n", &empty, REFUSED),
        ("Transfer-Encoding: \"chunked\"\r\n", &empty, REFUSED),
        ("Transfer-Encoding:\r\n", &empty, REFUSED),
        ("Transfer-Encoding:\x0bchunked\r\n", &empty, REFUSED),
        ("Transfer-Encoding: \x0cchunked\r\n", &empty, REFUSED),
        ("Transfer-Encoding: chunked\x0b\r\n", &empty, REFUSED),
        ("Transfer-Encoding: \u{a0}chunked\r\n", &empty, REFUSED),
        ("Transfer-Encoding: chun\u{212a}ed\r\n", &empty, REFUSED),
        ("Transfer-Encoding : chunked\r\n", &empty, REFUSED),
        ("Transfer-Encoding\t: chunked\r\n", &empty, REFUSED),
        (" Transfer-Encoding: chunked\r\n", &empty, REFUSED),
        ("Transfer-Encoding:\r\n chunked\r\n", &empty, REFUSED),
        ("Transfer-Encoding: chunked\r\n , identity\r\n", &empty, REFUSED),
        ("X: y\r\n\tTransfer-Encoding: chunked\r\n", &empty, REFUSED),
        ("X: y\rTransfer-Encoding: chunked\r\n", &empty, REFUSED),
        ("X: y\0Transfer-Encoding: chunked\r\n", &empty, REFUSED),
        ("X\0: y\r\n", &empty, REFUSED),
        ("X\r: y\r\n", &empty, REFUSED),
        (": y\r\n", &empty, REFUSED),
        ("No-Colon\r\n", &empty, REFUSED),
        // White space around a value is none of it.
        ("Transfer-Encoding:\tchunked\r\n", "5\r\nhello\r\n0\r\n\r\n", passes("hello")),
        ("Transfer-Encoding:chunked \t \r\n", "5\r\nhello\r\n0\r\n\r\n", passes("hello")),
        ("tRANSFER-eNCODING: CHUNKED\r\n", "5\r\nhello\r\n0\r\n\r\n", passes("hello")),
        // Lengths.
        ("Content-Length: 5\r\nContent-Length: 6\r\n", &sized, REFUSED),
        ("Content-Length: 5, 6\r\n", &sized, REFUSED),
        ("Content-Length: 5, 5\r\n", &sized, REFUSED),
        ("Content-Length: +5\r\n", &sized, REFUSED),
        ("Content-Length: -5\r\n", &sized, REFUSED),
        ("Content-Length: 0x5\r\n", &sized, REFUSED),
        ("Content-Length: 5 5\r\n", &sized, REFUSED),
        ("Content-Length: 5.0\r\n", &sized, REFUSED),
        ("Content-Length: 5_0\r\n", &sized, REFUSED),
        ("Content-Length: five\r\n", &sized, REFUSED),
        ("Content-Length:\r\n", &sized, REFUSED),
        ("Content-Length: \u{665}\r\n", &sized, REFUSED),
        ("Content-Length : 5\r\n", &sized, REFUSED),
        ("Content-Length: 5\r\n 0\r\n", &sized, REFUSED),
        ("Content-Length: 18446744073709551615\r\n", &sized, (&[400, 413, 431, 501], None)),
        ("Content-Length: 18446744073709551621\r\n", &sized, REFUSED),
        ("Content-Length: 99999999999999999999999\r\n", &sized, REFUSED),
        ("Content-Length: 5\r\n", "hello", passes("hello")),
        ("Content-Length: 05\r\n", "hello", passes("hello")),
        ("Content-Length: 5\r\nContent-Length: 5\r\n", "hello", passes("hello")),
    ];
    let request = |target: &str, headers: &str, body: &str| {
        format!("POST {target} HTTP/1.1\r\n{}{headers}\r\n{body}", usual()).into_bytes()
    };
    let each = TARGETS.iter().flat_map(|target| {
        rows.iter()
            .map(move |(headers, body, expected)| (request(target, headers, body), *expected))
    });
    check(each.collect());
}

#[test]
fn chunks_that_can_be_read_in_two_ways() {
    let hidden = hidden();
    let behind = |chunks: &str| format!("{chunks}\r\n{hidden}");
    let long = "x".repeat(100 << 10);
    let trailers = |lines: &str| format!("5\r\nhello\r\n0\r\n{lines}\r\n");
    let rows: Vec<(String, _)> = vec![
        (behind("0x5\r\nhello\r\n0\r\n"), REFUSED),
        (behind("+5\r\nhello\r\n0\r\n"), REFUSED),
        (behind("-5\r\nhello\r\n0\r\n"), REFUSED),
        (behind("5,5\r\nhello\r\n0\r\n"), REFUSED),
        (behind("5_\r\nhello\r\n0\r\n"), REFUSED),
        (behind(" 5\r\nhello\r\n0\r\n"), REFUSED),
        (behind("5 5\r\nhello\r\n0\r\n"), REFUSED),
        (behind("\r\nhello\r\n0\r\n"), REFUSED),
        (behind(";a=b\r\nhello\r\n0\r\n"), REFUSED),
        (behind("FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n"), REFUSED),
        (behind("10000000000000005\r\nhello\r\n0\r\n"), REFUSED),
        (behind("5\nhello\r\n0\r\n"), REFUSED),
        (behind("5\rhello\r\n0\r\n"), REFUSED),
        (behind("5\r\rhello\r\n0\r\n"), REFUSED),
        (behind("5;a\nhello\r\n0\r\n"), REFUSED),
        (behind("5;a\rb\r\nhello\r\n0\r\n"), REFUSED),
        (behind("5\r\nhello0\r\n"), REFUSED),
        (behind("5\r\nhello\n0\r\n"), REFUSED),
        (behind("5\r\nhello\r0\r\n"), REFUSED),
        (behind("5\r\nhelloxx0\r\n"), REFUSED),
        (behind("5\r\nhello\r\n0\n"), REFUSED),
        (behind("4\r\nhello\r\n0\r\n"), REFUSED),
        (format!("5;{long}\r\nhello\r\n0\r\n\r\n"), REFUSED),
        (format!("5\r\nhello\r\n0\r\nx: {long}\r\n\r\n"), REFUSED),
        // In one form alone, and without what is beside the content.
        ("05\r\nhello\r\n00\r\n\r\n".into(), passes("hello")),
        ("5;a=b;c=\"d\"\r\nhello\r\n0;e\r\n\r\n".into(), passes("hello")),
        ("2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n".into(), passes("hello")),
        (trailers("Host: evil\r\n"), passes("hello")),
        (trailers("Content-Length: 99\r\nTransfer-Encoding: chunked\r\n"), passes("hello")),
        (trailers("Authorization: Bearer evil\r\nX-Ask-Token: evil\r\n"), passes("hello")),
        (trailers("X-Sum: 1\r\n"), passes("hello")),
    ];
    let request = |target: &str, body: &str| {
        format!("POST {target} HTTP/1.1\r\n{}Transfer-Encoding: chunked\r\n\r\n{body}", usual())
            .into_bytes()
    };
    let each = TARGETS.iter().flat_map(|target| {
        rows.iter().map(move |(body, expected)| (request(target, body), *expected))
    });
    check(each.collect());
}

#[test]
fn heads_that_can_be_read_in_two_ways() {
    let usual = usual();
    let hosts = |hosts: &str| usual.replace("Host: localhost\r\n", hosts);
    let post = |more: &str| format!("POST /v1/x HTTP/1.1\r\n{more}Content-Length: 5\r\n\r\nhello");
    let line = |line: &str| format!("{line}\r\n{usual}\r\n");
    let foreign: Promise = (&[400, 403], None);
    let nowhere: Promise = (&[400, 404], None);
    let rows: Vec<(String, _)> = vec![
        // Another host.
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
        (line("GET evil HTTP/1.1"), foreign),
        (line("GET evil:80 HTTP/1.1"), foreign),
        (line("CONNECT evil:443 HTTP/1.1"), (&[400, 403, 404, 405], None)),
        (line("OPTIONS * HTTP/1.1"), (&[204, 400, 404], None)),
        (line("GET * HTTP/1.1"), nowhere),
        (line("GET /v1/..;/evil HTTP/1.1"), REFUSED),
        (line("GET /v1\\..\\evil HTTP/1.1"), nowhere),
        (line("GET /v1/%2e%2e/evil HTTP/1.1"), REFUSED),
        (line("GET /v1/%2E%2E%2fevil HTTP/1.1"), REFUSED),
        (line("GET /v1/..%5cevil HTTP/1.1"), REFUSED),
        // Another form.
        (line("GET\t/v1/x\tHTTP/1.1"), REFUSED),
        (line("GET  /v1/x HTTP/1.1"), REFUSED),
        (line("GET /v1/x  HTTP/1.1"), REFUSED),
        (line("GET /v1/x\x0bHTTP/1.1"), REFUSED),
        (line("GET /v1/x y HTTP/1.1"), REFUSED),
        (line("GET /v1/x\rHTTP/1.1"), REFUSED),
        (line("GET /v1/x\0 HTTP/1.1"), REFUSED),
        (line(" GET /v1/x HTTP/1.1"), REFUSED),
        (line("G\0T /v1/x HTTP/1.1"), REFUSED),
        (line("GET(/v1/x HTTP/1.1"), REFUSED),
        (line("GET /v1/x"), REFUSED),
        (line("GET /v1/x HTTP/0.9"), REFUSED),
        (line("GET /v1/x HTTP/1.2"), REFUSED),
        (line("GET /v1/x HTTP/1.10"), REFUSED),
        (line("GET /v1/x HTTP/2.0"), REFUSED),
        (line("GET /v1/x HTTP/1,1"), REFUSED),
        (line("GET /v1/x http/1.1"), REFUSED),
        (line("GET /v1/x HTTPS/1.1"), REFUSED),
        (line("GET /v1/x HTTP/ 1.1"), REFUSED),
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
        (post(&hosts("Host : localhost\r\n")), REFUSED),
        // What a hop would take for its own.
        (post(&(usual.clone() + "Connection: Content-Length\r\n")), passes("hello")),
        (post(&(usual.clone() + "Connection: Authorization, Host\r\n")), passes("hello")),
        (
            post(
                &(usual.clone()
                    + "Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n"),
            ),
            passes("hello"),
        ),
        (
            post(&(usual.clone() + "Content_Length: 99\r\nTransfer_Encoding: chunked\r\n")),
            passes("hello"),
        ),
        (post(&usual).replace("POST", "GET"), passes("hello")),
        (post(&usual).replace("POST", "DELETE"), passes("hello")),
    ];
    check(rows.into_iter().map(|(bytes, expected)| (bytes.into_bytes(), expected)).collect());
}

#[test]
fn requests_in_a_body_that_nobody_reads() {
    let hidden = hidden();
    let length = format!("Content-Length: {}\r\n", hidden.len());
    let chunks = format!("{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len());
    let no_token = usual().replace(TOKEN, "none");
    let no_host = usual().replace("localhost", "evil");
    let rows = [
        ("POST /v1/x", &no_token, (&[401][..], None)),
        ("POST /ask", &no_token, (&[401], None)),
        ("POST /v1/x", &no_host, (&[403], None)),
        ("POST /nowhere", &usual(), (&[404], None)),
        ("POST /v1/../x", &usual(), (&[400], None)),
        ("TRACE /v1/x", &usual(), (&[405], None)),
        ("DELETE /ask", &usual(), (&[405], None)),
        ("POST /healthz", &usual(), (&[405], None)),
        ("GET /robots.txt", &usual(), (&[200], None)),
        (
            "OPTIONS /v1/x",
            &no_token.replace("Authorization", "Origin: http://localhost\r\nX"),
            (&[204], None),
        ),
    ];
    let each = rows.iter().flat_map(|(line, headers, expected)| {
        let sized = format!("{line} HTTP/1.1\r\n{headers}{length}\r\n{hidden}");
        let chunked =
            format!("{line} HTTP/1.1\r\n{headers}Transfer-Encoding: chunked\r\n\r\n{chunks}");
        [(sized.into_bytes(), *expected), (chunked.into_bytes(), *expected)]
    });
    check(each.collect());
}

#[test]
fn a_body_behind_an_early_reply_is_no_request() {
    let provider = crate::support::Provider::start();
    let server = Server::before(&provider);
    let hidden = hidden();
    let mut caller = server.send(&format!(
        "POST /v1/x HTTP/1.1\r\n{}Content-Length: {}\r\n\r\n",
        usual(),
        hidden.len()
    ));
    let mut asked = provider.accept();
    asked.head();
    asked.send("HTTP/1.1 413 Large\r\ncontent-length: 3\r\n\r\nbig");
    let head = caller.head();
    assert_eq!(caller.body(&head), "big");
    // It may have been closed already.
    let _ = caller.stream.write_all(hidden.as_bytes());
    caller.closes_within(SOON);
    asked.closes_within(SOON);
    provider.is_left_alone();
    assert_eq!(server.log()["status"], 413);
    assert!(server.rest_of_log().is_empty());
}

#[test]
fn heads_that_are_too_large() {
    let lines =
        |count: usize| (0..count).map(|number| format!("X-{number}: y\r\n")).collect::<String>();
    let head = |more: &str| format!("GET /v1/x HTTP/1.1\r\n{more}{}\r\n", usual());
    let too_large: Promise = (&[431], None);
    check(vec![
        (head(&format!("X: {}\r\n", "y".repeat(64 << 10))).into_bytes(), too_large),
        (
            head("").replace("/v1/x", &format!("/v1/{}", "x".repeat(70 << 10))).into_bytes(),
            too_large,
        ),
        (head(&lines(200)).into_bytes(), too_large),
        (head(&lines(50)).into_bytes(), passes("")),
    ]);
}

#[test]
fn another_protocol_is_closed_at_once() {
    let provider = Provider::saying("");
    let server = provider.server();
    for bytes in [
        format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{}", hidden()),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(),
    ] {
        server.send(&bytes).closes_within(SOON);
    }
    assert!(provider.asked.lock().unwrap().is_empty());
}
