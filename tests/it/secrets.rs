//! Secrets: no key or token, whole or in part, is in a reply or in the log.

use serde_json::json;
use testkit::http::{json_response, response};
use testkit::{Request, Turn, Upstream, assert_no_fragment, chat, each};

use crate::support::{App, KEY, Reply};

// No run of four of their characters can be in a request id, which has hex digits and dashes.
const OWNER: &str = "Ow4er-t0ken-Xy12";
const PUBLIC: &str = "Pub1ic-Qz98-w0rd";
const SIGNING: &str = "S1gn1ng-Kq7x-Vz5y-Nn3w";

/// Expects no part of a secret.
#[track_caller]
fn assert_no_secret(reply: &Reply) {
    let shown = format!("{}{}{}", reply.head, reply.text(), reply.log.join("\n"));
    assert_no_fragment(&shown, &[KEY, "second-K3y-Rr44", OWNER, PUBLIC, SIGNING]);
}

/// An app with all secrets, which logs questions and answers.
fn guarded(upstream: &Upstream) -> App {
    App::new(upstream)
        .set("OPENAI_API_KEY", format!("{KEY},second-K3y-Rr44"))
        .set("ASK_TOKEN", OWNER)
        .set("ASK_PUBLIC_TOKEN", PUBLIC)
        .set("ASK_SIGNING_KEY", SIGNING)
        .set("ASK_LOG_TEXT", "1")
}

#[test]
fn error_that_repeats_a_secret_is_redacted() {
    let object = |status, message: String| {
        Turn::from(json_response(status, &json!({"error": {"message": message}})))
    };
    let json = |status, body| Turn::from(json_response(status, &body));
    let plain = |status, headers: &[&str], body: &str| Turn::from(response(status, headers, body));
    let closing = |text: String| Turn::from(text).close();
    let (first, last) = (&KEY[..8], &KEY[KEY.len() - 4..]);
    let provided = "Incorrect API key provided";
    let turns = [
        object(400, format!("{provided}: {KEY}.")),
        object(400, format!("{provided}: {first}********************{last}. See your account.")),
        object(400, format!("{provided}: {last}, ({first})")),
        object(400, format!("key={KEY}&also=second-K3y-Rr44;{OWNER}|{PUBLIC}<{SIGNING}>")),
        object(400, format!("Bearer{KEY}Bearer")),
        object(400, format!("{}{KEY}", "x".repeat(490))),
        object(500, format!("{KEY} failed")),
        object(404, KEY.to_owned()),
        json(400, json!({"error": KEY})),
        json(400, json!({"message": KEY, "code": KEY, "type": KEY})),
        json(200, json!({"error": {"message": KEY, "code": KEY}})),
        plain(
            401,
            &["content-type: text/html", &format!("x-key: {KEY}")],
            &format!("<b>{KEY}</b>"),
        ),
        plain(429, &[&format!("retry-after: {KEY}")], ""),
        plain(302, &[&format!("location: https://elsewhere.invalid/?key={KEY}")], ""),
        closing(format!("HTTP/1.1 {KEY}\r\n\r\n")),
        closing(format!("HTTP/1.1 200 OK\r\n{KEY}\r\n\r\n")),
        closing(format!("HTTP/1.1 200 OK\r\ncontent-length: {KEY}\r\n\r\n")),
    ];
    each(&turns, |turn| {
        for format in ["text", "json"] {
            let upstream = Upstream::always(turn.clone());
            let app = guarded(&upstream).start();
            let reply = app.get(&[("q", "hi"), ("token", PUBLIC), ("format", format)], &[]);
            assert_ne!(reply.status(), 200);
            assert_no_secret(&reply);
        }
    });
}

#[test]
fn words_that_look_like_keys_are_redacted() {
    let message =
        "Bad key sk-abc12345, sk-p***********9Z, organization org-Aa11 in project proj_Bb22 is off";
    let upstream = Upstream::always(chat::error(400, "", message));
    let reply = App::new(&upstream).start().ask("hi");
    for word in ["sk-", "abc1", "9Z", "***", "org-", "Aa11", "proj_", "Bb22"] {
        assert!(!reply.text().contains(word), "{word} in {}", reply.text());
    }
    assert!(reply.text().contains("Bad key"), "{}", reply.text());
}

