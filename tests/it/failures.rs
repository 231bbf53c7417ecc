//! What the caller is told when there is no answer.

use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::{Act, Ask, Server, answer, each, failing, json_reply, listen, reply, splice};

/// What a provider does, and what is made of it.
struct Row {
    provider: Server,
    status: u16,
    code: &'static str,
    /// What the English sentence says.
    en: &'static str,
    /// What the Chinese sentence says.
    zh: &'static str,
    /// How often the provider is asked for one question.
    requests: usize,
}

fn row(
    turn: Vec<Act>,
    status: u16,
    code: &'static str,
    en: &'static str,
    zh: &'static str,
    requests: usize,
) -> Row {
    Row { provider: Server::always(turn), status, code, en, zh, requests }
}

fn choice(choice: Value) -> Vec<Act> {
    json_reply(200, &json!({"choices": [choice]}))
}

#[test]
fn every_failure_of_the_provider_has_its_status_code_and_sentence() {
    let html = "<html><body>Bad gateway</body></html>";
    let send = |text: &str| vec![Act::Send(text.as_bytes().to_vec()), Act::Close];
    let error = |error: Value| json_reply(200, &json!({"error": error}));
    let key = "invalid_api_key";
    let ok = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let rows = [
        // Keys, regions, models, credit: for the owner to mend.
        row(
            failing(401, key, "Incorrect API key"),
            502,
            "upstream_key",
            "OPENAI_API_KEY",
            "OPENAI_API_KEY",
            1,
        ),
        row(reply(401, &[], ""), 502, "upstream_key", "OPENAI_API_KEY", "OPENAI_API_KEY", 1),
        row(
            error(json!({"code": key})),
            502,
            "upstream_key",
            "OPENAI_API_KEY",
            "OPENAI_API_KEY",
            1,
        ),
        row(
            failing(
                403,
                "unsupported_country_region_territory",
                "Country, region, or territory not supported",
            ),
            502,
            "upstream_region",
            "region",
            "地域",
            1,
        ),
        row(
            failing(404, "model_not_found", "no such model"),
            502,
            "upstream_model",
            "OPENAI_MODEL",
            "OPENAI_MODEL",
            1,
        ),
        row(
            failing(400, "", "Model Not Exist"),
            502,
            "upstream_model",
            "gpt-3.5-turbo",
            "gpt-3.5-turbo",
            1,
        ),
        row(
            failing(429, "insufficient_quota", "quota"),
            502,
            "upstream_quota",
            "credit",
            "余额",
            1,
        ),
        row(reply(402, &[], ""), 502, "upstream_quota", "credit", "余额", 1),
        // Too many questions.
        row(reply(429, &["retry-after: 61"], ""), 429, "upstream_busy", "61", "61", 1),
        // Refused.
        row(
            failing(400, "", "temperature is too hot"),
            502,
            "upstream_refused",
            "is too hot",
            "is too hot",
            1,
        ),
        row(reply(413, &[], html), 502, "upstream_refused", "413", "413", 1),
        row(reply(403, &[], html), 502, "upstream_refused", "403", "403", 1),
        row(
            reply(404, &[], html),
            502,
            "upstream_refused",
            "OPENAI_BASE_URL",
            "OPENAI_BASE_URL",
            1,
        ),
        row(reply(405, &[], ""), 502, "upstream_refused", "OPENAI_BASE_URL", "OPENAI_BASE_URL", 1),
        // Failed.
        row(
            json_reply(500, &json!({"error": {"message": "oops"}})),
            502,
            "upstream_failed",
            "oops",
            "oops",
            3,
        ),
        row(
            reply(502, &["content-type: text/html"], html),
            502,
            "upstream_failed",
            "502",
            "502",
            3,
        ),
        row(reply(503, &[], ""), 502, "upstream_failed", "503", "503", 3),
        row(reply(504, &[], ""), 502, "upstream_failed", "504", "504", 3),
        row(reply(408, &[], ""), 502, "upstream_failed", "408", "408", 3),
        row(reply(501, &[], ""), 502, "upstream_failed", "501", "501", 1),
        row(
            reply(200, &["content-type: text/html"], html),
            502,
            "upstream_failed",
            "provider",
            "服务商",
            1,
        ),
        row(reply(200, &[], ""), 502, "upstream_failed", "provider", "服务商", 1),
        row(reply(204, &[], ""), 502, "upstream_failed", "204", "204", 1),
        row(
            reply(200, &[], b"{\"choices\":[{\"message\":{\"content\":\"\xff\"}}]}"),
            502,
            "upstream_failed",
            "provider",
            "服务商",
            1,
        ),
        row(reply(200, &[], "[".repeat(100_000)), 502, "upstream_failed", "provider", "服务商", 1),
        row(
            error(json!({"message": "overloaded"})),
            502,
            "upstream_failed",
            "overloaded",
            "overloaded",
            1,
        ),
        row(send("SSH-2.0-OpenSSH_9.2\r\n"), 502, "upstream_failed", "HTTP", "HTTP", 1),
        row(send("HTTP/1.1 two hundred\r\n\r\n"), 502, "upstream_failed", "HTTP", "HTTP", 1),
        // Broken off: before any byte it may be tried again, later not.
        row(vec![Act::Close], 502, "upstream_failed", "closed", "断开", 3),
        row(send("HTTP/1.1 200 OK\r\ncontent-ty"), 502, "upstream_failed", "provider", "服务商", 1),
        row(
            send(&format!("{ok}content-length: 99\r\n\r\n{{\"choices")),
            502,
            "upstream_failed",
            "broke off",
            "断开",
            1,
        ),
        row(
            send(&format!("{ok}transfer-encoding: chunked\r\n\r\n5\r\n{{\"cho\r\n")),
            502,
            "upstream_failed",
            "broke off",
            "断开",
            1,
        ),
        // Nothing to show.
        row(
            choice(json!({"message": {"content": ""}, "finish_reason": "content_filter"})),
            502,
            "answer_filtered",
            "filter",
            "过滤",
            1,
        ),
        row(failing(400, "content_filter", "no"), 502, "answer_filtered", "filter", "过滤", 1),
        row(
            choice(json!({"message": {"content": ""}, "finish_reason": "stop"})),
            502,
            "answer_empty",
            "nothing",
            "没有",
            1,
        ),
        row(
            choice(json!({"message": {"content": null}})),
            502,
            "answer_empty",
            "nothing",
            "没有",
            1,
        ),
        row(choice(json!({"message": null})), 502, "answer_empty", "nothing", "没有", 1),
        row(json_reply(200, &json!({"choices": []})), 502, "answer_empty", "nothing", "没有", 1),
        row(json_reply(200, &json!({})), 502, "answer_empty", "nothing", "没有", 1),
        row(
            choice(
                json!({"message": {"content": null, "reasoning_content": "thought"}, "finish_reason": "length"}),
            ),
            502,
            "answer_empty",
            "ASK_EXTRA",
            "ASK_EXTRA",
            1,
        ),
    ];
    each(&rows, |row| {
        let ask = Ask::of(&row.provider).start();
        let english =
            ask.get(&[("q", "hi"), ("format", "json")], &[("accept-language", "en-GB, zh;q=0.4")]);
        let after_one = row.provider.requests().len();
        english.fails(row.status, row.code);
        let body = english.json();
        let sentence = body["error"].as_str().unwrap();
        assert!(sentence.contains(row.en), "{}: {sentence}", row.code);
        assert_eq!(body, json!({"error": sentence, "message": sentence, "code": row.code}));
        assert_eq!(english.header("content-type"), Some("application/json"));
        assert_eq!(after_one, row.requests, "requests for {sentence}");
        assert_eq!(english.line()["attempts"], row.requests);
        assert_eq!(english.line()["code"], row.code);

        let chinese = ask.get(&[("q", "hi")], &[("accept-language", "zh-CN,zh;q=0.9,en;q=0.8")]);
        chinese.fails(row.status, row.code);
        assert!(chinese.body.contains(row.zh), "{}: {}", row.code, chinese.body);
        assert!(
            chinese.body.contains(|char| ('\u{4E00}'..='\u{9FFF}').contains(&char)),
            "{}",
            chinese.body
        );
        assert_eq!(chinese.header("content-type"), Some("text/plain; charset=utf-8"));
    });
}

