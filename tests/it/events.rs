//! Events of every trigger, and invalid events.

use std::fs;
use std::sync::Mutex;

use scf_emulator::Trigger;
use serde_json::{Value, json};
use testkit::runtime_api::{Event, READY, RESPONSE};
use testkit::{Request, RuntimeApi, Turn, Upstream, Wire, chat};

use crate::support::App;

/// An event of the examples.
fn example(name: &str) -> Value {
    let file = format!("{}/examples/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

fn asked(request: &Request) -> Value {
    request.json()["messages"][0]["content"].clone()
}

#[test]
fn event_of_every_trigger_is_answered() {
    let upstream = Upstream::always(chat::completion("Yes."));
    let app = App::new(&upstream).start();
    let questions = [
        ("function-url-get", "你好，我是帅哥"),
        ("api-gateway", "用一句话介绍 Rust"),
        ("cloudbase-http", "hello from CloudBase"),
        ("direct-invoke", "asked from the console's test button"),
    ];
    for (count, (name, question)) in questions.into_iter().enumerate() {
        let reply = app.event(&example(name));
        reply.assert_answer("Yes.");
        assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"), "{name}");
        assert_eq!(asked(&upstream.requests()[count]), question, "{name}");
    }
    let reply = app.event(&example("function-url-post"));
    assert_eq!((reply.status(), &reply.json()["text"]), (200, &json!("Yes.")));
    assert_eq!(asked(&upstream.requests()[4]), "What is 100% of C++?");
}

#[test]
fn event_without_a_question_is_a_400() {
    let upstream = Upstream::always(chat::completion("Yes."));
    let app = App::new(&upstream).start();
    app.event(&example("timer")).assert_error(400, "body_unreadable");
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
        (
            json!({"httpMethod": null, "path": null, "headers": null, "queryString": null}),
            "question_missing",
        ),
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
        let reply = app.event(&event);
        assert_eq!((reply.status(), reply.header("x-error-code")), (400, Some(code)), "{event}");
    }
    assert_eq!(upstream.requests().len(), 0);
    app.ask("hi").assert_answer("Yes.");
}

/// The emulator accepts JSON alone, so that this needs a runtime API of the test's own.
#[test]
fn event_that_is_not_json_is_a_400() {
    let upstream = Upstream::always(chat::completion("Yes."));
    let invalid: [&[u8]; 5] = [b"", b"junk", b"{", b"\xff\xfe", &[b'['; 100_000]];
    let events = invalid.into_iter().chain([&br#"{"question": "hi"}"#[..]]);
    let api = RuntimeApi::start();
    api.offer_all(events.map(|event| Event::new("id-1", event)));
    let _process = App::new(&upstream).run_on(&api);
    let posts = api.wait_until_idle().unwrap().posts;

    let paths: Vec<_> = posts.iter().map(|post| post.path.as_str()).collect();
    assert_eq!(paths, [[READY].as_slice(), &[RESPONSE; 6]].concat());
    assert!(!posts[0].body.is_empty());
    for post in &posts[1..6] {
        assert_eq!(post.json()["statusCode"], 400, "{post:?}");
    }
    let last = posts[6].json();
    assert_eq!((&last["statusCode"], &last["body"]), (&json!(200), &json!("Yes.")));
}

/// Changes bytes at random, the same in every run.
struct Junk(u64);

impl Junk {
    /// Returns a number below the limit.
    fn below(&mut self, limit: usize) -> usize {
        // The constants of Numerical Recipes.
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    fn change(&mut self, text: &str) -> Vec<u8> {
        let mut bytes = text.as_bytes().to_vec();
        for _ in 0..=self.below(4) {
            let (at, other) = (self.below(bytes.len()), self.below(bytes.len()));
            match self.below(5) {
                0 => bytes[at] = self.below(256) as u8,
                1 => bytes[at..].rotate_left(1),
                2 => bytes.insert(at, b"{}[]\":,0\\"[self.below(9)]),
                3 => bytes.truncate(at + 1),
                _ => bytes.copy_within(at.min(other)..at.max(other), 0),
            }
        }
        bytes
    }
}

#[test]
fn random_events_and_upstream_replies_get_an_envelope() {
    let junk = Mutex::new(Junk(1));
    let upstream = Upstream::by_request(move |_, _| {
        let whole = String::from_utf8(chat::completion("Yes.")).unwrap();
        let (head, body) = whole.split_once("\r\n\r\n").unwrap();
        let mut junk = junk.lock().unwrap();
        let mut bytes = match junk.below(4) {
            0 => junk.change(head),
            _ => head.as_bytes().to_vec(),
        };
        bytes.extend(b"\r\n\r\n");
        bytes.extend(junk.change(body));
        Turn::from(bytes).close()
    });
    let examples = ["function-url-get", "function-url-post", "api-gateway", "direct-invoke"];
    let examples = examples.map(|name| example(name).to_string());
    let mut junk = Junk(2);
    let mut events: Vec<_> = (0..300).map(|count| junk.change(&examples[count % 4])).collect();
    events.extend((0..100).map(|_| examples[3].clone().into_bytes()));
    let count = events.len();
    let api = RuntimeApi::start();
    api.offer_all(events.into_iter().map(|event| Event::new("id-1", event)));
    let app = App::new(&upstream).set("ASK_TIMEOUT", "0.3").set("ASK_PARTIAL", "1");
    let process = app.set("ASK_LOG_TEXT", "1").run_on(&api);
    let posts = api.wait_until_idle().unwrap().posts;
    process.kill();
    assert_eq!(process.stderr.until_end(), [""; 0]);
    assert_eq!(posts.len(), 1 + count);
    assert!(posts[1..].iter().all(|post| post.path == RESPONSE));
    for status in [200, 400, 502] {
        let has = posts[1..].iter().any(|post| post.json()["statusCode"] == status);
        assert!(has, "no {status}");
    }
}

#[test]
fn browser_reads_the_answer_through_every_trigger() {
    let upstream = Upstream::always(chat::completion("你好 <b>"));
    for trigger in [Trigger::FunctionUrl, Trigger::ApiGateway, Trigger::ApiGatewayPassthrough] {
        let passthrough = trigger == Trigger::ApiGatewayPassthrough;
        let app = App::new(&upstream);
        let app = if passthrough { app.set("ASK_RESPONSE", "passthrough") } else { app };
        let mut platform = app.platform();
        platform.trigger = trigger;
        let emulator = platform.start("127.0.0.1:0").unwrap();
        let mut client = Wire::connect(emulator.url()["http://".len()..].parse().unwrap());
        let target = "/?question=Is+it+100%25+C%2B%2B%3F";
        client
            .send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
        let response = client.last_response();
        response.assert_answer("你好 <b>");
        let nosniff = response.header("x-content-type-options").is_some();
        assert_eq!(nosniff, !passthrough, "{trigger:?}");
    }
    assert!(upstream.requests().iter().all(|request| asked(request) == "Is it 100% C++?"));
}
