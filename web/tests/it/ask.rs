//! The question endpoint, streamed.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::*;

/// The head of a streamed reply of the provider's.
const STREAM: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// A question, with the token, to this path.
fn question(path: &str, headers: &str) -> String {
    request(&format!("GET {path}"), headers)
}

/// The provider's end of a question: what was asked, and the wire for the answer.
#[track_caller]
fn asked(wire: &mut Wire) -> (String, Value) {
    let head = wire.head();
    let body = wire.body(&head);
    (head, serde_json::from_str(&body).unwrap())
}

/// A piece of an answer, as a chunk.
fn piece(text: &str) -> String {
    chunk(&format!(
        "data: {}\n\n",
        json!({"model": "m-1", "choices": [{"delta": {"content": text}}]})
    ))
}

fn chunk(bytes: &str) -> String {
    format!("{:x}\r\n{bytes}\r\n", bytes.len())
}

/// The end of an answer.
fn done() -> String {
    let last = json!({
        "choices": [{"delta": {}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 5},
    });
    chunk(&format!("data: {last}\n\ndata: [DONE]\n\n")) + "0\r\n\r\n"
}

/// A whole answer.
fn whole(text: &str) -> String {
    let body = json!({"model": "m-1", "choices": [{"message": {"content": text}, "finish_reason": "stop"}]})
        .to_string();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A refusal with this status and error code.
fn refusal(status: &str, code: &str) -> String {
    let body = json!({"error": {"message": format!("No, {KEY}."), "code": code}}).to_string();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn an_answer_is_told_as_it_is_written() {
    let provider = Provider::start();
    let server = Server::before_with(
        &provider,
        &[("OPENAI_MODEL", "m"), ("ASK_SYSTEM_PROMPT", "Be brief.")],
    );
    let mut caller = server.send(&question("/?question=%E4%BD%A0%E5%A5%BD", ""));
    let mut wire = provider.accept();
    let (head, body) = asked(&mut wire);
    assert!(head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{head}");
    assert_eq!(header(&head, "host"), Some(provider.address().to_string()));
    assert_eq!(header(&head, "authorization"), Some(format!("Bearer {KEY}")));
    let messages =
        json!([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "你好"}]);
    assert_eq!(body, json!({"model": "m", "messages": messages, "stream": true}));

    wire.send(format!("{STREAM}{}", piece("你")));
    let head = caller.head();
    assert_eq!(status(&head), 200);
    assert_eq!(header(&head, "content-type").as_deref(), Some("text/plain; charset=utf-8"));
    assert_eq!(header(&head, "x-model").as_deref(), Some("m-1"));
    assert_eq!(header(&head, "x-accel-buffering").as_deref(), Some("no"));
    assert_eq!(header(&head, "cache-control").as_deref(), Some("no-store"));
    assert_eq!(caller.chunk(), "你");
    wire.send(piece("好！"));
    assert_eq!(caller.chunk(), "好！");
    assert!(server.rest_of_log().is_empty(), "logged before the reply is whole");
    wire.send(done());
    assert_eq!(caller.chunk(), "");
    let line = server.log();
    assert_eq!((line["path"].as_str(), line["status"].as_u64()), (Some("/"), Some(200)));
    assert_eq!((line["model"].as_str(), line["attempts"].as_u64()), (Some("m-1"), Some(1)));
    assert_eq!(
        (line["prompt_tokens"].as_u64(), line["completion_tokens"].as_u64()),
        (Some(3), Some(5))
    );
    assert!(
        line.get("question").is_none() && line.get("answer").is_none() && line["code"].is_null(),
        "{line}"
    );

    // The same connections, on both sides.
    caller.send(question("/ask?q=again", ""));
    asked(&mut wire);
    wire.send(format!("{STREAM}{}{}", piece("Yes."), done()));
    caller.head();
    assert_eq!((caller.chunk().as_str(), caller.chunk().as_str()), ("Yes.", ""));
    provider.is_left_alone();
}

/// What a caller gets in this form of an answer in two pieces.
fn told(path: &str, headers: &str) -> (String, Vec<String>) {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let mut caller = server.send(&question(path, headers));
    let mut wire = provider.accept();
    asked(&mut wire);
    wire.send(format!("{STREAM}{}", piece("<b>")));
    let head = caller.head();
    let mut chunks = vec![caller.chunk()];
    wire.send(piece("\n!"));
    chunks.push(caller.chunk());
    wire.send(done());
    while chunks.last().is_some_and(|chunk| !chunk.is_empty()) {
        chunks.push(caller.chunk());
    }
    (header(&head, "content-type").unwrap(), chunks)
}

#[test]
fn events_and_lines_are_told_in_pieces() {
    let (content_type, chunks) = told("/?q=hi", "Accept: text/event-stream\r\n");
    assert_eq!(content_type, "text/event-stream");
    let expected = [
        "id: 1\ndata: {\"text\":\"<b>\"}\n\n",
        "id: 2\ndata: {\"text\":\"\\n!\"}\n\n",
        "data: [DONE]\n\n",
        "",
    ];
    assert_eq!(chunks, expected);

    let (content_type, chunks) = told("/?q=hi&format=ndjson", "");
    assert_eq!(content_type, "application/x-ndjson");
    let expected = [
        "{\"type\":\"begin\"}\n{\"content\":\"<b>\",\"type\":\"item\"}\n",
        "{\"content\":\"\\n!\",\"type\":\"item\"}\n",
        "{\"type\":\"end\"}\n",
        "",
    ];
    assert_eq!(chunks, expected);
}

#[test]
fn json_is_told_whole_and_asked_for_whole() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let mut caller = server.send(&question("/?q=hi&format=json", ""));
    let mut wire = provider.accept();
    let (_, body) = asked(&mut wire);
    assert!(body.get("stream").is_none(), "{body}");
    wire.send(whole("Hello."));
    let head = caller.head();
    let body: Value = serde_json::from_str(&caller.body(&head)).unwrap();
    assert_eq!((body["text"].as_str(), body["output"].as_str()), (Some("Hello."), Some("Hello.")));
}

#[test]
fn a_provider_that_does_not_stream_is_understood_whatever_it_calls_that() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let mut caller = server.connect();
    let mut kept = None;
    for content_type in ["application/json; charset=utf-8", "text/plain", "text/event-stream"] {
        caller.send(question("/?q=hi", ""));
        let wire = kept.get_or_insert_with(|| provider.accept());
        asked(wire);
        wire.send(whole("Hello.").replace("application/json", content_type));
        let head = caller.head();
        assert_eq!(caller.body(&head), "Hello.", "{content_type}");
    }
}

#[test]
fn a_failure_before_the_first_piece_is_a_status() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    for (reply, expected) in [
        (refusal("401 Unauthorized", "invalid_api_key"), (502, "upstream_key")),
        (refusal("404 Not Found", "model_not_found"), (502, "upstream_model")),
        (refusal("400 Bad Request", "x"), (502, "upstream_refused")),
        (
            "HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n".to_owned(),
            (502, "upstream_refused"),
        ),
        (format!("{STREAM}{}0\r\n\r\n", chunk("data: [DONE]\n\n")), (502, "answer_empty")),
        (format!("{STREAM}{}", done()), (502, "answer_empty")),
    ] {
        let mut caller = server.send(&question("/?q=hi", "Connection: close\r\n"));
        let mut wire = provider.accept();
        asked(&mut wire);
        wire.send(&reply);
        wire.close();
        let head = caller.head();
        let code = header(&head, "x-error-code").unwrap();
        assert_eq!((status(&head), code.as_str()), expected, "{reply}");
        let body = caller.body(&head);
        assert!(!body.contains("Zq7"), "{body}");
        assert_eq!(server.log()["code"], expected.1);
    }
}