#[test]
fn a_busy_providers_retry_after_is_passed_on() {
    let date = "Wed, 21 Oct 2099 07:28:00 GMT";
    let provider = Server::new([
        reply(429, &["retry-after: 120"], ""),
        reply(429, &[&format!("retry-after: {date}")], ""),
    ]);
    let ask = Ask::of(&provider).start();
    for after in ["120", date] {
        let reply = ask.ask("hi");
        reply.fails(429, "upstream_busy");
        assert_eq!(reply.header("retry-after"), Some(after));
    }
    assert_eq!(provider.requests().len(), 2);
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = Server::always(answer("No."));
    let location = format!("location: {}", elsewhere.url("/v1/chat/completions"));
    let turns = [301, 302, 303, 307, 308].map(|status| reply(status, &[&location], ""));
    let provider = Server::new(turns);
    let ask = Ask::of(&provider).start();
    for _ in 0..5 {
        let reply = ask.ask("hi");
        reply.fails(502, "upstream_refused");
        assert!(reply.body.contains("OPENAI_BASE_URL"), "{}", reply.body);
    }
    assert_eq!((provider.requests().len(), elsewhere.connections()), (5, 0));
}

#[test]
fn a_provider_that_cannot_be_reached_is_said_to_be() {
    let rows = [
        ("http://127.0.0.1:1/v1", "refused"),
        ("http://nonexistent.invalid/v1", "nonexistent.invalid"),
        ("https://nonexistent.invalid/v1", "nonexistent.invalid"),
    ];
    each(&rows, |(url, says)| {
        let ask = Ask::bare().set("OPENAI_API_KEY", "key").set("OPENAI_BASE_URL", *url).start();
        let reply = ask.ask("hi");
        reply.fails(502, "upstream_unreachable");
        assert!(
            reply.body.contains(says) && reply.body.contains("OPENAI_BASE_URL"),
            "{}",
            reply.body
        );
        assert_eq!(reply.line()["attempts"], 3);
    });
}

#[test]
fn a_connection_that_is_reset_costs_a_retry() {
    let provider = Server::always(answer("Yes."));
    let (address, count) = (provider.address(), AtomicUsize::new(0));
    let front = listen(move |stream| match count.fetch_add(1, Ordering::AcqRel) {
        // Closed while the request is there and has not been read.
        0 | 1 => drop(stream.peek(&mut [0]).unwrap()),
        _ => splice(stream, TcpStream::connect(address).unwrap()),
    });
    let url = format!("http://{}/v1", front.address);
    Ask::of(&provider).set("OPENAI_BASE_URL", url).start().ask("hi").says("Yes.");
    assert_eq!((front.connections(), provider.requests().len()), (3, 1));
}
