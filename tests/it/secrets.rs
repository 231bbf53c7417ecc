//! No key, token or part of one is in a reply or in the log, whoever repeats it.

use serde_json::{Value, json};

use crate::support::{Act, Ask, KEY, Reply, Request, Server, answer, each, json_reply, reply};

// No run of four of their characters can be in a request id, which is of hex digits and dashes.
const OWNER: &str = "Ow4er-t0ken-Xy12";
const PUBLIC: &str = "Pub1ic-Qz98-w0rd";
const SIGNING: &str = "S1gn1ng-Kq7x-Vz5y-Nn3w";

/// No run of four characters of a secret is there.
#[track_caller]
fn holds_no_secret(reply: &Reply) {
    let texts = [format!("{:?}", reply.headers), reply.body.clone(), reply.log.join("\n")];
    for secret in [KEY, "second-K3y-Rr44", OWNER, PUBLIC, SIGNING] {
        for start in 0..secret.len() - 3 {
            let run = &secret[start..start + 4];
            for text in &texts {
                assert!(!text.contains(run), "{run} of {secret} in {text}");
            }
        }
    }
}

fn guarded(provider: &Server) -> Ask {
    Ask::of(provider)
        .set("OPENAI_API_KEY", format!("{KEY},second-K3y-Rr44"))
        .set("ASK_TOKEN", OWNER)
        .set("ASK_PUBLIC_TOKEN", PUBLIC)
        .set("ASK_SIGNING_KEY", SIGNING)
}

#[test]
fn a_provider_that_repeats_the_key_is_not_quoted() {
    let said =
        |status: u16, message: String| json_reply(status, &json!({"error": {"message": message}}));
    let first = &KEY[..8];
    let last = &KEY[KEY.len() - 4..];
    let turns: Vec<Vec<Act>> = vec![
        said(400, format!("Incorrect API key provided: {KEY}.")),
        said(
            400,
            format!(
                "Incorrect API key provided: {first}********************{last}. See your account."
            ),
        ),
        said(400, format!("Incorrect API key provided: {last}, ({first})")),
        said(400, format!("key={KEY}&also=second-K3y-Rr44;{OWNER}|{PUBLIC}<{SIGNING}>")),
        said(400, format!("Bearer{KEY}Bearer")),
        said(400, format!("{}{KEY}", "x".repeat(490))),
        said(500, format!("{KEY} failed")),
        said(404, KEY.to_owned()),
        json_reply(400, &json!({"error": KEY})),
        json_reply(400, &json!({"message": KEY, "code": KEY, "type": KEY})),
        json_reply(200, &json!({"error": {"message": KEY, "code": KEY}})),
        reply(401, &["content-type: text/html", &format!("x-key: {KEY}")], format!("<b>{KEY}</b>")),
        reply(429, &[&format!("retry-after: {KEY}")], ""),
        reply(302, &[&format!("location: https://elsewhere.invalid/?key={KEY}")], ""),
        vec![Act::Send(format!("HTTP/1.1 {KEY}\r\n\r\n").into_bytes()), Act::Close],
        vec![Act::Send(format!("HTTP/1.1 200 OK\r\n{KEY}\r\n\r\n").into_bytes()), Act::Close],
        vec![
            Act::Send(format!("HTTP/1.1 200 OK\r\ncontent-length: {KEY}\r\n\r\n").into_bytes()),
            Act::Close,
        ],
    ];
    each(&turns, |turn| {
        for format in ["text", "json"] {
            let ask = guarded(&Server::always([Act::Hold])).set("ASK_LOG_TEXT", "1");
            let provider = Server::always(turn.clone());
            let ask = ask.set("OPENAI_BASE_URL", provider.url("/v1")).start();
            let reply = ask.get(&[("q", "hi"), ("token", PUBLIC), ("format", format)], &[]);
            assert_ne!(reply.status, 200);
            holds_no_secret(&reply);
        }
    });
}

#[test]
fn words_that_look_like_keys_are_not_quoted_either() {
    let message =
        "Bad key sk-abc12345, sk-p***********9Z, organization org-Aa11 in project proj_Bb22 is off";
    let provider = Server::always(json_reply(400, &json!({"error": {"message": message}})));
    let reply = Ask::of(&provider).start().ask("hi");
    for word in ["sk-", "abc1", "9Z", "***", "org-", "Aa11", "proj_", "Bb22"] {
        assert!(!reply.body.contains(word), "{word} in {}", reply.body);
    }
    assert!(reply.body.contains("Bad key"), "{}", reply.body);
}