#[test]
fn what_may_pass_is_tried_again_and_the_next_key_at_once() {
    let provider = Provider::start();
    let server =
        Server::before_with(&provider, &[("OPENAI_API_KEY", "sk-first-Qq1,sk-second-Ww2")]);
    let mut caller = server.send(&question("/?q=hi", ""));
    let mut wire = provider.accept();
    let (head, _) = asked(&mut wire);
    assert_eq!(header(&head, "authorization").as_deref(), Some("Bearer sk-first-Qq1"));
    wire.send(refusal("401 Unauthorized", "invalid_api_key"));
    let (head, _) = asked(&mut wire);
    assert_eq!(header(&head, "authorization").as_deref(), Some("Bearer sk-second-Ww2"));
    wire.send("HTTP/1.1 503 Service Unavailable\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n");
    asked(&mut wire);
    wire.send(whole("At last."));
    let head = caller.head();
    assert_eq!(caller.body(&head), "At last.");
    assert_eq!(server.log()["attempts"], 3);
}

#[test]
fn a_kept_connection_that_has_gone_costs_no_answer() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let mut caller = server.send(&question("/?q=hi", ""));
    let mut wire = provider.accept();
    asked(&mut wire);
    wire.send(whole("One."));
    let head = caller.head();
    assert_eq!(caller.body(&head), "One.");
    // It goes only when it is asked again.
    caller.send(question("/?q=hi", ""));
    asked(&mut wire);
    wire.close();
    let mut wire = provider.accept();
    asked(&mut wire);
    wire.send(whole("Two."));
    let head = caller.head();
    assert_eq!(caller.body(&head), "Two.");
    server.log();
    assert_eq!(server.log()["attempts"], 1);
}

