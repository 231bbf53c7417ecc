//! Formats of an answer, and the headers of every reply.

use serde_json::{Value, json};
use testkit::{Upstream, chat, http};

use crate::support::App;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const SSE: &str = "text/event-stream";
const NDJSON: &str = "application/x-ndjson";

/// Names and values, of a query or of headers.
type Pairs = &'static [(&'static str, &'static str)];

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn format_goes_by_query_n8n_accept_and_content_type() {
    let upstream = Upstream::always(chat::completion("Yes."));
    let app = App::new(&upstream).start();
    let rows: [(Pairs, Pairs, &str); 24] = [
        (&[], &[], TEXT),
        (&[("format", "text")], &[("accept", JSON)], TEXT),
        (&[("format", "json")], &[], JSON),
        (&[("format", "sse")], &[("accept", JSON)], SSE),
        (&[("format", "ndjson")], &[], NDJSON),
        (&[("action", "sendMessage")], &[("accept", "text/plain")], NDJSON),
        (&[("action", "sendMessage")], &[("accept", "*/*")], TEXT),
        (&[("action", "sendMessage")], &[("accept", JSON)], JSON),
        (&[("action", "sendMessage")], &[("content-type", JSON)], JSON),
        (&[("action", "sendMessage"), ("format", "text")], &[("accept", "text/plain")], TEXT),
        (&[], &[("accept", JSON)], JSON),
        (&[], &[("Accept", SSE)], SSE),
        (&[], &[("accept", NDJSON)], NDJSON),
        (&[], &[("accept", "text/plain")], TEXT),
        (&[], &[("accept", "text/plain, application/json")], TEXT),
        (&[], &[("accept", "application/json, text/plain")], JSON),
        (
            &[],
            &[("accept", "text/plain;q=0.5, application/json;q=0.9, text/event-stream;q=0.1")],
            JSON,
        ),
        (&[], &[("accept", "application/json;q=0, text/event-stream")], SSE),
        (&[], &[("accept", "application/json, text/plain, */*")], JSON),
        (&[], &[("accept", "*/*"), ("content-type", JSON)], JSON),
        (&[], &[("accept", "text/plain"), ("content-type", JSON)], TEXT),
        (&[], &[("content-type", "application/json; charset=utf-8")], JSON),
        (
            &[],
            &[("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")],
            TEXT,
        ),
        (&[], &[("accept", "image/png")], TEXT),
    ];
    for (query, headers, content_type) in rows {
        let query = [&[("question", "hi")], query].concat();
        let reply = app.get(&query, headers);
        assert_eq!(reply.header("content-type"), Some(content_type), "{query:?} {headers:?}");
        match content_type {
            TEXT => reply.assert_answer("Yes."),
            JSON => assert_eq!(reply.json()["output"], "Yes."),
            SSE => reply.assert_answer("id: 1\ndata: {\"text\":\"Yes.\"}\n\ndata: [DONE]\n\n"),
            _ => {
                let item = json!({"type": "item", "content": "Yes."});
                let expected = [json!({"type": "begin"}), item, json!({"type": "end"})];
                assert_eq!(json_lines(&reply.text()), expected);
                assert!(reply.text().ends_with('\n'));
            }
        }
    }
    app.get(&[("question", "hi"), ("format", "xml")], &[]).assert_error(400, "format");
    assert_eq!(upstream.requests().len(), 24);
}

#[test]
fn json_has_two_names_for_the_answer_and_its_metadata() {
    let upstream = Upstream::always(chat::completion("“Yes.”"));
    let reply = App::new(&upstream).start().get(&[("q", "hi"), ("format", "json")], &[]);
    let expected = json!({
        "text": "“Yes.”", "output": "“Yes.”", "model": chat::MODEL, "finish_reason": "stop",
        "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8},
    });
    assert_eq!(reply.json(), expected);
}

#[test]
fn answer_with_line_ends_is_one_event_and_one_line() {
    let text = "a\nb\r\n\ndata: [DONE]\n\n{\"type\":\"end\"}\u{2028}c";
    let upstream = Upstream::always(chat::completion(text));
    let app = App::new(&upstream).start();
    let sse = app.get(&[("q", "hi"), ("format", "sse")], &[]).text();
    let events: Vec<_> = sse.split_terminator("\n\n").collect();
    assert_eq!((events.len(), events[1]), (2, "data: [DONE]"));
    let data = events[0].split_once("data: ").unwrap().1;
    assert_eq!(serde_json::from_str::<Value>(data).unwrap(), json!({"text": text}));
    let lines = json_lines(&app.get(&[("q", "hi"), ("format", "ndjson")], &[]).text());
    assert_eq!((lines.len(), &lines[1]["content"]), (3, &json!(text)));
}