#[test]
fn what_a_provider_says_beside_the_answer_holds_nothing_of_the_key() {
    let completion = |model: &str, reason: &str| {
        json!({
            "model": model,
            "choices": [{"message": {"content": "Yes."}, "delta": {"content": "Yes."}, "finish_reason": reason}],
            "usage": {"prompt_tokens": 3, "note": KEY, OWNER: 1},
        })
    };
    let event = format!("data: {}\n\ndata: [DONE]\n\n", completion(KEY, PUBLIC));
    let turns: Vec<Vec<Act>> = vec![
        json_reply(200, &completion(KEY, SIGNING)),
        json_reply(200, &completion(&format!("gpt-{}", &KEY[9..]), &KEY[..12])),
        reply(200, &["content-type: text/event-stream"], event),
    ];
    each(&turns, |turn| {
        for format in ["text", "json", "sse", "ndjson"] {
            let ask = guarded(&Server::always([Act::Hold]))
                .set("ASK_LOG_TEXT", "1")
                .set("ASK_PARTIAL", "1");
            let provider = Server::always(turn.clone());
            let ask = ask.set("OPENAI_BASE_URL", provider.url("/v1")).start();
            let reply = ask.get(&[("q", "hi"), ("token", PUBLIC), ("format", format)], &[]);
            assert!(reply.status == 200 && reply.body.contains("Yes."), "{reply:?}");
            holds_no_secret(&reply);
        }
    });
}

#[test]
fn a_name_that_the_owner_gave_is_shown_though_a_token_is_alike() {
    let said = json!({"model": "canned-model", "choices": [{"message": {"content": "Yes."}}]});
    let provider = Server::always(json_reply(200, &said));
    let ask =
        Ask::of(&provider).set("OPENAI_MODEL", "canned-model").set("ASK_TOKEN", "canned").start();
    let reply = ask.get(&[("q", "hi"), ("token", "canned")], &[]);
    assert_eq!(reply.header("x-model"), Some("canned-model"));
    assert_eq!(reply.line()["model"], "canned-model");
}

#[test]
fn a_stream_that_repeats_the_key_is_not_quoted() {
    let event = json!({"error": {"message": format!("key {KEY} is out of luck")}});
    let text =
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {event}\n\n");
    let provider = Server::always([Act::Send(text.into_bytes()), Act::Close]);
    let reply = guarded(&provider)
        .set("ASK_PARTIAL", "1")
        .start()
        .get(&[("q", "hi"), ("token", OWNER)], &[]);
    reply.fails(502, "upstream_failed");
    holds_no_secret(&reply);
}

#[test]
fn a_caller_who_shows_a_secret_anywhere_does_not_find_it_in_the_log() {
    let provider = Server::by_request(|_, request: &Request| {
        let asked = request.json()["messages"][0]["content"].to_string();
        json_reply(400, &json!({"error": {"message": format!("cannot answer {asked}")}}))
    });
    let ask = guarded(&provider).set("ASK_LOG_TEXT", "1").start();
    let events = [
        json!({"httpMethod": "GET", "path": format!("/{OWNER}"), "queryString": {"q": "hi", "token": OWNER}}),
        json!({"httpMethod": "GET", "queryString": {"q": format!("is {PUBLIC} good? {KEY}"), "token": PUBLIC}}),
        json!({"httpMethod": "GET", "queryString": {"q": "hi", "token": [&OWNER[..6], PUBLIC]}}),
        json!({"httpMethod": "GET", "queryString": {"q": "hi", "token": &OWNER[..9]}}),
        json!({"httpMethod": OWNER, "queryString": {"q": "hi"}}),
        json!({"httpMethod": "POST", "headers": {"authorization": format!("Bearer {PUBLIC}")}, "body": OWNER}),
        json!({"question": format!("my key is {KEY}")}),
    ];
    for event in events {
        let reply = ask.event(&event);
        assert_ne!(reply.status, 200);
        holds_no_secret(&reply);
    }
}

#[test]
fn an_answer_is_not_masked() {
    let text = format!("Words like sk-abc and ****, and even {KEY}, stay.");
    let provider = Server::always(answer(text.as_str()));
    let reply = Ask::of(&provider).set("ASK_LOG_TEXT", "1").start().ask("hi");
    reply.says(&text);
    let logged: Value = reply.line()["answer"].clone();
    assert!(!logged.as_str().unwrap().contains(KEY), "{logged}");
}
