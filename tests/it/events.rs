//! What comes in: the events of every trigger, and junk.

use std::fs;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{Ask, Request, Server, answer, runtime_api};

/// An event as it stands in the examples.
fn example(name: &str) -> Value {
    let file = format!("{}/examples/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

fn asked(request: &Request) -> Value {
    request.json()["messages"][0]["content"].clone()
}

#[test]
fn an_event_of_every_trigger_is_answered() {
    let provider = Server::always(answer("Yes."));
    let ask = Ask::of(&provider).start();
    let questions = [
        ("function-url-get", "你好，我是帅哥"),
        ("api-gateway", "用一句话介绍 Rust"),
        ("cloudbase-http", "hello from CloudBase"),
        ("direct-invoke", "asked from the console's test button"),
    ];
    for (count, (name, question)) in questions.into_iter().enumerate() {
        let reply = ask.event(&example(name));
        reply.says("Yes.");
        assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"), "{name}");
        assert_eq!(asked(&provider.requests()[count]), question, "{name}");
    }
    let reply = ask.event(&example("function-url-post"));
    assert_eq!((reply.status, &reply.json()["text"]), (200, &json!("Yes.")));
    assert_eq!(asked(&provider.requests()[4]), "What is 100% of C++?");
}

#[test]
fn an_event_without_a_question_is_a_400_and_never_reaches_the_model() {
    let provider = Server::always(answer("Yes."));
    let ask = Ask::of(&provider).start();
    ask.event(&example("timer")).fails(400, "body_unreadable");
    for (event, code) in [
        (json!({}), "body_unreadable"),
        (json!([]), "body_unreadable"),
        (json!([{"httpMethod": "GET", "queryString": {"q": "hi"}}]), "body_unreadable"),
        (json!("question"), "body_unreadable"),
        (json!(7), "body_unreadable"),
        (json!(null), "body_unreadable"),
        (json!({"question": 7}), "body_unreadable"),
        (json!({"question": " "}), "question_missing"),
        (json!({"httpMethod": "GET"}), "question_missing"),
        (json!({"httpMethod": null, "path": null, "headers": null, "queryString": null}), "question_missing"),
        (json!({"body": "", "headers": {}}), "question_missing"),
        (json!({"httpMethod": "GET", "queryString": {"question": true}}), "question_missing"),
        (json!({"httpMethod": "GET", "queryString": {"question": ["", " "]}}), "question_missing"),
        (
            json!({"httpMethod": "POST", "headers": {}, "body": "*", "isBase64Encoded": true}),
            "body_unreadable",
        ),
        (
            json!({"httpMethod": "POST", "headers": {}, "body": "/w==", "isBase64Encoded": true}),
            "body_unreadable",
        ),
    ] {
        let reply = ask.event(&event);
        assert_eq!((reply.status, reply.code()), (400, Some(code)), "{event}");
    }
    assert_eq!(provider.requests().len(), 0);
    ask.ask("hi").says("Yes.");
}

/// The emulator sends nothing but JSON, so that this takes a runtime API of the test's own.
#[test]
fn junk_instead_of_an_event_is_a_400_and_the_next_question_is_answered() {
    let provider = Server::always(answer("Yes."));
    let events: [&[u8]; 6] = [b"", b"junk", b"{", b"\xff\xfe", &[b'['; 100_000], br#"{"question": "hi"}"#];
    let (api, over) = runtime_api(events.map(<[u8]>::to_vec).to_vec());
    let ask = Ask::of(&provider).set("SCF_RUNTIME_API", api.address().to_string());
    let mut child = ask.command().stdout(Stdio::null()).spawn().unwrap();
    over.wait();
    child.kill().unwrap();
    child.wait().unwrap();

    let posts: Vec<Request> =
        api.requests().into_iter().filter(|call| !call.line.starts_with("GET ")).collect();
    assert_eq!(posts[0].target(), "/runtime/init/ready");
    assert!(!posts[0].body.is_empty());
    for (index, post) in posts[1..].iter().enumerate() {
        assert_eq!(post.target(), "/runtime/invocation/response", "{index}");
        let envelope = post.json();
        let expected = if index < 5 { 400 } else { 200 };
        assert_eq!(envelope["statusCode"], expected, "{index}: {envelope}");
    }
    assert_eq!(posts.len(), 7);
    assert_eq!(posts[6].json()["body"], "Yes.");
}
