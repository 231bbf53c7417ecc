//! Errors: what the client gets if there is no answer.

use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use testkit::{Disconnect, Endpoint, Turn, Upstream, chat, each, http, splice};

use crate::support::{App, is_chinese};

/// The turn of an upstream, and the error that comes of it.
struct Row {
    upstream: Upstream,
    status: u16,
    code: &'static str,
    /// A setting, a status, or a part of the upstream's message, which the sentence names.
    named: &'static str,
    /// The number of requests for one question.
    requests: usize,
}

fn row(turn: impl Into<Turn>, code: &'static str, named: &'static str) -> Row {
    let status = if code == "upstream_busy" { 429 } else { 502 };
    Row { upstream: Upstream::always(turn), status, code, named, requests: 1 }
}

/// A transient error, which is retried twice.
fn retried(turn: impl Into<Turn>, named: &'static str) -> Row {
    Row { requests: 3, ..row(turn, "upstream_failed", named) }
}

#[test]
fn every_upstream_failure_has_its_status_code_and_sentence() {
    let html = "<html><body>Bad gateway</body></html>";
    let plain = |status, body: &str| http::response(status, &[], body);
    let page = |status| http::response(status, &["content-type: text/html"], html);
    let closing = |text: &str| Turn::from(text).close();
    let behind_200 = |error: Value| http::json_response(200, &json!({"error": error}));
    let message = |message: Value| chat::choice(json!({"message": message}));
    let finished = |message: Value, reason: &str| {
        chat::choice(json!({"message": message, "finish_reason": reason}))
    };
    let region = "unsupported_country_region_territory";
    let invalid = b"{\"choices\":[{\"message\":{\"content\":\"\xff\"}}]}";
    let ok = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let cut = format!("{ok}content-length: 99\r\n\r\n{{\"choices");
    let cut_chunk = format!("{ok}transfer-encoding: chunked\r\n\r\n5\r\n{{\"cho\r\n");
    let rows = [
        // Errors of the configuration: key, region, model, quota.
        row(chat::error(401, "invalid_api_key", "no"), "upstream_key", "OPENAI_API_KEY"),
        row(plain(401, ""), "upstream_key", "OPENAI_API_KEY"),
        row(behind_200(json!({"code": "invalid_api_key"})), "upstream_key", "OPENAI_API_KEY"),
        row(chat::error(403, region, "not supported"), "upstream_region", ""),
        row(chat::error(404, "model_not_found", "no"), "upstream_model", "OPENAI_MODEL"),
        row(chat::error(400, "", "Model Not Exist"), "upstream_model", "gpt-3.5-turbo"),
        row(chat::error(429, "insufficient_quota", "quota"), "upstream_quota", ""),
        row(plain(402, ""), "upstream_quota", ""),
        // Rate limit.
        row(http::response(429, &["retry-after: 61"], ""), "upstream_busy", "61"),
        // Refused otherwise.
        row(chat::error(400, "", "temperature is too hot"), "upstream_refused", "is too hot"),
        row(plain(413, html), "upstream_refused", "413"),
        row(plain(403, html), "upstream_refused", "403"),
        row(plain(404, html), "upstream_refused", "OPENAI_BASE_URL"),
        row(plain(405, ""), "upstream_refused", "OPENAI_BASE_URL"),
        // Failed.
        retried(chat::error(500, "", "oops"), "oops"),
        retried(page(502), "502"),
        retried(plain(503, ""), "503"),
        retried(plain(504, ""), "504"),
        retried(plain(408, ""), "408"),
        row(plain(501, ""), "upstream_failed", "501"),
        row(page(200), "upstream_failed", ""),
        row(plain(200, ""), "upstream_failed", ""),
        row(plain(204, ""), "upstream_failed", "204"),
        row(http::response(200, &[], invalid), "upstream_failed", ""),
        row(plain(200, &"[".repeat(100_000)), "upstream_failed", ""),
        row(behind_200(json!({"message": "overloaded"})), "upstream_failed", "overloaded"),
        row(closing("SSH-2.0-OpenSSH_9.2\r\n"), "upstream_failed", "HTTP"),
        row(closing("HTTP/1.1 two hundred\r\n\r\n"), "upstream_failed", "HTTP"),
        // Cut: retried before the first byte, not afterwards.
        retried(Turn::closing(), ""),
        row(closing("HTTP/1.1 200 OK\r\ncontent-ty"), "upstream_failed", ""),
        row(closing(&cut), "upstream_failed", ""),
        row(closing(&cut_chunk), "upstream_failed", ""),
        // Nothing to show.
        row(finished(json!({"content": ""}), "content_filter"), "answer_filtered", ""),
        row(chat::error(400, "content_filter", "no"), "answer_filtered", ""),
        row(finished(json!({"content": ""}), "stop"), "answer_empty", ""),
        row(message(json!({"content": null})), "answer_empty", ""),
        row(message(json!(null)), "answer_empty", ""),
        row(http::json_response(200, &json!({"choices": []})), "answer_empty", ""),
        row(http::json_response(200, &json!({})), "answer_empty", ""),
        row(
            finished(json!({"content": null, "reasoning_content": "thought"}), "length"),
            "answer_empty",
            "ASK_EXTRA",
        ),
    ];
    each(&rows, |row| {
        let app = App::new(&row.upstream).start();
        let english =
            app.get(&[("q", "hi"), ("format", "json")], &[("accept-language", "en-GB, zh;q=0.4")]);
        let requests = row.upstream.requests().len();
        english.assert_error(row.status, row.code);
        let body = english.json();
        let sentence = body["error"].as_str().unwrap();
        assert!(sentence.contains(row.named) && !is_chinese(sentence), "{}: {sentence}", row.code);
        assert_eq!(body, json!({"error": sentence, "message": sentence, "code": row.code}));
        assert_eq!(english.header("content-type"), Some("application/json"));
        assert_eq!(requests, row.requests, "requests for {sentence}");
        assert_eq!(english.log_line()["attempts"], row.requests);
        assert_eq!(english.log_line()["code"], row.code);

        let chinese = app.get(&[("q", "hi")], &[("accept-language", "zh-CN,zh;q=0.9,en;q=0.8")]);
        chinese.assert_error(row.status, row.code);
        let sentence = chinese.text();
        assert!(sentence.contains(row.named) && is_chinese(&sentence), "{}: {sentence}", row.code);
        assert_eq!(chinese.header("content-type"), Some("text/plain; charset=utf-8"));
    });
}