/// What a caller gets after the first piece of an answer that breaks off.
fn broken(format: &str) -> (String, Value) {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let mut caller =
        server.send(&question(&format!("/?q=hi&format={format}"), "Connection: close\r\n"));
    let mut wire = provider.accept();
    asked(&mut wire);
    wire.send(format!("{STREAM}{}", piece("One")));
    assert_eq!(status(&caller.head()), 200);
    caller.chunk();
    wire.close();
    (caller.rest(), server.log())
}

#[test]
fn an_answer_that_breaks_off_says_so() {
    let (rest, line) = broken("sse");
    assert!(rest.contains("data: {\"error\":\"") && !rest.contains("[DONE]"), "{rest}");
    assert_eq!(line["code"], "upstream_failed");
    let (rest, _) = broken("ndjson");
    assert!(rest.contains("\"type\":\"error\"") && !rest.contains("\"end\""), "{rest}");
    let (rest, line) = broken("text");
    assert_eq!(rest, "", "text ends as if it were whole");
    assert_eq!(
        (line["status"].as_u64(), line["code"].as_str()),
        (Some(200), Some("upstream_failed"))
    );
}

#[test]
fn text_that_came_before_the_break_is_shown() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let mut caller = server.send(&question("/?q=hi", ""));
    let mut wire = provider.accept();
    asked(&mut wire);
    // All of it at once.
    wire.send(format!("{STREAM}{}{}", piece("One"), chunk("data: {\"error\":\"broken\"}\n\n")));
    assert_eq!(status(&caller.head()), 200);
    assert_eq!(caller.chunk(), "One");
    assert_eq!(caller.rest(), "");
}

#[test]
fn an_error_in_the_stream_after_the_first_piece_is_said() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let mut caller = server.send(&question("/?q=hi", "Accept: text/event-stream\r\n"));
    let mut wire = provider.accept();
    asked(&mut wire);
    let error = json!({"error": {"message": format!("broken, {KEY}"), "code": "server_error"}});
    wire.send(format!("{STREAM}{}{}", piece("One"), chunk(&format!("data: {error}\n\n"))));
    caller.head();
    assert!(caller.chunk().contains("One"));
    let last = caller.chunk();
    assert!(last.starts_with("data: {\"error\":") && !last.contains("Zq7"), "{last}");
    assert_eq!(caller.chunk(), "");
}

#[test]
fn time_runs_out_before_an_answer_and_in_its_middle() {
    let provider = Provider::start();
    let server = Server::before_with(&provider, &[("ASK_TIMEOUT", "0.5")]);
    let mut caller = server.send(&question("/?q=hi", ""));
    let mut wire = provider.accept();
    asked(&mut wire);
    let head = caller.head();
    assert_eq!((status(&head), header(&head, "x-error-code").as_deref()), (504, Some("deadline")));
    wire.closes_within(Duration::from_secs(1));

    let mut caller = server.send(&question("/?q=hi&format=sse", ""));
    let mut wire = provider.accept();
    asked(&mut wire);
    wire.send(format!("{STREAM}{}", piece("One")));
    caller.head();
    assert!(caller.chunk().contains("One"));
    assert!(caller.chunk().starts_with("data: {\"error\":"));
    assert_eq!(caller.chunk(), "");
    wire.closes_within(Duration::from_secs(1));
}

