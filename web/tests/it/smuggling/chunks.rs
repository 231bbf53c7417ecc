//! Requests whose chunks are ambiguous.

use super::{REJECTED, TARGETS, check_requests, hidden, passes, usual};

#[test]
fn ambiguous_chunks_are_rejected_or_passed_in_one_form() {
    let hidden = hidden();
    let behind = |chunks: &str| format!("{chunks}\r\n{hidden}");
    let long = "x".repeat(100 << 10);
    let trailers = |lines: &str| format!("5\r\nhello\r\n0\r\n{lines}\r\n");
    let rows: Vec<(String, _)> = vec![
        (behind("0x5\r\nhello\r\n0\r\n"), REJECTED),
        (behind("+5\r\nhello\r\n0\r\n"), REJECTED),
        (behind("-5\r\nhello\r\n0\r\n"), REJECTED),
        (behind("5,5\r\nhello\r\n0\r\n"), REJECTED),
        (behind("5_\r\nhello\r\n0\r\n"), REJECTED),
        (behind(" 5\r\nhello\r\n0\r\n"), REJECTED),
        (behind("5 5\r\nhello\r\n0\r\n"), REJECTED),
        (behind("\r\nhello\r\n0\r\n"), REJECTED),
        (behind(";a=b\r\nhello\r\n0\r\n"), REJECTED),
        (behind("FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n"), REJECTED),
        (behind("10000000000000005\r\nhello\r\n0\r\n"), REJECTED),
        (behind("5\nhello\r\n0\r\n"), REJECTED),
        (behind("5\rhello\r\n0\r\n"), REJECTED),
        (behind("5\r\rhello\r\n0\r\n"), REJECTED),
        (behind("5;a\nhello\r\n0\r\n"), REJECTED),
        (behind("5;a\rb\r\nhello\r\n0\r\n"), REJECTED),
        (behind("5\r\nhello0\r\n"), REJECTED),
        (behind("5\r\nhello\n0\r\n"), REJECTED),
        (behind("5\r\nhello\r0\r\n"), REJECTED),
        (behind("5\r\nhelloxx0\r\n"), REJECTED),
        (behind("5\r\nhello\r\n0\n"), REJECTED),
        (behind("4\r\nhello\r\n0\r\n"), REJECTED),
        (format!("5;{long}\r\nhello\r\n0\r\n\r\n"), REJECTED),
        (format!("5\r\nhello\r\n0\r\nx: {long}\r\n\r\n"), REJECTED),
        // Passed in one form, without extensions and trailers.
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
    check_requests(each.collect());
}
