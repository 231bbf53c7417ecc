//! Requests whose length is ambiguous: `Content-Length` and `Transfer-Encoding`.

use super::{REJECTED, TARGETS, check_requests, hidden, passes, usual};

#[test]
fn ambiguous_lengths_are_rejected_or_passed_in_one_form() {
    let hidden = hidden();
    let chunked = format!("5\r\nhello\r\n0\r\n\r\n{hidden}");
    let empty = format!("0\r\n\r\n{hidden}");
    let sized = format!("hello{hidden}");
    let rows: Vec<(&str, &str, _)> = vec![
        // Chunks and a length: the chunks count, and nothing is read behind them.
        ("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", &chunked, passes("hello")),
        ("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", &chunked, passes("hello")),
        ("Transfer-Encoding: chunked\r\nContent-Length: 999\r\n", &chunked, passes("hello")),
        ("Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n", &empty, REJECTED),
        ("Transfer-Encoding: identity\r\nContent-Length: 5\r\n", &empty, REJECTED),
        ("Content-Length: 5\r\nTransfer-Encoding: identity, chunked\r\n", &chunked, REJECTED),
        // Codings.
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", &empty, REJECTED),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", &empty, REJECTED),
        ("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", &empty, REJECTED),
        ("Transfer-Encoding: xchunked\r\n", &empty, REJECTED),
        ("Transfer-Encoding: chunkedx\r\n", &empty, REJECTED),
        ("Transfer-Encoding: chunked, identity\r\n", &empty, REJECTED),
        ("Transfer-Encoding: identity, chunked\r\n", &empty, REJECTED),
        ("Transfer-Encoding: chunked,\r\n", &empty, REJECTED),
        ("Transfer-Encoding: ,chunked\r\n", &empty, REJECTED),
        ("Transfer-Encoding: chunked;a=b\r\n", &empty, REJECTED),
        ("Transfer-Encoding: \"chunked\"\r\n", &empty, REJECTED),
        ("Transfer-Encoding:\r\n", &empty, REJECTED),
        ("Transfer-Encoding:\x0bchunked\r\n", &empty, REJECTED),
        ("Transfer-Encoding: \x0cchunked\r\n", &empty, REJECTED),
        ("Transfer-Encoding: chunked\x0b\r\n", &empty, REJECTED),
        ("Transfer-Encoding: \u{a0}chunked\r\n", &empty, REJECTED),
        ("Transfer-Encoding: chun\u{212a}ed\r\n", &empty, REJECTED),
        ("Transfer-Encoding : chunked\r\n", &empty, REJECTED),
        ("Transfer-Encoding\t: chunked\r\n", &empty, REJECTED),
        (" Transfer-Encoding: chunked\r\n", &empty, REJECTED),
        ("Transfer-Encoding:\r\n chunked\r\n", &empty, REJECTED),
        ("Transfer-Encoding: chunked\r\n , identity\r\n", &empty, REJECTED),
        ("X: y\r\n\tTransfer-Encoding: chunked\r\n", &empty, REJECTED),
        ("X: y\rTransfer-Encoding: chunked\r\n", &empty, REJECTED),
        ("X: y\0Transfer-Encoding: chunked\r\n", &empty, REJECTED),
        ("X\0: y\r\n", &empty, REJECTED),
        ("X\r: y\r\n", &empty, REJECTED),
        (": y\r\n", &empty, REJECTED),
        ("No-Colon\r\n", &empty, REJECTED),
        // Blanks around a value do not count.
        ("Transfer-Encoding:\tchunked\r\n", "5\r\nhello\r\n0\r\n\r\n", passes("hello")),
        ("Transfer-Encoding:chunked \t \r\n", "5\r\nhello\r\n0\r\n\r\n", passes("hello")),
        ("tRANSFER-eNCODING: CHUNKED\r\n", "5\r\nhello\r\n0\r\n\r\n", passes("hello")),
        // Lengths.
        ("Content-Length: 5\r\nContent-Length: 6\r\n", &sized, REJECTED),
        ("Content-Length: 5, 6\r\n", &sized, REJECTED),
        ("Content-Length: 5, 5\r\n", &sized, REJECTED),
        ("Content-Length: +5\r\n", &sized, REJECTED),
        ("Content-Length: -5\r\n", &sized, REJECTED),
        ("Content-Length: 0x5\r\n", &sized, REJECTED),
        ("Content-Length: 5 5\r\n", &sized, REJECTED),
        ("Content-Length: 5.0\r\n", &sized, REJECTED),
        ("Content-Length: 5_0\r\n", &sized, REJECTED),
        ("Content-Length: five\r\n", &sized, REJECTED),
        ("Content-Length:\r\n", &sized, REJECTED),
        ("Content-Length: \u{665}\r\n", &sized, REJECTED),
        ("Content-Length : 5\r\n", &sized, REJECTED),
        ("Content-Length: 5\r\n 0\r\n", &sized, REJECTED),
        ("Content-Length: 18446744073709551615\r\n", &sized, (&[400, 413, 431, 501], None)),
        ("Content-Length: 18446744073709551621\r\n", &sized, REJECTED),
        ("Content-Length: 99999999999999999999999\r\n", &sized, REJECTED),
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
    check_requests(each.collect());
}