#[test]
fn what_has_come_when_time_runs_out_is_the_answer_where_that_is_wanted() {
    let provider = Provider::start();
    let server = Server::before_with(&provider, &[("ASK_TIMEOUT", "0.5"), ("ASK_PARTIAL", "1")]);
    let mut caller = server.send(&question("/?q=hi&format=sse", ""));
    let mut wire = provider.accept();
    asked(&mut wire);
    wire.send(format!("{STREAM}{}", piece("One")));
    caller.head();
    assert!(caller.chunk().contains("One"));
    assert_eq!(caller.chunk(), "data: [DONE]\n\n");
    assert_eq!(caller.chunk(), "");

    let mut caller = server.send(&question("/?q=hi&format=json", ""));
    let mut wire = provider.accept();
    let (_, body) = asked(&mut wire);
    assert_eq!(body["stream"], true);
    wire.send(format!("{STREAM}{}", piece("One")));
    let head = caller.head();
    assert_eq!(header(&head, "x-finish-reason").as_deref(), Some("deadline"));
    assert!(caller.body(&head).contains("\"text\":\"One\""));
}

#[test]
fn the_platforms_limit_counts_on_the_platform_alone() {
    let provider = Provider::start();
    let limit = "X-Scf-Timeout: 400\r\n";
    let on_scf = Server::before_with(&provider, &[("TENCENTCLOUD_RUNENV", "SCF")]);
    let mut caller = on_scf.send(&question("/?q=hi", limit));
    let mut wire = provider.accept();
    asked(&mut wire);
    assert_eq!(status(&caller.head()), 504);

    let elsewhere = Server::before(&provider);
    let mut caller = elsewhere.send(&question("/?q=hi", limit));
    let mut wire = provider.accept();
    asked(&mut wire);
    caller.is_silent_for(Duration::from_millis(600));
    wire.send(whole("Late."));
    assert_eq!(status(&caller.head()), 200);
}

#[test]
fn a_caller_that_leaves_takes_the_question_along() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let caller = server.send(&question("/?q=hi", ""));
    let mut wire = provider.accept();
    asked(&mut wire);
    caller.close();
    wire.closes_within(Duration::from_secs(1));
    assert_eq!(server.log()["code"], "caller_left");

    let mut caller = server.send(&question("/?q=hi", ""));
    let mut wire = provider.accept();
    asked(&mut wire);
    wire.send(format!("{STREAM}{}", piece("One")));
    caller.head();
    caller.close();
    wire.closes_within(Duration::from_secs(1));
    assert_eq!(server.log()["code"], "caller_left");
}

#[test]
fn a_question_over_6_mb_is_refused() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let mut caller =
        server.send(&request("POST /", "Content-Type: text/plain\r\nContent-Length: 7000000\r\n"));
    let head = caller.head();
    assert_eq!(
        (status(&head), header(&head, "x-error-code").as_deref()),
        (413, Some("question_too_long"))
    );

    let mut caller = server
        .send(&request("POST /", "Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n"));
    caller.send(chunk(&"x".repeat(7_000_000)));
    assert_eq!(status(&caller.head()), 413);
    provider.is_left_alone();
}

#[test]
fn questions_are_posted_in_any_form() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let mut kept = None;
    for (content_type, body) in [
        ("text/plain", "What is Rust?"),
        ("application/json", "{\"question\":\"What is Rust?\"}"),
        ("application/x-www-form-urlencoded", "What is Rust?"),
        ("application/json", "{\"messages\":[{\"role\":\"user\",\"text\":\"What is Rust?\"}]}"),
    ] {
        let headers = format!("Content-Type: {content_type}\r\nContent-Length: {}\r\n", body.len());
        let mut caller = server.send(&(request("POST /ask", &headers) + body));
        let wire = kept.get_or_insert_with(|| provider.accept());
        let (_, asked) = asked(wire);
        assert_eq!(asked["messages"][0]["content"], "What is Rust?", "{body}");
        wire.send(whole("A language."));
        assert_eq!(status(&caller.head()), 200);
    }
}

