//! The access log: one line a request.

use std::fs::{self, File};

use serde_json::{Value, json};
use testkit::runtime_api::{NEXT, RESPONSE};
use testkit::{Process, Scratch, Turn, Upstream, chat, http};

use crate::support::App;

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

/// The member names of a line, in their order.
fn names(line: &str) -> Vec<String> {
    let mut names: Vec<_> = FIELDS.iter().chain(&["question", "answer"]).collect();
    names.retain(|name| line.contains(&format!("\"{name}\":")));
    names.sort_by_key(|name| line.find(&format!("\"{name}\":")));
    names.into_iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn line_has_the_documented_members_only() {
    let upstream = Upstream::always(chat::completion("the answer itself"));
    let app = App::new(&upstream).set("ASK_TOKEN", "t").start();
    let event = json!({
        "httpMethod": "POST",
        "path": "/some/path",
        "queryString": {"question": "the question itself", "token": "t", "extra": "in-query"},
        "headers": {"x-custom": "in-header", "content-type": "text/plain"},
        "body": "in-body",
    });
    let first = app.event(&event);
    assert_eq!(first.log.len(), 1, "{:?}", first.log);
    let line = first.log_line();
    let mut expected = json!({
        "request_id": first.request_id, "method": "POST", "path": "/some/path", "status": 200,
        "code": null, "attempts": 1, "model": chat::MODEL, "prompt_tokens": 3,
        "completion_tokens": 5, "cold": true,
    });
    for name in ["ms", "upstream_ms"] {
        assert!(line[name].is_u64(), "{line}");
        expected[name] = line[name].clone();
    }
    assert_eq!(line, expected);
    assert_eq!(names(&first.log[0]), FIELDS);
    assert_eq!(app.event(&event).log_line()["cold"], false);
}

#[test]
fn every_request_has_one_line() {
    let upstream = Upstream::new([http::response(401, &[], ""), chat::completion("Yes.")]);
    let app = App::new(&upstream).start();
    let get = |query: Value| json!({"httpMethod": "GET", "queryString": query});
    let rows = [
        (get(json!({"q": "hi"})), 502, json!("upstream_key"), "GET", 1),
        (json!({"question": "hi"}), 200, Value::Null, "", 1),
        (get(json!({"b": "in-query"})), 400, json!("question_missing"), "GET", 0),
        (json!({"httpMethod": "PUT"}), 405, json!("method"), "PUT", 0),
        (json!({"httpMethod": "OPTIONS"}), 204, Value::Null, "OPTIONS", 0),
        (json!({"httpMethod": "GET", "path": "/favicon.ico"}), 404, Value::Null, "GET", 0),
        (json!([]), 400, json!("body_unreadable"), "", 0),
    ];
    for (count, (event, status, code, method, attempts)) in rows.into_iter().enumerate() {
        let reply = app.event(&event);
        // The first one comes with the warning at start.
        assert_eq!(reply.log.len(), if count == 0 { 2 } else { 1 }, "{:?}", reply.log);
        let line = reply.log_line();
        let logged = (&line["status"], &line["code"], &line["method"], &line["attempts"]);
        assert_eq!(logged, (&json!(status), &code, &json!(method), &json!(attempts)), "{event}");
        assert_eq!(line["request_id"], *reply.request_id);
        assert_eq!(reply.header("x-request-id"), Some(reply.request_id.as_str()));
        assert!(!reply.log.concat().contains("in-query"));
    }
}

/// The platform freezes an instance right after its reply: a later line could be lost.
#[test]
fn line_is_written_before_the_reply_is_posted() {
    let upstream = Upstream::always(chat::completion("Yes."));
    let (file, event) = (Scratch::new(""), r#"{"question": "hi"}"#);
    let api = Upstream::by_request(move |_, call| match call.target() {
        NEXT => http::response(200, &["request_id: id-1"], event).into(),
        RESPONSE => Turn::silent(),
        _ => http::response(200, &[], "").into(),
    });
    let app = App::new(&upstream).set("SCF_RUNTIME_API", api.address().to_string());
    let mut command = app.command();
    let _process = Process::spawn(command.stdout(File::create(file.path()).unwrap()));
    // `ready`, `next` and the reply, which is not confirmed.
    api.wait_for_requests(3);
    let log = fs::read_to_string(file.path()).unwrap();
    assert!(log.contains("\"request_id\":\"id-1\"") && log.ends_with("}\n"), "{log:?}");
}

#[test]
fn question_and_answer_are_logged_if_configured() {
    let upstream = Upstream::always(chat::completion("the \"answer\"\nitself"));
    let app = App::new(&upstream).set("ASK_LOG_TEXT", "1").set("ASK_TOKEN", "tt").start();
    let reply = app.get(&[("q", "the question"), ("token", "tt")], &[]);
    let line = reply.log_line();
    assert_eq!(
        (&line["question"], &line["answer"]),
        (&json!("the question"), &json!("the \"answer\"\nitself"))
    );
    assert_eq!(names(&reply.log[0])[12..], ["question", "answer"]);
}

#[test]
fn long_line_is_cut_at_8_kb() {
    let long = "\u{1}\"好".repeat(5000);
    let upstream = Upstream::always(chat::completion(long.as_str()));
    let app = App::new(&upstream)
        .set("ASK_LOG_TEXT", "1")
        .set("ASK_MAX_QUESTION", "100000")
        .set("ASK_TOKEN", "tt")
        .start();
    let reply = app.event(&json!({
        "httpMethod": "GET",
        "path": format!("/{}", "p".repeat(9000)),
        "queryString": {"q": long, "token": "tt"},
    }));
    assert_eq!(reply.log.len(), 1);
    assert!(reply.log[0].len() < 8192, "{} bytes", reply.log[0].len());
    let line = reply.log_line();
    assert!(line["question"].as_str().unwrap().starts_with("\u{1}\"好"));
    assert_eq!(line["path"].as_str().unwrap().chars().count(), 200);
}

#[test]
fn missing_token_is_warned_of_once() {
    let upstream = Upstream::always(chat::completion("Yes."));
    let warnings = |app: App| {
        let app = app.start();
        app.ask("hi");
        app.ask("hi");
        let lines = app.emulator.logs().into_iter().filter(|line| line.text.contains("ASK_TOKEN"));
        let lines: Vec<_> = lines.map(|line| line.text).collect();
        for line in &lines {
            assert!(line.contains("ASK_PUBLIC_TOKEN") && line.contains("warning"), "{line}");
        }
        lines.len()
    };
    assert_eq!(warnings(App::new(&upstream)), 1);
    assert_eq!(warnings(App::new(&upstream).set("ASK_TOKEN", "t")), 0);
    assert_eq!(warnings(App::new(&upstream).set("ASK_PUBLIC_TOKEN", "t")), 0);
}
