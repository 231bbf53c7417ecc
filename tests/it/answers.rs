//! What the caller gets: the answer unchanged, in the shape that was asked for, and the headers around it.

use serde_json::{Value, json};

use crate::support::{Act, Ask, Server, answer, chunked, each, json_reply, reply};

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const SSE: &str = "text/event-stream";
const NDJSON: &str = "application/x-ndjson";

/// Names and values, of a query or of headers.
type Pairs = &'static [(&'static str, &'static str)];

/// A completion with this as its one choice.
fn choice(choice: Value) -> Vec<Act> {
    json_reply(200, &json!({"model": "canned-model", "choices": [choice]}))
}

#[test]
fn the_answer_is_unchanged_to_the_byte() {
    let megabyte = "A line with “quotes”, 汉字 and \"escapes\"\\\n".repeat(22_000);
    let answers = [
        " leading and trailing space \n\n",
        "你好，世界！\u{1F1E8}\u{1F1F3} e\u{301} \u{202E}rtl\u{202C} \u{FEFF}bom",
        "nul \0, bell \u{7}, escape \u{1B}[31m, del \u{7F}, line \u{2028} and paragraph \u{2029}, crlf \r\n",
        "<script>alert('&amp;')</script><img src=x onerror=alert(1)>",
        "{\"statusCode\": 500, \"body\": \"null\"}",
        "null",
        "\u{10FFFF}\u{FFFD}\u{E000}",
        "sk-not-a-key and **stars** stay",
        &megabyte,
    ];
    each(&answers, |text| {
        let ask = Ask::of(&Server::always(answer(*text)));
        let provider = Server::always(answer(*text));
        let reply = ask.set("OPENAI_BASE_URL", provider.url("")).start().ask("hi");
        assert!(reply.status == 200 && reply.body == *text, "{:?}", text.get(..200));
        assert_eq!(reply.header("content-type"), Some(TEXT));
    });
}

#[test]
fn the_answer_arrives_however_the_provider_frames_it() {
    let body = r#"{"choices":[{"message":{"content":"Grüße \ud83d\ude00\u000a"}}]}"#;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let by_chunks = |size: usize| {
        [
            format!("{head}transfer-encoding: chunked\r\n\r\n").as_bytes(),
            &chunked(body.as_bytes(), size),
        ]
        .concat()
    };
    let to_the_end = format!("{head}\r\n{body}").into_bytes();
    let old = format!("HTTP/1.0 200 OK\r\n\r\n{body}").into_bytes();
    let spaced =
        format!("{head}content-length: {}\r\n\r\n\r\n\t {body}\n", body.len() + 5).into_bytes();
    let typed = format!(
        "HTTP/1.1 200 \r\ncontent-type: text/html\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let whole = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    let early = format!(
        "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n{whole}"
    );
    let long = "x".repeat(300);
    let headers: String = (0..100).map(|count| format!("x-{count}: {long}\r\n")).collect();
    let many = whole.replacen("\r\n", &format!("\r\n{headers}"), 1);
    let folded = whole.replacen("content-length: ", "Content-Length:   ", 1);
    let turns = [
        vec![Act::Send(early.into_bytes())],
        vec![Act::Send(many.into_bytes())],
        vec![Act::Send(folded.into_bytes())],
        vec![Act::Send(by_chunks(1))],
        vec![Act::Send(by_chunks(7))],
        vec![Act::Send(by_chunks(1000))],
        vec![Act::Send(to_the_end), Act::Close],
        vec![Act::Send(old), Act::Close],
        vec![Act::Send(spaced)],
        vec![Act::Send(typed.into_bytes())],
        // Byte by byte.
        by_chunks(5).into_iter().map(|byte| Act::Send(vec![byte])).collect(),
    ];
    let provider = Server::new(turns);
    let ask = Ask::of(&provider).start();
    for _ in 0..11 {
        ask.ask("hi").says("Grüße \u{1F600}\n");
    }
}