#[test]
fn too_many_questions_of_one_address_are_refused() {
    let provider = Provider::start();
    let server = Server::before_with(&provider, &[("ASK_RATE", "1")]);
    let mut caller = server.send(&question("/?q=hi", "X-Scf-Remote-Addr: 203.0.113.7\r\n"));
    let mut wire = provider.accept();
    asked(&mut wire);
    wire.send(whole("One."));
    assert_eq!(status(&caller.head()), 200);
    let mut caller = server.send(&question("/?q=hi", "X-Scf-Remote-Addr: 203.0.113.8\r\n"));
    let head = caller.head();
    assert_eq!((status(&head), header(&head, "x-error-code").as_deref()), (429, Some("rate")));
    assert!(header(&head, "retry-after").is_some());

    let on_scf =
        Server::before_with(&provider, &[("ASK_RATE", "1"), ("TENCENTCLOUD_RUNENV", "SCF")]);
    let mut wire = None;
    for address in ["203.0.113.7:5", "203.0.113.8:6"] {
        let mut caller =
            on_scf.send(&question("/?q=hi", &format!("X-Scf-Remote-Addr: {address}\r\n")));
        let wire = wire.get_or_insert_with(|| provider.accept());
        asked(wire);
        wire.send(whole("One."));
        assert_eq!(status(&caller.head()), 200, "{address}");
    }
    let mut caller = on_scf.send(&question("/?q=hi", "X-Scf-Remote-Addr: 203.0.113.8:7\r\n"));
    assert_eq!(status(&caller.head()), 429);
}

#[test]
fn what_needs_no_model_is_answered_without_one() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    for (line, headers, expected, content_type) in [
        ("GET /", "Accept: text/html\r\n", 200, Some("text/html; charset=utf-8")),
        ("GET /widget.js", "", 200, Some("text/javascript; charset=utf-8")),
        ("GET /robots.txt", "", 200, Some("text/plain; charset=utf-8")),
        ("GET /favicon.ico", "", 404, None),
        ("GET /apple-touch-icon-precomposed.png", "", 404, None),
        ("HEAD /?q=hi", "", 200, Some("text/plain; charset=utf-8")),
        ("OPTIONS /ask", "Origin: http://localhost\r\n", 204, None),
        ("DELETE /", "", 405, Some("text/plain; charset=utf-8")),
        ("GET /?q=hi", "Purpose: prefetch\r\n", 503, Some("text/plain; charset=utf-8")),
        ("GET /?q=hi", "Last-Event-ID: 3\r\n", 204, None),
        ("GET /", "", 400, Some("text/plain; charset=utf-8")),
    ] {
        let mut caller = server.connect();
        caller.send(format!(
            "{line} HTTP/1.1\r\nHost: localhost\r\n{headers}X-Ask-Token: {TOKEN}\r\n\r\n"
        ));
        let head = caller.head();
        assert_eq!(
            (status(&head), header(&head, "content-type").as_deref()),
            (expected, content_type),
            "{line}"
        );
    }
    let mut nobody = server.send("GET /?q=hi HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let head = nobody.head();
    assert_eq!((status(&head), header(&head, "x-error-code").as_deref()), (401, Some("token")));
    provider.is_left_alone();
}

#[test]
fn question_and_answer_are_logged_only_where_that_is_wanted() {
    let provider = Provider::start();
    let server = Server::before_with(&provider, &[("ASK_LOG_TEXT", "1")]);
    let mut caller = server.send(&question("/?q=hi", ""));
    let mut wire = provider.accept();
    asked(&mut wire);
    wire.send(format!("{STREAM}{}{}{}", piece("One "), piece("two."), done()));
    caller.head();
    let line = server.log();
    assert_eq!(
        (line["question"].as_str(), line["answer"].as_str()),
        (Some("hi"), Some("One two."))
    );
}

#[test]
fn broken_settings_are_the_answer_to_every_question() {
    let server = Server::start(&[("OPENAI_API_KEY", KEY), ("ASK_RATE", "many")]);
    let mut caller = server.send(&question("/?q=hi", ""));
    let head = caller.head();
    assert_eq!((status(&head), header(&head, "x-error-code").as_deref()), (500, Some("config")));
    assert!(caller.body(&head).contains("ASK_RATE"));
}

#[test]
fn a_name_that_does_not_resolve_is_said_whatever_the_time() {
    let server = Server::start(&[
        ("OPENAI_API_KEY", KEY),
        ("OPENAI_BASE_URL", "http://provider.invalid/v1"),
        ("ASK_TIMEOUT", "0.3"),
    ]);
    let mut caller = server.send(&question("/?q=hi", ""));
    let head = caller.head();
    assert_eq!(
        (status(&head), header(&head, "x-error-code").as_deref()),
        (502, Some("upstream_unreachable"))
    );
}

