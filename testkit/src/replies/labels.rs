//! Labels that do not fit the bytes: the bytes decide.

use super::parts::{JSON, SKY, STOP, delta};
use super::row::{Row, body, json, page, stream};

const BYTE_ORDER_MARK: &str = "\u{feff}";

/// [`JSON`], compressed.
const GZIP: &[u8] =
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x0d\xcaA\x0a\x80 \x10\x05\xd0\xab\xc8_G\x07\xf0\
    \x1c\xed\x22\xc2d\xca\xa1\x1a\xa3o\x8b\x10\xef^o\xfd*b\xca\x1a\x85\xf0c\xc5)d\xd8\x04\
    \xbe\x22f+b\x05\x1eC\x12\xc7\xfduJ\xb7\x1c\x8f\xf4h\x1dV5e\x9ao\x09\xcc\xf6\x1f\x96|\xa1\
    M\xed\x03L\xcd\x86\x03O\x00\x00\x00";

/// The answer as a stream.
fn events(name: &str) -> Row {
    let first = r#"{"choices":[{"delta":{"role":"assistant","content":"The sky"}}]}"#;
    let second = r#"{"choices":[{"delta":{"content":" is blue."},"finish_reason":"stop"}]}"#;
    stream(name, [first, second, "[DONE]"]).answers(SKY)
}

/// The answer as JSON.
fn whole(name: &str) -> Row {
    json(200, name, JSON).answers(SKY)
}

/// A web page in the place of an answer.
fn web_page(name: &str, html: &str) -> Row {
    page(200, name, html).fails("upstream_failed").says("web page").says("OPENAI_BASE_URL")
}

fn compressed(status: u16, name: &str) -> Row {
    body(status, name, GZIP)
        .header("content-type: application/json")
        .header("content-encoding: gzip")
}

pub(super) fn rows() -> Vec<Row> {
    [content_types(), before(), behind(), compressions(), web_pages()].concat()
}

fn content_types() -> Vec<Row> {
    vec![
        whole("JSON without a type").labelled(""),
        whole("JSON as text").labelled("text/plain; charset=utf-8"),
        whole("JSON as a web page").labelled("text/html; charset=utf-8"),
        whole("JSON as bytes").labelled("application/octet-stream"),
        whole("JSON as events").labelled("text/event-stream"),
        whole("JSON as lines").labelled("application/x-ndjson"),
        events("events without a type").labelled(""),
        events("events as JSON").labelled("application/json"),
        events("events as text").labelled("text/plain; charset=utf-8"),
        events("events as a web page").labelled("text/html"),
        events("events as bytes").labelled("application/octet-stream"),
        events("events with a charset").labelled("Text/Event-Stream;charset=UTF-8"),
        json(200, "a stream in one event", format!("data: {JSON}\n\ndata: [DONE]\n\n"))
            .labelled("text/event-stream")
            .answers(SKY),
        whole("identity as the coding").header("content-encoding: identity"),
    ]
}

fn before() -> Vec<Row> {
    vec![
        whole("blank lines before JSON").preceded_by("\n\n\n"),
        whole("blanks before JSON, one by one")
            .preceded_by("\r\n")
            .preceded_by(" ")
            .preceded_by("\n")
            .preceded_by("\t"),
        whole("blank lines before JSON as events")
            .labelled("text/event-stream")
            .preceded_by("\n\n"),
        whole("byte order mark before JSON").preceded_by(BYTE_ORDER_MARK),
        whole("byte order mark and blank lines before JSON")
            .preceded_by("\r\n\r\n")
            .preceded_by(BYTE_ORDER_MARK),
        whole("byte order mark in two pieces")
            .preceded_by(&b"\xbf"[..])
            .preceded_by(&b"\xef\xbb"[..]),
        events("byte order mark before events").preceded_by(BYTE_ORDER_MARK),
        events("byte order mark before events as JSON")
            .labelled("application/json")
            .preceded_by(BYTE_ORDER_MARK),
        events("byte order mark before a comment")
            .preceded_by(format!("{BYTE_ORDER_MARK}: ok\n\n")),
        events("blank lines before events").labelled("").preceded_by("\r\n\n"),
        events("comments before events").preceded_by(": OPENROUTER PROCESSING\n\n: hi\n\n"),
        events("the field twice")
            .pieces(vec![format!("data: data: {}\n\ndata: data: {STOP}\n\n", delta(SKY)).into()]),
    ]
}

