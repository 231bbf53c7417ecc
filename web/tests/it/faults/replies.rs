//! Replies of the provider's that two readers could read differently: what is passed on can be read in one way alone, and
//! nothing that is left over is anybody's answer.

use super::expected::is;
use super::recorder::{Provider, is_answered, send, usual};
use super::reply::shown;

/// What the caller gets.
#[derive(Clone, Copy, Debug)]
enum Expected {
    /// A reply with this status and this body, whole.
    Whole(u16, &'static str),
    /// A failure of ours.
    Refused,
    /// The beginning, and a break.
    Broken(&'static str),
}

use Expected::{Broken, Refused, Whole};

fn check(method: &str, reply: &str, expected: Expected) -> Result<(), String> {
    let provider = Provider::saying(reply);
    let server = provider.server();
    let request = format!("{method} /v1/odd HTTP/1.1\r\n{}Content-Length: 0\r\n\r\n", usual());
    let replies = send(&server, request.as_bytes())?;
    let first = replies.first().ok_or("no reply")?;
    let (status, body) = match expected {
        Whole(status, body) => (status, body),
        Broken(body) => (200, body),
        Refused => (502, ""),
    };
    is(first.status, status, "the status")?;
    let is_whole = !matches!(expected, Broken(_));
    is(first.is_whole, is_whole, "whether it is whole")?;
    match expected {
        Refused => {
            is(first.header("x-error-code").as_deref(), Some("upstream_failed"), "the code")?
        }
        _ => is(first.text().as_str(), body, "the body")?,
    }
    // The caller's connection is in step, or closed with what was broken.
    is(replies.len(), if is_whole { 2 } else { 1 }, "the number of replies")?;
    is(first.head.to_lowercase().matches("\r\ncontent-length:").count() <= 1, true, &first.head)?;
    is(first.head.contains("evil"), false, &first.head)?;
    is(provider.asked.lock().unwrap().drain(..).count(), 1, "the number of requests")?;
    for reply in &replies {
        let line = server.log();
        is(
            line["status"].as_u64(),
            Some(u64::from(reply.status)),
            &format!("the status in {line}"),
        )?;
    }
    is_answered(&provider, &server)
}

#[test]
fn replies_that_can_be_read_in_two_ways() {
    let ok = |headers: &str, body: &str| format!("HTTP/1.1 200 OK\r\n{headers}\r\n{body}");
    let chunked = |body: &str| ok("transfer-encoding: chunked\r\n", body);
    let evil = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
    let many: String =
        (0..50).map(|_| "HTTP/1.1 103 Early Hints\r\nlink: </evil>\r\n\r\n").collect();
    let rows = [
        // Lengths.
        (ok("content-length: 5\r\ncontent-length: 5\r\n", "hello"), Whole(200, "hello")),
        (ok("content-length: 5\r\ncontent-length: 6\r\n", "hello"), Refused),
        (ok("content-length: 5, 6\r\n", "hello"), Refused),
        (ok("content-length: +5\r\n", "hello"), Refused),
        (ok("content-length: -5\r\n", "hello"), Refused),
        (ok("content-length: 0x5\r\n", "hello"), Refused),
        (ok("content-length: 99999999999999999999999\r\n", "hello"), Refused),
        (ok("content-length : 5\r\n", "hello"), Refused),
        (
            ok("content-length: 4\r\ntransfer-encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
            Whole(200, "hello"),
        ),
        (
            ok("transfer-encoding: chunked\r\ncontent-length: 99\r\n", "5\r\nhello\r\n0\r\n\r\n"),
            Whole(200, "hello"),
        ),
        // Codings that nobody asked for.
        (ok("transfer-encoding: xchunked\r\n", "5\r\nhello\r\n0\r\n\r\n"), Refused),
        (ok("transfer-encoding: identity\r\ncontent-length: 5\r\n", "hello"), Refused),
        (ok("transfer-encoding: gzip, chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"), Refused),
        (ok("transfer-encoding: chunked, gzip\r\n", "5\r\nhello\r\n0\r\n\r\n"), Refused),
        (
            ok(
                "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
                "5\r\nhello\r\n0\r\n\r\n",
            ),
            Refused,
        ),
        // Heads.
        (ok("x: y\r\n folded: z\r\ncontent-length: 0\r\n", ""), Refused),
        (ok("x: y\0z\r\ncontent-length: 0\r\n", ""), Refused),
        (ok("x: y\rz: evil\r\ncontent-length: 0\r\n", ""), Refused),
        (ok("x\0: y\r\ncontent-length: 0\r\n", ""), Refused),
        (ok("no colon\r\ncontent-length: 0\r\n", ""), Refused),
        ("HTTP/1.1 99 Low\r\ncontent-length: 0\r\n\r\n".into(), Refused),
        ("HTTP/1.1 1000 High\r\ncontent-length: 0\r\n\r\n".into(), Refused),
        ("HTTP/1.1 abc None\r\ncontent-length: 0\r\n\r\n".into(), Refused),
        ("HTTP/2 200\r\ncontent-length: 0\r\n\r\n".into(), Refused),
        (
            "HTTP/1.1 101 Unasked\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\nevil".into(),
            Refused,
        ),
        ("HTTP/1.1 200\r\ncontent-length: 5\r\n\r\nhello".into(), Whole(200, "hello")),
        // What goes before the reply is not the reply, however often.
        (
            format!(
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n{many}{}",
                ok("content-length: 2\r\n", "ok")
            ),
            Whole(200, "ok"),
        ),
        // Bodies of replies that have none, and bytes behind the end.
        (format!("HTTP/1.1 204 None\r\n\r\n{evil}"), Whole(204, "")),
        (format!("HTTP/1.1 204 None\r\ncontent-length: 44\r\n\r\n{evil}"), Whole(204, "")),
        (format!("HTTP/1.1 304 Same\r\ncontent-length: 44\r\n\r\n{evil}"), Whole(304, "")),
        (format!("{}{evil}", ok("content-length: 5\r\n", "hello")), Whole(200, "hello")),
        (format!("{}{evil}", chunked("5\r\nhello\r\n0\r\n\r\n")), Whole(200, "hello")),
        // Chunks.
        (
            chunked(
                "5\r\nhello\r\n0\r\nx-evil: 1\r\ncontent-length: 9\r\nset-cookie: evil\r\n\r\n",
            ),
            Whole(200, "hello"),
        ),
        (chunked("5;evil=1\r\nhello\r\n0;evil\r\n\r\n"), Whole(200, "hello")),
        (chunked("5\r\nhello\r\n0x5\r\nhello\r\n0\r\n\r\n"), Broken("hello")),
        (chunked("5\r\nhello\r\n-5\r\nhello\r\n0\r\n\r\n"), Broken("hello")),
        (chunked("5\r\nhello\r\n5\nhello\r\n0\r\n\r\n"), Broken("hello")),
        (chunked("5\r\nhello\r\nFFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n"), Broken("hello")),
        (chunked("5\r\nhello0\r\n\r\n"), Broken("hello")),
        (chunked("5\r\nhello\n0\r\n\r\n"), Broken("hello")),
        (chunked("5\r\nhello\r\n\r\n\r\n"), Broken("hello")),
    ];
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|(reply, expected)| {
            let why = check("GET", reply, *expected).err()?;
            Some(format!("{expected:?}, {why}: {:?}", shown(reply.as_bytes())))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}
