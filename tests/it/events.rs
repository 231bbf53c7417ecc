//! What comes in: the events of every trigger, and junk.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::Mutex;

use scf_emulator::Trigger;
use serde_json::{Value, json};

use crate::support::{Act, Ask, Request, Server, answer, runtime_api};

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
    let events: [&[u8]; 6] =
        [b"", b"junk", b"{", b"\xff\xfe", &[b'['; 100_000], br#"{"question": "hi"}"#];
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

/// Bytes that are changed here and there, the same in every run.
struct Junk(u64);

impl Junk {
    /// A number below the limit.
    fn below(&mut self, limit: usize) -> usize {
        // Numerical Recipes' constants.
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
fn no_event_and_no_reply_of_the_providers_is_too_strange_for_an_envelope() {
    let junk = Mutex::new(Junk(1));
    let provider = Server::by_request(move |_, _| {
        let Some(Act::Send(whole)) = answer("Yes.").pop() else { unreachable!() };
        let (head, body) = str::from_utf8(&whole).unwrap().split_once("\r\n\r\n").unwrap();
        let mut junk = junk.lock().unwrap();
        let mut bytes = match junk.below(4) {
            0 => junk.change(head),
            _ => head.as_bytes().to_vec(),
        };
        bytes.extend(b"\r\n\r\n");
        bytes.extend(junk.change(body));
        vec![Act::Send(bytes), Act::Close]
    });
    let examples = ["function-url-get", "function-url-post", "api-gateway", "direct-invoke"];
    let examples = examples.map(|name| example(name).to_string());
    let mut junk = Junk(2);
    let mut events: Vec<_> = (0..300).map(|count| junk.change(&examples[count % 4])).collect();
    events.extend((0..100).map(|_| examples[3].clone().into_bytes()));
    let count = events.len();
    let (api, over) = runtime_api(events);
    let ask = Ask::of(&provider)
        .set("SCF_RUNTIME_API", api.address().to_string())
        .set("ASK_TIMEOUT", "0.3");
    let mut command = ask.set("ASK_PARTIAL", "1").set("ASK_LOG_TEXT", "1").command();
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    over.wait();
    child.kill().unwrap();
    let errors = child.wait_with_output().unwrap().stderr;
    assert_eq!(String::from_utf8_lossy(&errors), "");
    let calls = api.requests();
    let replies: Vec<_> =
        calls.iter().filter(|call| call.target().ends_with("/response")).collect();
    assert_eq!(replies.len(), count);
    assert!(!calls.iter().any(|call| call.target().ends_with("/error")));
    for status in [200, 400, 502] {
        assert!(replies.iter().any(|reply| reply.json()["statusCode"] == status), "no {status}");
    }
}

#[test]
fn a_browser_reads_the_answer_through_every_trigger() {
    let provider = Server::always(answer("你好 <b>"));
    for trigger in [Trigger::FunctionUrl, Trigger::ApiGateway, Trigger::ApiGatewayPassthrough] {
        let ask = Ask::of(&provider);
        let ask = match trigger {
            Trigger::ApiGatewayPassthrough => ask.set("ASK_RESPONSE", "passthrough"),
            _ => ask,
        };
        let mut platform = ask.settings();
        platform.trigger = trigger;
        let emulator = platform.start("127.0.0.1:0").unwrap();
        let url = emulator.url();
        let address = url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        let request = "GET /?question=Is+it+100%25+C%2B%2B%3F HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{trigger:?}: {head}");
        assert_eq!(body, "你好 <b>", "{trigger:?}");
        assert_eq!(
            head.contains("x-content-type-options: nosniff"),
            trigger != Trigger::ApiGatewayPassthrough
        );
    }
    assert!(provider.requests().iter().all(|request| asked(request) == "Is it 100% C++?"));
}