#[test]
fn an_answer_is_found_in_every_form_that_holds_one() {
    let part = |text: &str| json!({"type": "text", "text": text});
    let rows = [
        (json!({"message": {"content": [part("two "), part("parts")]}}), "two parts"),
        (json!({"message": {"content": null, "refusal": "I can't."}}), "I can't."),
        (json!({"message": {"content": "", "refusal": "I can't."}}), "I can't."),
        (json!({"message": {"content": "said", "refusal": "not said"}}), "said"),
        (
            json!({"message": {"content": "said", "reasoning_content": "thought", "reasoning": "too"}}),
            "said",
        ),
        (json!({"message": {"content": "cut of"}, "finish_reason": "length"}), "cut of"),
        (json!({"message": {"content": "begun"}, "finish_reason": "content_filter"}), "begun"),
    ];
    let provider = Server::new(rows.clone().map(|(reply, _)| choice(reply)));
    let ask = Ask::of(&provider).start();
    for (_, text) in &rows {
        ask.ask("hi").says(text);
    }
}

#[test]
fn an_answer_larger_than_the_platform_carries_is_said_to_be_and_the_next_one_arrives() {
    let seven = "x".repeat(7 << 20);
    // Its escapes make it larger than the platform carries, though it is not.
    let escaped = "\"".repeat(4 << 20);
    let fits = "x".repeat((6 << 20) - 4096);
    let provider =
        Server::new([answer(seven), answer(escaped), answer(fits.as_str()), answer("Yes.")]);
    let ask = Ask::of(&provider).start();
    for _ in 0..2 {
        let reply = ask.ask("hi");
        reply.fails(502, "answer_too_large");
        assert!(reply.body.contains("6 MB"), "{}", reply.body);
        let line = reply.line();
        assert_eq!((&line["status"], &line["code"]), (&json!(502), &json!("answer_too_large")));
    }
    assert!(ask.ask("hi").body == fits);
    ask.ask("hi").says("Yes.");
}

#[test]
fn an_endless_reply_ends_as_too_large() {
    let endless = "x".repeat(40 << 20);
    let provider = Server::new([answer(endless), answer("Yes.")]);
    let ask = Ask::of(&provider).start();
    ask.ask("hi").fails(502, "answer_too_large");
    ask.ask("hi").says("Yes.");
}

#[test]
fn the_shape_goes_by_format_then_n8n_then_accept_then_content_type() {
    let provider = Server::always(answer("Yes."));
    let ask = Ask::of(&provider).start();
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
        let reply = ask.get(&query, headers);
        assert_eq!(reply.header("content-type"), Some(content_type), "{query:?} {headers:?}");
        match content_type {
            TEXT => reply.says("Yes."),
            JSON => assert_eq!(reply.json()["output"], "Yes."),
            SSE => reply.says("id: 1\ndata: {\"text\":\"Yes.\"}\n\ndata: [DONE]\n\n"),
            _ => {
                let lines: Vec<Value> =
                    reply.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
                let item = json!({"type": "item", "content": "Yes."});
                assert_eq!(lines, [json!({"type": "begin"}), item, json!({"type": "end"})]);
                assert!(reply.body.ends_with('\n'));
            }
        }
    }
    let before = provider.requests().len();
    let format = ask.get(&[("question", "hi"), ("format", "xml")], &[]);
    format.fails(400, "format");
    assert_eq!(provider.requests().len(), before);
}

#[test]
fn json_holds_the_answer_under_two_names_and_what_the_provider_said_of_it() {
    let provider = Server::always(answer("“Yes.”"));
    let reply = Ask::of(&provider).start().get(&[("q", "hi"), ("format", "json")], &[]);
    let expected = json!({
        "text": "“Yes.”", "output": "“Yes.”", "model": "canned-model", "finish_reason": "stop",
        "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8},
    });
    assert_eq!(reply.json(), expected);
}