#[test]
fn every_reply_has_the_common_headers_within_4_kb() {
    let long = "m".repeat(300);
    let choice = json!({"message": {"content": "Yes."}, "finish_reason": long});
    let upstream = Upstream::new([
        http::json_response(200, &json!({"model": long, "choices": [choice]})),
        http::response(401, &[], ""),
        http::response(429, &["retry-after: 61"], ""),
    ]);
    let app = App::new(&upstream).set("ASK_TIMEOUT", "30").start();
    let requested = "x-long-header-name, ".repeat(40);
    let origin = [
        ("origin", "https://page.example"),
        ("access-control-request-headers", requested.as_str()),
    ];
    let question: &[(&str, &str)] = &[("question", "hi")];
    let replies = [
        app.get(question, &origin),
        app.get(question, &origin),
        app.get(question, &origin),
        app.get(&[], &origin),
        app.http("OPTIONS", &[], &origin, ""),
        app.http("HEAD", question, &origin, ""),
        app.http("DELETE", question, &origin, ""),
        app.get(&[], &[("accept", "text/html")]),
        app.get(question, &[("sec-purpose", "prefetch")]),
        app.get(question, &[("user-agent", "Slackbot 1.0")]),
        app.get(question, &[("last-event-id", "1")]),
        app.event(&json!({"httpMethod": "GET", "path": "/favicon.ico"})),
        app.event(&json!({"httpMethod": "GET", "path": "/robots.txt"})),
        app.event(&json!({"httpMethod": "GET", "path": "/widget.js"})),
        app.event(&json!("junk")),
        app.event(&json!({"question": ""})),
    ];
    let statuses = replies.iter().map(|reply| reply.status()).collect::<Vec<_>>();
    assert_eq!(
        statuses,
        [200, 502, 429, 400, 204, 200, 405, 200, 503, 403, 204, 404, 200, 200, 400, 400]
    );
    for reply in &replies {
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("vary", "Accept, Origin"),
            ("access-control-allow-origin", "*"),
            ("x-request-id", reply.request_id.as_str()),
        ] {
            assert_eq!(reply.header(name), Some(value), "{name}: {reply:?}");
        }
        assert_eq!(reply.header("access-control-allow-credentials"), None);
        assert!(reply.head.len() < 4096, "{} bytes of headers", reply.head.len());
        let exposed = reply.header("access-control-expose-headers").unwrap();
        for name in ["X-Request-Id", "X-Model", "X-Finish-Reason", "X-Error-Code", "Retry-After"] {
            assert!(exposed.contains(name), "{exposed}");
        }
    }
    assert_eq!(replies[0].header("x-model"), Some(&*"m".repeat(128)));
    assert_eq!(replies[2].header("retry-after"), Some("61"));
    assert_eq!(replies[6].header("allow"), Some("GET, HEAD, POST, OPTIONS"));
}

#[test]
fn headers_have_the_model_and_an_early_finish() {
    let named = |model: Value, reason: Value| {
        let choice = json!({"message": {"content": "Yes."}, "finish_reason": reason});
        http::json_response(200, &json!({"model": model, "choices": [choice]}))
    };
    let upstream = Upstream::new([
        named(json!("gpt-4o-2024"), json!("stop")),
        named(json!("gpt-4o-2024"), json!("length")),
        named(json!("模型 v\u{7f}1\n"), json!(null)),
        named(json!(null), json!("stop")),
    ]);
    let app = App::new(&upstream).set("OPENAI_MODEL", "asked-model").start();
    for (model, reason) in [
        ("gpt-4o-2024", None),
        ("gpt-4o-2024", Some("length")),
        ("v1", None),
        ("asked-model", None),
    ] {
        let reply = app.ask("hi");
        reply.assert_answer("Yes.");
        let headers = (reply.header("x-model"), reply.header("x-finish-reason"));
        assert_eq!(headers, (Some(model), reason));
    }
}
