//! The line of each request.

use std::fs::{self, File};
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::{Act, Ask, Server, answer, reply};

const FIELDS: [&str; 12] = [
    "request_id",
    "method",
    "path",
    "status",
    "code",
    "ms",
    "upstream_ms",
    "attempts",
    "model",
    "prompt_tokens",
    "completion_tokens",
    "cold",
];

/// The names in a line, in the order in which they stand there.
fn names(line: &str) -> Vec<String> {
    let mut names: Vec<_> = FIELDS.iter().chain(&["question", "answer"]).collect();
    names.retain(|name| line.contains(&format!("\"{name}\":")));
    names.sort_by_key(|name| line.find(&format!("\"{name}\":")));
    names.into_iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_line_holds_what_is_documented_and_nothing_else() {
    let provider = Server::always(answer("the answer itself"));
    let ask = Ask::of(&provider).set("ASK_TOKEN", "t").start();
    let event = json!({
        "httpMethod": "POST",
        "path": "/some/path",
        "queryString": {"question": "the question itself", "token": "t", "extra": "in-query"},
        "headers": {"x-custom": "in-header", "content-type": "text/plain"},
        "body": "in-body",
    });
    let first = ask.event(&event);
    assert_eq!(first.log.len(), 1, "{:?}", first.log);
    let line: Value = first.line();
    let mut expected = json!({
        "request_id": first.request_id, "method": "POST", "path": "/some/path", "status": 200, "code": null,
        "attempts": 1, "model": "canned-model", "prompt_tokens": 3, "completion_tokens": 5, "cold": true,
    });
    for name in ["ms", "upstream_ms"] {
        assert!(line[name].is_u64(), "{line}");
        expected[name] = line[name].clone();
    }
    assert_eq!(line, expected);
    assert_eq!(names(&first.log[0]), FIELDS);
    assert_eq!(ask.event(&event).line()["cold"], false);
}

#[test]
fn every_request_has_a_line_whatever_became_of_it() {
    let provider = Server::new([reply(401, &[], ""), answer("Yes.")]);
    let ask = Ask::of(&provider).start();
    let rows = [
        (
            json!({"httpMethod": "GET", "queryString": {"q": "hi"}}),
            502,
            json!("upstream_key"),
            "GET",
            1,
        ),
        (json!({"question": "hi"}), 200, Value::Null, "", 1),
        (
            json!({"httpMethod": "GET", "queryString": {"b": "in-query"}}),
            400,
            json!("question_missing"),
            "GET",
            0,
        ),
        (json!({"httpMethod": "PUT"}), 405, json!("method"), "PUT", 0),
        (json!({"httpMethod": "OPTIONS"}), 204, Value::Null, "OPTIONS", 0),
        (json!({"httpMethod": "GET", "path": "/favicon.ico"}), 404, Value::Null, "GET", 0),
        (json!([]), 400, json!("body_unreadable"), "", 0),
    ];
    for (count, (event, status, code, method, attempts)) in rows.into_iter().enumerate() {
        let reply = ask.event(&event);
        // With the first one comes the warning at start.
        assert_eq!(reply.log.len(), if count == 0 { 2 } else { 1 }, "{:?}", reply.log);
        let line = reply.line();
        let said = (&line["status"], &line["code"], &line["method"], &line["attempts"]);
        assert_eq!(said, (&json!(status), &code, &json!(method), &json!(attempts)), "{event}");
        assert_eq!(line["request_id"], *reply.request_id);
        assert_eq!(reply.header("x-request-id"), Some(reply.request_id.as_str()));
        assert!(!reply.log.concat().contains("in-query"));
    }
}

/// An instance is frozen right after its reply: what it has not said by then may never be.
#[test]
fn the_line_is_written_before_the_reply_is_handed_over() {
    let provider = Server::always(answer("Yes."));
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("log-{}", std::process::id()));
    let seen = Arc::new(Mutex::new(String::new()));
    let (looked_at, at_reply) = (file.clone(), seen.clone());
    let (next, over) = (Mutex::new(Some(r#"{"question": "hi"}"#)), crate::support::Gate::default());
    let answered = over.clone();
    let api = Server::by_request(move |_, call| match call.target() {
        "/runtime/invocation/next" => match next.lock().unwrap().take() {
            Some(event) => reply(200, &["request_id: of-the-test"], event),
            None => vec![Act::Hold],
        },
        "/runtime/invocation/response" => {
            *at_reply.lock().unwrap() = fs::read_to_string(&looked_at).unwrap();
            answered.open();
            vec![Act::Hold]
        }
        _ => reply(200, &[], ""),
    });
    let mut command =
        Ask::of(&provider).set("SCF_RUNTIME_API", api.address().to_string()).command();
    let mut child = command.stdout(File::create(&file).unwrap()).spawn().unwrap();
    over.wait();
    child.kill().unwrap();
    child.wait().unwrap();
    fs::remove_file(file).unwrap();
    let seen = seen.lock().unwrap();
    assert!(seen.contains("\"request_id\":\"of-the-test\"") && seen.ends_with("}\n"), "{seen:?}");
}

#[test]
fn question_and_answer_are_logged_where_the_owner_asks_for_it() {
    let provider = Server::always(answer("the \"answer\"\nitself"));
    let reply = Ask::of(&provider).set("ASK_LOG_TEXT", "1").set("ASK_TOKEN", "tt").start();
    let reply = reply.get(&[("q", "the question"), ("token", "tt")], &[]);
    let line = reply.line();
    assert_eq!(
        (&line["question"], &line["answer"]),
        (&json!("the question"), &json!("the \"answer\"\nitself"))
    );
    assert_eq!(names(&reply.log[0])[12..], ["question", "answer"]);
}

#[test]
fn a_line_fits_whatever_is_in_it() {
    let long = "\u{1}\"好".repeat(5000);
    let provider = Server::always(answer(long.as_str()));
    let ask = Ask::of(&provider)
        .set("ASK_LOG_TEXT", "1")
        .set("ASK_MAX_QUESTION", "100000")
        .set("ASK_TOKEN", "tt")
        .start();
    let reply = ask.event(&json!({
        "httpMethod": "GET",
        "path": format!("/{}", "p".repeat(9000)),
        "queryString": {"q": long, "token": "tt"},
    }));
    assert_eq!(reply.log.len(), 1);
    assert!(reply.log[0].len() < 8192, "{} bytes", reply.log[0].len());
    let line = reply.line();
    assert!(line["question"].as_str().unwrap().starts_with("\u{1}\"好"));
    assert_eq!(line["path"].as_str().unwrap().chars().count(), 200);
}

#[test]
fn an_open_function_is_warned_of_once_and_a_guarded_one_is_not() {
    let provider = Server::always(answer("Yes."));
    let warnings = |ask: Ask| {
        let ask = ask.start();
        ask.ask("hi");
        ask.ask("hi");
        let lines = ask.emulator.logs().into_iter().filter(|line| line.text.contains("ASK_TOKEN"));
        let lines: Vec<_> = lines.map(|line| line.text).collect();
        assert!(
            lines.iter().all(|line| line.contains("ASK_PUBLIC_TOKEN") && line.contains("warning"))
        );
        lines.len()
    };
    assert_eq!(warnings(Ask::of(&provider)), 1);
    assert_eq!(warnings(Ask::of(&provider).set("ASK_TOKEN", "t")), 0);
    assert_eq!(warnings(Ask::of(&provider).set("ASK_PUBLIC_TOKEN", "t")), 0);
}