#[test]
fn an_answer_with_line_ends_is_one_event_and_one_line() {
    let text = "a\nb\r\n\ndata: [DONE]\n\n{\"type\":\"end\"}\u{2028}c";
    let provider = Server::always(answer(text));
    let ask = Ask::of(&provider).start();
    let sse = ask.get(&[("q", "hi"), ("format", "sse")], &[]).body;
    let events: Vec<_> = sse.split_terminator("\n\n").collect();
    assert_eq!((events.len(), events[1]), (2, "data: [DONE]"));
    let data = events[0].split_once("data: ").unwrap().1;
    assert_eq!(serde_json::from_str::<Value>(data).unwrap(), json!({"text": text}));
    let ndjson = ask.get(&[("q", "hi"), ("format", "ndjson")], &[]).body;
    let lines: Vec<Value> =
        ndjson.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[1]["content"]), (3, &json!(text)));
}

#[test]
fn every_reply_has_the_same_headers_and_they_stay_under_4_kb() {
    let long = "m".repeat(300);
    let completion = json!({"model": long, "choices": [{"message": {"content": "Yes."}, "finish_reason": long}]});
    let provider = Server::new([
        json_reply(200, &completion),
        reply(401, &[], ""),
        reply(429, &["retry-after: 61"], ""),
    ]);
    let ask = Ask::of(&provider).set("ASK_TIMEOUT", "30").start();
    let requested = "x-long-header-name, ".repeat(40);
    let origin = [
        ("origin", "https://page.example"),
        ("access-control-request-headers", requested.as_str()),
    ];
    let question: &[(&str, &str)] = &[("question", "hi")];
    let replies = [
        ask.get(question, &origin),
        ask.get(question, &origin),
        ask.get(question, &origin),
        ask.get(&[], &origin),
        ask.http("OPTIONS", &[], &origin, ""),
        ask.http("HEAD", question, &origin, ""),
        ask.http("DELETE", question, &origin, ""),
        ask.get(&[], &[("accept", "text/html")]),
        ask.get(question, &[("sec-purpose", "prefetch")]),
        ask.get(question, &[("user-agent", "Slackbot 1.0")]),
        ask.get(question, &[("last-event-id", "1")]),
        ask.event(&json!({"httpMethod": "GET", "path": "/favicon.ico"})),
        ask.event(&json!({"httpMethod": "GET", "path": "/robots.txt"})),
        ask.event(&json!({"httpMethod": "GET", "path": "/widget.js"})),
        ask.event(&json!("junk")),
        ask.event(&json!({"question": ""})),
    ];
    let statuses = replies.iter().map(|reply| reply.status).collect::<Vec<_>>();
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
        let bytes: usize =
            reply.headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
        assert!(bytes < 4096, "{bytes} bytes of headers");
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
fn the_model_and_an_end_before_the_end_are_in_the_headers() {
    let named = |model: Value, reason: Value| {
        json_reply(
            200,
            &json!({"model": model, "choices": [{"message": {"content": "Yes."}, "finish_reason": reason}]}),
        )
    };
    let provider = Server::new([
        named(json!("gpt-4o-2024"), json!("stop")),
        named(json!("gpt-4o-2024"), json!("length")),
        named(json!("模型 v\u{7f}1\n"), json!(null)),
        named(json!(null), json!("stop")),
    ]);
    let ask = Ask::of(&provider).set("OPENAI_MODEL", "asked-model").start();
    for (model, reason) in [
        ("gpt-4o-2024", None),
        ("gpt-4o-2024", Some("length")),
        ("v1", None),
        ("asked-model", None),
    ] {
        let reply = ask.ask("hi");
        reply.says("Yes.");
        assert_eq!(
            (reply.header("x-model"), reply.header("x-finish-reason")),
            (Some(model), reason)
        );
    }
}

#[test]
fn the_bare_answer_is_posted_where_the_gateway_has_no_integrated_response() {
    let provider = Server::new([
        answer("你好"),
        reply(401, &[], ""),
        answer("x".repeat(7 << 20)),
        answer("Yes."),
    ]);
    let ask = Ask::of(&provider).set("ASK_RESPONSE", "passthrough").start();
    let event = r#"{"httpMethod": "GET", "queryString": {"q": "hi"}}"#;
    let said = || String::from_utf8(ask.emulator.invoke(event).reply.unwrap()).unwrap();
    assert_eq!(said(), "你好");
    assert!(said().contains("OPENAI_API_KEY"));
    assert!(said().contains("6 MB"));
    assert_eq!(said(), "Yes.");
}
