//! Ambiguous responses of the upstream: the client gets one form, and nothing that is left over.

use testkit::http::excerpt;
use testkit::run_table;
use testkit::table::{expect, expect_eq};

use super::{check_next_request, send, start_app, start_upstream, usual};

/// The promise to the client.
#[derive(Clone, Copy, Debug)]
enum Expected {
    /// A complete response with this status and this body.
    Complete(u16, &'static str),
    /// Our error.
    Rejected,
    /// The beginning of the body, and a cut.
    Cut(&'static str),
}

use Expected::{Complete, Cut, Rejected};

fn check(bytes: &str, expected: Expected) -> Result<(), String> {
    let upstream = start_upstream(bytes);
    let app = start_app(&upstream);
    let get = format!("GET /v1/odd HTTP/1.1\r\n{}Content-Length: 0\r\n\r\n", usual());
    let responses = send(&app, get.as_bytes())?;
    let first = responses.first().ok_or("no response")?;
    let (status, body) = match expected {
        Complete(status, body) => (status, body),
        Cut(body) => (200, body),
        Rejected => (502, ""),
    };
    expect_eq(first.status(), status, "the status")?;
    let is_complete = !matches!(expected, Cut(_));
    expect_eq(first.is_complete, is_complete, "the completeness")?;
    match expected {
        Rejected => expect_eq(first.header("x-error-code"), Some("upstream_failed"), "the code")?,
        _ => expect_eq(first.text().as_str(), body, "the body")?,
    }
    // The client's connection is in step, or closed with the cut.
    expect_eq(responses.len(), if is_complete { 2 } else { 1 }, "the number of responses")?;
    expect(first.values("content-length").count() <= 1, &first.head)?;
    expect(!first.head.contains("evil"), &first.head)?;
    expect_eq(upstream.take_requests().len(), 1, "the number of requests")?;
    for response in &responses {
        let (line, status) = (app.log_line(), response.status());
        expect_eq(line["status"].as_u64(), Some(status.into()), &format!("the status in {line}"))?;
    }
    check_next_request(&upstream, &app)
}

#[test]
fn ambiguous_responses_are_rejected_or_passed_in_one_form() {
    let ok = |headers: &str, body: &str| format!("HTTP/1.1 200 OK\r\n{headers}\r\n{body}");
    let chunked = |body: &str| ok("transfer-encoding: chunked\r\n", body);
    let evil = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
    let many: String =
        (0..50).map(|_| "HTTP/1.1 103 Early Hints\r\nlink: </evil>\r\n\r\n").collect();
    let rows = [
        // Lengths.
        (ok("content-length: 5\r\ncontent-length: 5\r\n", "hello"), Complete(200, "hello")),
        (ok("content-length: 5\r\ncontent-length: 6\r\n", "hello"), Rejected),
        (ok("content-length: 5, 6\r\n", "hello"), Rejected),
        (ok("content-length: +5\r\n", "hello"), Rejected),
        (ok("content-length: -5\r\n", "hello"), Rejected),
        (ok("content-length: 0x5\r\n", "hello"), Rejected),
        (ok("content-length: 99999999999999999999999\r\n", "hello"), Rejected),
        (ok("content-length : 5\r\n", "hello"), Rejected),
        (
            ok("content-length: 4\r\ntransfer-encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
            Complete(200, "hello"),
        ),
        (
            ok("transfer-encoding: chunked\r\ncontent-length: 99\r\n", "5\r\nhello\r\n0\r\n\r\n"),
            Complete(200, "hello"),
        ),
        // Codings that were not asked for.
        (ok("transfer-encoding: xchunked\r\n", "5\r\nhello\r\n0\r\n\r\n"), Rejected),
        (ok("transfer-encoding: identity\r\ncontent-length: 5\r\n", "hello"), Rejected),
        (ok("transfer-encoding: gzip, chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"), Rejected),
        (ok("transfer-encoding: chunked, gzip\r\n", "5\r\nhello\r\n0\r\n\r\n"), Rejected),
        (
            ok(
                "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
                "5\r\nhello\r\n0\r\n\r\n",
            ),
            Complete(200, "hello"),
        ),
        // Heads.
        (ok("x: y\r\n folded: z\r\ncontent-length: 0\r\n", ""), Rejected),
        (ok("x: y\0z\r\ncontent-length: 0\r\n", ""), Rejected),
        (ok("x: y\rz: evil\r\ncontent-length: 0\r\n", ""), Rejected),
        (ok("x\0: y\r\ncontent-length: 0\r\n", ""), Rejected),
        (ok("no colon\r\ncontent-length: 0\r\n", ""), Rejected),
        ("HTTP/1.1 99 Low\r\ncontent-length: 0\r\n\r\n".into(), Rejected),
        ("HTTP/1.1 1000 High\r\ncontent-length: 0\r\n\r\n".into(), Rejected),
        ("HTTP/1.1 abc None\r\ncontent-length: 0\r\n\r\n".into(), Rejected),
        ("HTTP/2 200\r\ncontent-length: 0\r\n\r\n".into(), Rejected),
        (
            "HTTP/1.1 101 Unasked\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\nevil".into(),
            Rejected,
        ),
        ("HTTP/1.1 200\r\ncontent-length: 5\r\n\r\nhello".into(), Complete(200, "hello")),
        // Informational responses are not the response, however many.
        (
            format!(
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n{many}{}",
                ok("content-length: 2\r\n", "ok")
            ),
            Complete(200, "ok"),
        ),
        // Bodies of responses without one, and bytes behind the end.
        (format!("HTTP/1.1 204 None\r\n\r\n{evil}"), Complete(204, "")),
        (format!("HTTP/1.1 204 None\r\ncontent-length: 44\r\n\r\n{evil}"), Complete(204, "")),
        (format!("HTTP/1.1 304 Same\r\ncontent-length: 44\r\n\r\n{evil}"), Complete(304, "")),
        (format!("{}{evil}", ok("content-length: 5\r\n", "hello")), Complete(200, "hello")),
        (format!("{}{evil}", chunked("5\r\nhello\r\n0\r\n\r\n")), Complete(200, "hello")),
        // Chunks.
        (
            chunked(
                "5\r\nhello\r\n0\r\nx-evil: 1\r\ncontent-length: 9\r\nset-cookie: evil\r\n\r\n",
            ),
            Complete(200, "hello"),
        ),
        (chunked("5;evil=1\r\nhello\r\n0;evil\r\n\r\n"), Complete(200, "hello")),
        (chunked("5\r\nhello\r\n0x5\r\nhello\r\n0\r\n\r\n"), Cut("hello")),
        (chunked("5\r\nhello\r\n-5\r\nhello\r\n0\r\n\r\n"), Cut("hello")),
        (chunked("5\r\nhello\r\n5\nhello\r\n0\r\n\r\n"), Cut("hello")),
        (chunked("5\r\nhello\r\nFFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n"), Cut("hello")),
        (chunked("5\r\nhello0\r\n\r\n"), Cut("hello")),
        (chunked("5\r\nhello\n0\r\n\r\n"), Cut("hello")),
        (chunked("5\r\nhello\r\n\r\n\r\n"), Cut("hello")),
    ];
    let name = |(response, _): &(String, Expected)| format!("{:?}", excerpt(response.as_bytes()));
    run_table(1, &rows, name, |(response, expected)| check(response, *expected));
}
