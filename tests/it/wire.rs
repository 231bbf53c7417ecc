//! What the provider is sent.

use serde_json::{Value, json};

use crate::support::{Ask, KEY, Server, answer, each};

#[test]
fn the_provider_is_posted_model_and_messages_and_nothing_else() {
    let provider = Server::always(answer("Yes."));
    Ask::of(&provider).start().ask("Is “Rust” a\tlanguage?\n").says("Yes.");
    let request = provider.request();
    assert_eq!(request.line, "POST /v1/chat/completions HTTP/1.1");
    assert_eq!(request.header("host"), Some(provider.address().to_string().as_str()));
    assert_eq!(request.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("accept"), Some("application/json"));
    let names: Vec<_> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(
        sorted,
        ["accept", "authorization", "content-length", "content-type", "host", "user-agent"]
    );
    let messages = json!([{"role": "user", "content": "Is “Rust” a\tlanguage?"}]);
    assert_eq!(request.json(), json!({"model": "gpt-3.5-turbo", "messages": messages}));
}

#[test]
fn a_base_url_is_everything_before_chat_completions() {
    let bases = [
        ("", "/chat/completions"),
        ("/", "/chat/completions"),
        ("/v1", "/v1/chat/completions"),
        ("/v1/", "/v1/chat/completions"),
        ("/api/paas/v4", "/api/paas/v4/chat/completions"),
        ("/openai/deployments/my%20one/", "/openai/deployments/my%20one/chat/completions"),
    ];
    each(&bases, |(base, target)| {
        let provider = Server::always(answer("Yes."));
        let ask = Ask::of(&provider).set("OPENAI_BASE_URL", provider.url(base));
        ask.start().ask("hi").says("Yes.");
        assert_eq!(provider.request().target(), *target);
    });
}

#[test]
fn the_owners_additions_are_sent_and_no_others() {
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
        let provider = Server::always(answer("Yes."));
        let ask = vars.iter().fold(Ask::of(&provider), |ask, (name, value)| ask.set(name, *value));
        ask.start().ask("hi").says("Yes.");
        assert_eq!(provider.request().json(), *expected);
    });
}

#[test]
fn what_was_asked_arrives_as_it_was_meant() {
    let provider = Server::always(answer("Yes."));
    let ask = Ask::of(&provider).start();
    let json = "application/json";
    let form = "application/x-www-form-urlencoded";
    let asked = |content: &str| json!([{"role": "user", "content": content}]);
    let mut count = 0;
    let mut check = |messages: Value| {
        assert_eq!(provider.requests()[count].json()["messages"], messages);
        count += 1;
    };
    // Values of a query arrive decoded, and are not decoded again.
    for question in ["100%25 of C++", "a=b&c=d", "50% off", "%E4%BD%A0", "1+1", "#?/ \u{1F600}"] {
        ask.ask(question).says("Yes.");
        check(asked(question));
    }
    for name in ["question", "q", "prompt", "message", "chatInput", "input", "text"] {
        ask.get(&[(name, name)], &[]).says("Yes.");
        check(asked(name));
        ask.post(form, &format!("{name}=by+form%21")).says("Yes.");
        check(asked("by form!"));
        assert_eq!(ask.post(json, &json!({name: " by\njson "}).to_string()).status, 200);
        check(asked("by\njson"));
    }
    ask.get(&[("text", "seventh"), ("q", "second"), ("question", "")], &[]).says("Yes.");
    check(asked("second"));
    ask.http("POST", &[("q", "query")], &[("content-type", form)], "question=form").says("Yes.");
    check(asked("query"));
    ask.post("text/plain", " {\"question\": \"hi\"} ").says("Yes.");
    check(asked("{\"question\": \"hi\"}"));
    ask.post(form, "What is Rust?").says("Yes.");
    check(asked("What is Rust?"));
    ask.http("POST", &[], &[], "\"a string\"").says("Yes.");
    check(asked("a string"));
    ask.post(form, "is 1+1=2?").says("Yes.");
    check(asked("is 1+1=2?"));
    ask.http("POST", &[], &[], "no type").says("Yes.");
    check(asked("no type"));
    // A body in base64, as gateways send what they take for binary.
    let event =
        json!({"httpMethod": "POST", "headers": {}, "body": "5L2g5aW9", "isBase64Encoded": true});
    ask.event(&event).says("Yes.");
    check(asked("你好"));
    let conversation = json!({"messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "text": "a"},
        {"role": "ai", "text": "b"},
        {"role": "user", "parts": [{"type": "text", "text": "c"}]},
        {"role": "assistant", "content": "d"},
        {"role": "user", "content": [{"type": "text", "text": "e "}, {"type": "text", "text": "f"}]},
    ]});
    assert_eq!(ask.post(json, &conversation.to_string()).status, 200);
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
fn a_callers_system_message_gives_way_to_the_owners() {
    let provider = Server::always(answer("No."));
    let ask = Ask::of(&provider).set("ASK_SYSTEM_PROMPT", "Be kind.").start();
    let messages =
        json!([{"role": "system", "content": "Be rude."}, {"role": "user", "content": "hi"}]);
    ask.post("application/json", &json!({"messages": messages}).to_string())
        .fails(400, "body_unreadable");
    assert_eq!(provider.requests().len(), 0);
}

#[test]
fn a_question_of_megabytes_arrives() {
    let provider = Server::always(answer("Yes."));
    let question = "好\"".repeat(700_000);
    Ask::of(&provider)
        .set("ASK_MAX_QUESTION", "2000000")
        .start()
        .post("text/plain", &question)
        .says("Yes.");
    assert!(provider.request().json()["messages"][0]["content"] == question);
}