fn behind() -> Vec<Row> {
    let end = |name, end: &str| {
        let delta = r#"{"choices":[{"delta":{"content":"The sky is blue."}}]}"#;
        stream(name, [delta]).followed_by(end).answers(SKY).ends("")
    };
    vec![
        whole("JSON with an end of events").followed_by("\n\ndata: [DONE]\n\n"),
        whole("JSON with an end of events on its line").followed_by("data: [DONE]"),
        whole("JSON with a quoted end of events").followed_by("\r\ndata: \"[DONE]\"\r\n"),
        whole("JSON with a comment behind").followed_by("\n: end\n\n"),
        whole("JSON with blanks behind").followed_by(" \r\n\n\t"),
        end("end without a blank", "data:[DONE]\n\n"),
        end("end with a blank behind", "data: [DONE] \n\n"),
        end("end with a tab before", "data: \t[DONE]\n\n"),
        end("quoted end", "data: \"[DONE]\"\n\n"),
        end("end in lower case", "data: [done]\n\n"),
        end("end without a line end", "data: [DONE]"),
        end("end with CRLF", "data: [DONE]\r\n\r\n"),
        end("end with a name", "event: done\nid: 9\ndata: [DONE]\n\n"),
        end("null before the end", "data: null\n\ndata: [DONE]\n\n"),
        end("an event without data before the end", "data:\n\ndata: \n\ndata: [DONE]\n\n"),
        end("events after the end", "data: [DONE]\n\ndata: {\"error\":\"late\"}\n\n"),
        whole("JSON with an end of events without a field").followed_by("\n[DONE]\n"),
        whole("JSON with an end of events with a name")
            .followed_by("\nevent: done\ndata: [DONE]\n\n"),
        end("end without a field", "[DONE]\n"),
    ]
}

fn compressions() -> Vec<Row> {
    let failed = |row: Row| row.fails("upstream_failed").says("compressed");
    let unknown = |name, coding: &str| {
        failed(body(200, name, &b"\x28\xb5\x2f\xfd\x04\x58"[..])).header(coding)
    };
    vec![
        failed(compressed(200, "gzip")),
        failed(compressed(200, "gzip as events").labelled("text/event-stream")),
        failed(body(200, "gzip without a label", GZIP)),
        unknown("zstd", "content-encoding: zstd"),
        unknown("brotli", "content-encoding: br"),
        compressed(401, "gzip with 401").fails("upstream_key"),
        compressed(402, "gzip with 402").fails("upstream_quota"),
        compressed(429, "gzip with 429").fails("upstream_busy").retried(),
        compressed(400, "gzip with 400").fails("upstream_refused").says("400").says("compressed"),
        compressed(404, "gzip with 404").fails("upstream_refused").says("OPENAI_BASE_URL"),
        failed(compressed(503, "gzip with 503")).says("503").retried(),
        whole("JSON that is labelled as gzip").header("content-encoding: gzip"),
        events("events that are labelled as gzip").header("content-encoding: gzip"),
    ]
}

fn web_pages() -> Vec<Row> {
    let page = "<!doctype html><html><head><title>New API</title></head><body></body></html>";
    vec![
        web_page("start page of a relay", page),
        web_page(
            "start page of nginx",
            "<!DOCTYPE html>\n<html>\n<head>\n<title>Welcome to nginx!</title>",
        ),
        web_page("web page behind blank lines", "\r\n\r\n  <HTML><BODY>Hello</BODY></HTML>"),
        web_page(
            "web page behind a byte order mark",
            "\u{feff}<html lang=\"zh\"><body>登录</body>",
        ),
        web_page("web page that begins with a comment", "<!-- portal --><html></html>"),
        web_page("XML", "<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code></Error>"),
        web_page("web page as events", page).labelled("text/event-stream"),
        web_page("web page as JSON", page).labelled("application/json"),
        web_page("web page without a type", page).labelled(""),
        web_page(
            "web page that holds events",
            "<pre>\ndata: {\"choices\":[]}\n\ndata: [DONE]\n\n</pre>",
        ),
    ]
}
