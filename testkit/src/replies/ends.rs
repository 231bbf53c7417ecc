//! Replies that are cut, and replies with an unusual frame. A cut reply is complete only by its
//! bytes.

use super::parts::{DONE, JSON, SKY, STOP, delta};
use super::row::{Delivery, Row, body, json, page, raw, stream};

pub(super) fn rows() -> Vec<Row> {
    [whole(), streams(), errors(), no_reply(), frames()].concat()
}

fn whole() -> Vec<Row> {
    let complete = |name, delivery| json(200, name, JSON).delivered(delivery).answers(SKY);
    let cut = |name, length: usize| json(200, name, &JSON[..length]).fails("upstream_failed");
    vec![
        complete("JSON until the connection is closed", Delivery::UntilClose),
        complete("JSON whose length is not reached", Delivery::Short),
        complete("JSON in chunks without the last one", Delivery::Unfinished),
        complete("JSON in chunks until a reset", Delivery::Reset),
        cut("JSON that ends in the text", 40),
        cut("JSON without its last bracket", JSON.len() - 1),
        cut("JSON that ends in the text until the connection is closed", 40)
            .delivered(Delivery::UntilClose),
        cut("JSON that ends in the text before its length", 40).delivered(Delivery::Short),
        cut("JSON that ends in the text in chunks without the last one", 40)
            .delivered(Delivery::Unfinished),
        cut("JSON that ends in the text until a reset", 40).delivered(Delivery::Reset),
        json(200, "two objects", format!("{JSON}{JSON}")).fails("upstream_failed"),
        json(200, "an object and a word", format!("{JSON}ok")).fails("upstream_failed"),
        json(200, "a completion in a list", format!("[{JSON}]")).fails("upstream_failed"),
        json(200, "members of a completion in a list", r#"["m",[{"message":{"content":"No."}}]]"#)
            .fails("upstream_failed"),
        json(200, "a list of texts", r#"["The sky is blue."]"#).fails("upstream_failed"),
        json(200, "an empty list", "[]").fails("upstream_failed"),
        json(200, "a number", "7").fails("upstream_failed"),
        json(200, "null", "null").fails("upstream_failed"),
        json(200, "brackets that never close", "[".repeat(100_000)).fails("upstream_failed"),
        json(
            200,
            "text that is not UTF-8",
            &b"{\"choices\":[{\"message\":{\"content\":\"\xff\"}}]}"[..],
        )
        .fails("upstream_failed"),
        body(200, "no body", "").fails("upstream_failed"),
        body(200, "blank lines alone", "\n\n\n").fails("upstream_failed"),
        body(200, "no body until the connection is closed", "")
            .delivered(Delivery::UntilClose)
            .fails("upstream_failed"),
        body(200, "a text", "OK").fails("upstream_failed").says("OK"),
        body(204, "no content", "").fails("upstream_failed").says("204"),
    ]
}

fn streams() -> Vec<Row> {
    let complete = |name, end: &str, delivery| {
        let reason = if end == DONE { "" } else { "stop" };
        stream(name, [&delta(SKY), end]).delivered(delivery).answers(SKY).ends(reason)
    };
    let cut = |name, delivery| {
        stream(name, [&delta("The sky")])
            .delivered(delivery)
            .fails("upstream_failed")
            .after("The sky")
    };
    let behind = |name, bytes: &'static [u8]| cut(name, Delivery::Unfinished).followed_by(bytes);
    vec![
        complete("a stream until the connection is closed", DONE, Delivery::UntilClose),
        complete("a stream with a finish reason until the end", STOP, Delivery::UntilClose),
        complete("a stream whose length is not reached", DONE, Delivery::Short),
        complete("a stream in chunks without the last one", DONE, Delivery::Unfinished),
        complete("a finish reason in chunks without the last one", STOP, Delivery::Unfinished),
        complete("a stream until a reset", DONE, Delivery::Reset),
        complete("an end, and a connection that stays open", DONE, Delivery::Held),
        complete("a finish reason until a reset", STOP, Delivery::Reset),
        complete("a finish reason and half an event", STOP, Delivery::Unfinished)
            .followed_by("data: {\"choices\":[],\"us"),
        cut("a stream that ends before its end", Delivery::UntilClose),
        cut("a stream that is cut", Delivery::Unfinished),
        cut("a stream that is reset", Delivery::Reset),
        cut("a stream that ends before its length", Delivery::Short),
        behind("a stream that is cut in an event", b"data: {\"choices\":[{\"delta\":{\"cont"),
        behind(
            "a stream that is cut in a character",
            b"data: {\"choices\":[{\"delta\":{\"content\":\"\xe4\xbd",
        ),
        behind("a stream that is cut in its end", b"data: [DONE").hides("[DONE"),
        behind("a stream that is cut in the name of a field", b"da"),
        cut("a stream that ends in an event", Delivery::Framed)
            .followed_by("data: {\"choices\":[{\"delta\":{\"content\":\" is"),
        complete("a last event without its end, cut", STOP, Delivery::Unfinished)
            .pieces(vec![format!("data: {}\n\ndata: {STOP}", delta(SKY)).into()]),
        complete("an end without its line end, cut", DONE, Delivery::Unfinished)
            .pieces(vec![format!("data: {}\n\ndata: {DONE}", delta(SKY)).into()]),
    ]
}

/// The status of an error counts even if its body is cut.
fn errors() -> Vec<Row> {
    let error = r#"{"error":{"message":"Incorrect API"#;
    vec![
        json(401, "a key, cut", error).delivered(Delivery::Short).fails("upstream_key"),
        json(402, "a quota, cut", error).delivered(Delivery::Unfinished).fails("upstream_quota"),
        json(400, "a refusal, reset", error).delivered(Delivery::Reset).fails("upstream_refused"),
        json(429, "a rate limit, cut", error)
            .delivered(Delivery::Short)
            .fails("upstream_busy")
            .retried(),
        json(503, "an overload, reset", error)
            .delivered(Delivery::Reset)
            .fails("upstream_failed")
            .says("503")
            .retried(),
        json(
            429,
            "a quota until the connection is closed",
            r#"{"error":{"message":"quota","code":"insufficient_quota"}}"#,
        )
        .delivered(Delivery::UntilClose)
        .fails("upstream_quota"),
        page(200, "a web page, cut", "<!DOCTYPE html><html><head>")
            .delivered(Delivery::Short)
            .fails("upstream_failed")
            .says("OPENAI_BASE_URL"),
    ]
}

/// Connections that end before a response, or with something else.
fn no_reply() -> Vec<Row> {
    let broken =
        |name, bytes: &str, delivery| raw(name, bytes).delivered(delivery).fails("upstream_failed");
    vec![
        broken("a connection that is closed", "", Delivery::RawClosed).retried_later(),
        broken("a connection that is reset", "", Delivery::RawReset).retried_later(),
        broken("half a status line", "HTTP/1.1 20", Delivery::RawClosed),
        broken("half a head", "HTTP/1.1 200 OK\r\ncontent-ty", Delivery::RawClosed),
        broken("half a head, reset", "HTTP/1.1 200 OK\r\ncontent-ty", Delivery::RawReset),
        broken("a server of another kind", "SSH-2.0-OpenSSH_9.2\r\n", Delivery::RawClosed)
            .says("HTTP"),
        broken("no number as the status", "HTTP/1.1 two hundred\r\n\r\n", Delivery::RawClosed)
            .says("HTTP"),
    ]
}

/// Heads and frames that are unusual, and some that are invalid.
fn frames() -> Vec<Row> {
    let length = JSON.len();
    let with = |name, head: &str, body: &str| {
        raw(name, format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}")).answers(SKY)
    };
    let framed = |name, head: &str| {
        raw(name, format!("{head}\r\ncontent-length: {length}\r\n\r\n{JSON}")).answers(SKY)
    };
    let chunked = |name, head: &str, end: &str| {
        let body = format!("{length:x}\r\n{JSON}\r\n{end}");
        with(name, &format!("transfer-encoding: chunked{head}"), &body)
    };
    let invalid = |name, head: &str| {
        with(name, &format!("{head}\r\ncontent-length: {length}"), JSON)
            .delivered(Delivery::RawClosed)
            .fails("upstream_failed")
    };
    let headers = |count| {
        let headers: String = (0..count).map(|n| format!("\r\nx-header-{n}: {n}")).collect();
        format!("HTTP/1.1 200 OK{headers}")
    };
    vec![
        framed("no reason phrase", "HTTP/1.1 200 "),
        framed("no blank behind the status", "HTTP/1.1 200"),
        framed("a reason phrase that is not ASCII", "HTTP/1.1 200 成功"),
        framed("a header that is not ASCII", "HTTP/1.1 200 OK\r\nx-oneapi-note: 你好"),
        framed("a hundred headers more", &headers(100)),
        framed("a large header", &format!("HTTP/1.1 200 OK\r\nx-large: {}", "x".repeat(30_000))),
        framed("an informational response before", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK"),
        framed(
            "two informational responses before",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK",
        ),
        framed(
            "early hints before",
            "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK",
        ),
        framed("a response of the old protocol", "HTTP/1.0 200 OK\r\nserver: x")
            .delivered(Delivery::RawClosed),
        framed("the same length twice", &format!("HTTP/1.1 200 OK\r\ncontent-length: {length}")),
        with(
            "the same length twice in a line",
            &format!("content-length: {length}, {length}"),
            JSON,
        ),
        raw(
            "line feeds without carriage returns",
            format!("HTTP/1.1 200 OK\ncontent-length: {length}\n\n{JSON}"),
        )
        .answers(SKY),
        chunked("the coding twice", "\r\ntransfer-encoding: chunked", "0\r\n\r\n"),
        chunked("the coding twice in other letters", "\r\nTransfer-Encoding: Chunked", "0\r\n\r\n"),
        chunked("chunks and a length", "\r\ncontent-length: 5", "0\r\n\r\n")
            .delivered(Delivery::RawClosed),
        chunked("trailers", "\r\ntrailer: x-check", "0\r\nx-check: 1\r\n\r\n"),
        chunked("an extension of a chunk", "", "0;x=y\r\n\r\n"),
        chunked("zeros in the size of a chunk", "", "000\r\n\r\n"),
        with(
            "a coding that was not asked for",
            "transfer-encoding: gzip, chunked",
            &format!("{length:x}\r\n{JSON}\r\n0\r\n\r\n"),
        )
        .delivered(Delivery::RawClosed)
        .fails("upstream_failed"),
        invalid("two lengths", "content-length: 10"),
        invalid("an invalid length", "content-length: many"),
        invalid("a blank before the colon of a header", "x-note : 1"),
        invalid("too many headers", &headers(200)["HTTP/1.1 200 OK\r\n".len()..]),
        raw(
            "a head of 200 KB",
            format!(
                "HTTP/1.1 200 OK\r\nx-large: {}\r\ncontent-length: {length}\r\n\r\n{JSON}",
                "x".repeat(200_000)
            ),
        )
        .delivered(Delivery::RawClosed)
        .fails("upstream_failed"),
    ]
}