#[test]
fn model_finish_reason_and_usage_are_redacted() {
    let completion = |model: &str, reason: &str| {
        let yes = json!({"content": "Yes."});
        json!({
            "model": model,
            "choices": [{"message": yes, "delta": yes, "finish_reason": reason}],
            "usage": {"prompt_tokens": 3, "note": KEY, OWNER: 1},
        })
    };
    let event = format!("data: {}\n\ndata: [DONE]\n\n", completion(KEY, PUBLIC));
    let replies = [
        json_response(200, &completion(KEY, SIGNING)),
        json_response(200, &completion(&format!("gpt-{}", &KEY[9..]), &KEY[..12])),
        response(200, &["content-type: text/event-stream"], event),
    ];
    each(&replies, |reply| {
        for format in ["text", "json", "sse", "ndjson"] {
            let upstream = Upstream::always(reply.clone());
            let app = guarded(&upstream).set("ASK_PARTIAL", "1").start();
            let reply = app.get(&[("q", "hi"), ("token", PUBLIC), ("format", format)], &[]);
            assert!(reply.status() == 200 && reply.text().contains("Yes."), "{reply:?}");
            assert_no_secret(&reply);
        }
    });
}

#[test]
fn configured_model_is_shown_although_a_token_is_part_of_it() {
    let upstream = Upstream::always(chat::completion("Yes."));
    let app = App::new(&upstream).set("OPENAI_MODEL", chat::MODEL).set("ASK_TOKEN", "canned");
    let reply = app.start().get(&[("q", "hi"), ("token", "canned")], &[]);
    assert_eq!(reply.header("x-model"), Some(chat::MODEL));
    assert_eq!(reply.log_line()["model"], chat::MODEL);
}

#[test]
fn error_in_a_stream_is_redacted() {
    let event = json!({"error": {"message": format!("key {KEY} is out of luck")}});
    let stream = ["content-type: text/event-stream"];
    let upstream = Upstream::always(response(200, &stream, format!("data: {event}\n\n")));
    let app = guarded(&upstream).set("ASK_PARTIAL", "1").start();
    let reply = app.get(&[("q", "hi"), ("token", OWNER)], &[]);
    reply.assert_error(502, "upstream_failed");
    assert_no_secret(&reply);
}

#[test]
fn secret_in_a_request_is_redacted_in_reply_and_log() {
    let upstream = Upstream::by_request(|_, request: &Request| {
        let asked = request.json()["messages"][0]["content"].to_string();
        chat::error(400, "", &format!("cannot answer {asked}")).into()
    });
    let app = guarded(&upstream).start();
    let get = |query| json!({"httpMethod": "GET", "queryString": query});
    let bearer = json!({"authorization": format!("Bearer {PUBLIC}")});
    let events = [
        json!({
            "httpMethod": "GET",
            "path": format!("/{OWNER}"),
            "queryString": {"q": "hi", "token": OWNER},
        }),
        get(json!({"q": format!("is {PUBLIC} good? {KEY}"), "token": PUBLIC})),
        get(json!({"q": "hi", "token": [&OWNER[..6], PUBLIC]})),
        get(json!({"q": "hi", "token": &OWNER[..9]})),
        json!({"httpMethod": OWNER, "queryString": {"q": "hi"}}),
        json!({"httpMethod": "POST", "headers": bearer, "body": OWNER}),
        json!({"question": format!("my key is {KEY}")}),
    ];
    for event in events {
        let reply = app.event(&event);
        assert_ne!(reply.status(), 200);
        assert_no_secret(&reply);
    }
}

#[test]
fn answer_is_not_redacted() {
    let text = format!("Words like sk-abc and ****, and even {KEY}, stay.");
    let upstream = Upstream::always(chat::completion(text.as_str()));
    let reply = App::new(&upstream).set("ASK_LOG_TEXT", "1").start().ask("hi");
    reply.assert_answer(&text);
    let logged = reply.log_line()["answer"].clone();
    assert!(!logged.as_str().unwrap().contains(KEY), "{logged}");
}