#[test]
fn retry_after_of_a_busy_upstream_is_passed_on() {
    let date = "Wed, 21 Oct 2099 07:28:00 GMT";
    let upstream = Upstream::new([
        http::response(429, &["retry-after: 120"], ""),
        http::response(429, &[&format!("retry-after: {date}")], ""),
    ]);
    let app = App::new(&upstream).start();
    for after in ["120", date] {
        let reply = app.ask("hi");
        reply.assert_error(429, "upstream_busy");
        assert_eq!(reply.header("retry-after"), Some(after));
    }
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn redirect_is_not_followed() {
    let elsewhere = Upstream::always(chat::completion("No."));
    let location = format!("location: {}", elsewhere.url("/v1/chat/completions"));
    let statuses = [301, 302, 303, 307, 308];
    let upstream = Upstream::new(statuses.map(|status| http::response(status, &[&location], "")));
    let app = App::new(&upstream).start();
    for _ in statuses {
        let reply = app.ask("hi");
        reply.assert_error(502, "upstream_refused");
        assert!(reply.text().contains("OPENAI_BASE_URL"), "{}", reply.text());
    }
    assert_eq!((upstream.requests().len(), elsewhere.connections()), (5, 0));
}

#[test]
fn unreachable_upstream_names_reason_and_setting() {
    let rows = [
        ("http://127.0.0.1:1/v1", "refused"),
        ("http://nonexistent.invalid/v1", "nonexistent.invalid"),
        ("https://nonexistent.invalid/v1", "nonexistent.invalid"),
    ];
    each(&rows, |(url, reason)| {
        let reply = App::at(*url).start().ask("hi");
        reply.assert_error(502, "upstream_unreachable");
        let sentence = reply.text();
        assert!(sentence.contains(reason) && sentence.contains("OPENAI_BASE_URL"), "{sentence}");
        assert_eq!(reply.log_line()["attempts"], 3);
    });
}

#[test]
fn reset_connection_costs_a_retry() {
    let upstream = Upstream::always(chat::completion("Yes."));
    let (address, count) = (upstream.address(), AtomicUsize::new(0));
    let front = Endpoint::start(move |stream| match count.fetch_add(1, Ordering::AcqRel) {
        // Reset with the request received and not read.
        0 | 1 => {
            stream.peek(&mut [0]).unwrap();
            Disconnect::Reset.apply(stream);
        }
        _ => splice(stream, &TcpStream::connect(address).unwrap()),
    });
    App::at(format!("http://{}/v1", front.address())).start().ask("hi").assert_answer("Yes.");
    assert_eq!((front.connections(), upstream.requests().len()), (3, 1));
}