#[test]
fn a_stop_lets_an_answer_end() {
    let provider = Provider::start();
    let mut server = Server::before(&provider);
    let mut caller = server.send(&question("/?q=hi", ""));
    let mut wire = provider.accept();
    asked(&mut wire);
    wire.send(format!("{STREAM}{}", piece("One")));
    caller.head();
    assert_eq!(caller.chunk(), "One");
    server.terminate();
    crate::server::refuses_connections(&server);
    wire.send(done());
    assert_eq!(caller.chunk(), "");
    assert!(server.wait().success());
}

#[test]
fn a_long_silence_is_broken_by_signs_of_life_before_the_first_piece_and_between_pieces() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let event_stream = question("/?q=hi", "Accept: text/event-stream\r\n");

    // One whose model thinks before it writes, one whose model stops in the middle, one that fails late.
    let mut thinking = server.send(&event_stream);
    let mut thinker = provider.accept();
    asked(&mut thinker);
    let mut pausing = server.send(&event_stream);
    let mut pauser = provider.accept();
    asked(&mut pauser);
    let mut failing = server.send(&event_stream);
    let mut failer = provider.accept();
    asked(&mut failer);

    let thought = json!({"choices": [{"delta": {"content": null, "reasoning_content": "hm"}}]});
    thinker.send(format!("{STREAM}{}", chunk(&format!("data: {thought}\n\n"))));
    pauser.send(format!("{STREAM}{}", piece("One")));
    pausing.head();
    assert!(pausing.chunk().contains("One"));

    for caller in [&mut thinking, &mut failing] {
        assert_eq!(status(&caller.head()), 200);
    }
    for caller in [&mut thinking, &mut pausing, &mut failing] {
        assert_eq!(caller.chunk(), ": keep-alive\n\n");
    }
    thinker.send(format!("{}{}", piece("Two"), chunk("data: [DONE]\n\n")));
    assert!(thinking.chunk().contains("Two"));
    assert_eq!(thinking.chunk(), "data: [DONE]\n\n");
    failer.send(refusal("401 Unauthorized", "invalid_api_key"));
    assert!(failing.chunk().starts_with("data: {\"error\":"));
    assert_eq!(failing.chunk(), "");
}

#[test]
fn a_stranger_does_not_fill_the_memory() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n";
    // The rest of the body is not waited for.
    let mut known = server.send(&format!("{head}Content-Length: 6000000\r\n\r\n"));
    assert_eq!(status(&known.head()), 401);
    let chunk = format!("11000\r\n{}\r\n", "x".repeat(0x11000));
    let mut unknown = server.send(&format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunk}"));
    assert_eq!(status(&unknown.head()), 401);
    provider.is_left_alone();
}

#[test]
fn a_question_that_stops_coming_is_not_waited_for() {
    let provider = Provider::start();
    let server = Server::before(&provider);
    let post = |path: &str| {
        server.send(&request(
            &format!("POST {path}"),
            "Content-Type: text/plain\r\nContent-Length: 8\r\n",
        ))
    };
    let (mut silent, mut slow, mut proxied) = (post("/ask"), post("/ask"), post("/v1/files"));
    for wire in [&mut silent, &mut slow, &mut proxied] {
        wire.send("What");
    }
    // A slow one is waited for from piece to piece, and what is forwarded for as long as it takes.
    slow.is_silent_for(Duration::from_secs(6));
    slow.send(" is");
    let head = silent.head();
    assert_eq!(
        (status(&head), header(&head, "x-error-code").as_deref()),
        (400, Some("body_unreadable"))
    );
    assert!(silent.body(&head).contains("10 s"));
    assert_eq!(silent.rest(), "");
    assert_eq!(server.log()["code"], "body_unreadable");
    let mut uploaded = provider.accept();
    uploaded.head();
    uploaded.expect("What");
    proxied.send(" is.");
    uploaded.expect(" is.");
    slow.send("?");
    let mut wire = provider.accept();
    assert_eq!(asked(&mut wire).1["messages"][0]["content"], "What is?");
    wire.send(whole("It is."));
    let head = slow.head();
    assert_eq!(slow.body(&head), "It is.");
}
