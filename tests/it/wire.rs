//! The request to the upstream.

use serde_json::{Value, json};
use testkit::{Upstream, chat, each};

use crate::support::{App, KEY};

#[test]
fn upstream_gets_model_and_messages_and_nothing_else() {
    let upstream = Upstream::always(chat::completion("Yes."));
    App::new(&upstream).start().ask("Is “Rust” a\tlanguage?\n").assert_answer("Yes.");
    let request = upstream.request();
    assert_eq!(request.line(), "POST /v1/chat/completions HTTP/1.1");
    assert_eq!(request.header("host"), Some(upstream.address().to_string().as_str()));
    assert_eq!(request.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("accept"), Some("application/json"));
    let mut names: Vec<_> = request.headers().map(|(name, _)| name).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["accept", "authorization", "content-length", "content-type", "host", "user-agent"]
    );
    let messages = json!([{"role": "user", "content": "Is “Rust” a\tlanguage?"}]);
    assert_eq!(request.json(), json!({"model": "gpt-3.5-turbo", "messages": messages}));
}

#[test]
fn base_url_is_all_before_chat_completions() {
    let bases = [
        ("", "/chat/completions"),
        ("/", "/chat/completions"),
        ("/v1", "/v1/chat/completions"),
        ("/v1/", "/v1/chat/completions"),
        ("/api/paas/v4", "/api/paas/v4/chat/completions"),
        ("/openai/deployments/my%20one/", "/openai/deployments/my%20one/chat/completions"),
    ];
    each(&bases, |(base, target)| {
        let upstream = Upstream::always(chat::completion("Yes."));
        App::at(upstream.url(base)).start().ask("hi").assert_answer("Yes.");
        assert_eq!(upstream.request().target(), *target);
    });
}

#[test]
fn configured_members_are_added_to_the_request() {
    let user = json!({"role": "user", "content": "hi"});
    let system = json!({"role": "system", "content": "Answer in one word."});
    let rows: [(&[(&str, &str)], Value); 4] = [
        (&[("OPENAI_MODEL", "glm-4")], json!({"model": "glm-4", "messages": [user]})),
        (
            &[("ASK_SYSTEM_PROMPT", "Answer in one word.")],
            json!({"model": "gpt-3.5-turbo", "messages": [system, user]}),
        ),
        (
            &[("ASK_EXTRA", r#"{"temperature": 0.2, "max_tokens": 9, "reasoning_effort": "low"}"#)],
            json!({
                "model": "gpt-3.5-turbo", "messages": [user],
                "temperature": 0.2, "max_tokens": 9, "reasoning_effort": "low",
            }),
        ),
        (
            &[("ASK_PARTIAL", "1")],
            json!({"model": "gpt-3.5-turbo", "messages": [user], "stream": true}),
        ),
    ];
    each(&rows, |(vars, expected)| {
        let upstream = Upstream::always(chat::completion("Yes."));
        App::new(&upstream).set_all(vars).start().ask("hi").assert_answer("Yes.");
        assert_eq!(upstream.request().json(), *expected);
    });
}

#[test]
fn questions_arrive_unchanged_from_query_and_body() {
    let upstream = Upstream::always(chat::completion("Yes."));
    let app = App::new(&upstream).start();
    let json = "application/json";
    let form = "application/x-www-form-urlencoded";
    let asked = |content: &str| json!([{"role": "user", "content": content}]);
    let mut count = 0;
    let mut check = |messages: Value| {
        assert_eq!(upstream.requests()[count].json()["messages"], messages);
        count += 1;
    };
    // An event's query is decoded already, and must not be decoded again.
    for question in ["100%25 of C++", "a=b&c=d", "50% off", "%E4%BD%A0", "1+1", "#?/ \u{1F600}"] {
        app.ask(question).assert_answer("Yes.");
        check(asked(question));
    }
    for name in ["question", "q", "prompt", "message", "chatInput", "input", "text"] {
        app.get(&[(name, name)], &[]).assert_answer("Yes.");
        check(asked(name));
        app.post(form, &format!("{name}=by+form%21")).assert_answer("Yes.");
        check(asked("by form!"));
        assert_eq!(app.post(json, &json!({name: " by\njson "}).to_string()).status(), 200);
        check(asked("by\njson"));
    }
    app.get(&[("text", "seventh"), ("q", "second"), ("question", "")], &[]).assert_answer("Yes.");
    check(asked("second"));
    app.http("POST", &[("q", "query")], &[("content-type", form)], "question=form")
        .assert_answer("Yes.");
    check(asked("query"));
    app.post("text/plain", " {\"question\": \"hi\"} ").assert_answer("Yes.");
    check(asked("{\"question\": \"hi\"}"));
    app.post(form, "What is Rust?").assert_answer("Yes.");
    check(asked("What is Rust?"));
    app.http("POST", &[], &[], "\"a string\"").assert_answer("Yes.");
    check(asked("a string"));
    app.post(form, "is 1+1=2?").assert_answer("Yes.");
    check(asked("is 1+1=2?"));
    app.http("POST", &[], &[], "no type").assert_answer("Yes.");
    check(asked("no type"));
    // Gateways send binary bodies as base64.
    let event =
        json!({"httpMethod": "POST", "headers": {}, "body": "5L2g5aW9", "isBase64Encoded": true});
    app.event(&event).assert_answer("Yes.");
    check(asked("你好"));
    let conversation = json!({"messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "text": "a"},
        {"role": "ai", "text": "b"},
        {"role": "user", "parts": [{"type": "text", "text": "c"}]},
        {"role": "assistant", "content": "d"},
        {"role": "user", "content": [{"type": "text", "text": "e "}, {"type": "text", "text": "f"}]},
    ]});
    assert_eq!(app.post(json, &conversation.to_string()).status(), 200);
    check(json!([
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
        {"role": "assistant", "content": "d"},
        {"role": "user", "content": "e f"},
    ]));
}

#[test]
fn client_system_message_is_rejected_beside_a_prompt() {
    let upstream = Upstream::always(chat::completion("No."));
    let app = App::new(&upstream).set("ASK_SYSTEM_PROMPT", "Be kind.").start();
    let messages =
        json!([{"role": "system", "content": "Be rude."}, {"role": "user", "content": "hi"}]);
    app.post("application/json", &json!({"messages": messages}).to_string())
        .assert_error(400, "body_unreadable");
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn question_of_megabytes_arrives() {
    let upstream = Upstream::always(chat::completion("Yes."));
    let question = "好\"".repeat(700_000);
    App::new(&upstream)
        .set("ASK_MAX_QUESTION", "2000000")
        .start()
        .post("text/plain", &question)
        .assert_answer("Yes.");
    assert!(upstream.request().json()["messages"][0]["content"] == question);
}
