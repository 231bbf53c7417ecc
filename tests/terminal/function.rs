//! `--url`: a question to a deployed function.

use scf_emulator::Emulator;
use serde_json::json;
use testkit::{Gate, Turn, Upstream, chat, http};

use crate::support::{Ask, KEY, SIGNING_KEY, TOKEN, emulator, is_chinese};

const EVENTS: &str = "content-type: text/event-stream";

/// Returns the events of an answer, as both functions write them.
fn events(pieces: &[&str], finish_reason: Option<&str>) -> String {
    let piece =
        |(id, text): (usize, &&str)| format!("id: {id}\ndata: {}\n\n", json!({"text": text}));
    let pieces: String = (1..).zip(pieces).map(piece).collect();
    let reason = finish_reason
        .map(|reason| format!("data: {}\n\n", json!({"text": "", "finish_reason": reason})));
    format!("{pieces}{}data: [DONE]\n\n", reason.unwrap_or_default())
}

/// Returns an error as the functions send it.
fn error(status: u16, code: &str, sentence: &str) -> Vec<u8> {
    let body = json!({"error": sentence, "message": sentence, "code": code});
    let code = format!("x-error-code: {code}");
    http::response(status, &["content-type: application/json", &code], body.to_string())
}

fn ask(function: &Upstream, args: &[&str]) -> Ask {
    let url = function.url("/");
    Ask::unset().args(&["--url", &url]).args(args)
}

#[test]
fn web_function_streams_its_words() {
    let gate = Gate::default();
    let start = http::chunk(&format!("id: 1\ndata: {}\n\n", json!({"text": "one "})));
    let rest = http::chunk(": keep-alive\n\n") + &http::chunk(&events(&["two"], None));
    let function = Upstream::always(
        Turn::from([chat::STREAM, &start].concat()).wait(&gate).send(rest + "0\r\n\r\n"),
    );
    ask(&function, &["What", "is", "Rust?"]).assert_one_then_two(&gate);
    let request = function.request();
    assert_eq!(request.line(), "POST /?format=sse HTTP/1.1");
    assert_eq!(request.json(), json!({"question": "What is Rust?"}));
    assert_eq!(request.header("authorization"), None);
}

#[test]
fn event_function_answers_at_once() {
    let function = Upstream::always(http::response(200, &[EVENTS], events(&["你好", "！"], None)));
    ask(&function, &["hi"]).run().assert_answer("你好！");
    // A gateway that closes the connection in place of telling a length.
    let head = format!("HTTP/1.1 200 OK\r\n{EVENTS}\r\nconnection: close\r\n\r\n");
    let closing = Upstream::always(Turn::from(head + &events(&["你好"], None)).close());
    ask(&closing, &["hi"]).run().assert_answer("你好");
}

#[test]
fn model_and_instructions_go_along() {
    let function = Upstream::always(http::response(200, &[EVENTS], events(&["Yes."], None)));
    ask(&function, &["-m", "m", "hi"]).run().assert_answer("Yes.");
    ask(&function, &["-s", "Be brief.", "hi"]).run().assert_answer("Yes.");
    let requests = function.requests();
    let targets = [requests[0].target(), requests[1].target()];
    assert_eq!(targets, ["/?format=sse&model=m", "/?format=sse"]);
    let bodies: Vec<_> = requests.iter().map(|request| request.json()).collect();
    let system = json!({"role": "system", "content": "Be brief."});
    let messages = json!([system, {"role": "user", "content": "hi"}]);
    assert_eq!(bodies, [json!({"question": "hi"}), json!({"messages": messages})]);
    // Settings for the provider stay here.
    let local = ask(&function, &["hi"]).set("OPENAI_MODEL", "mine").set("OPENAI_API_KEY", KEY);
    local.set("ASK_SYSTEM_PROMPT", "Mine.").run().assert_answer("Yes.");
    assert_eq!(function.requests()[2].json(), json!({"question": "hi"}));
}

#[test]
fn token_goes_as_bearer_but_not_with_a_link() {
    let function = Upstream::always(http::response(200, &[EVENTS], events(&["Yes."], None)));
    let token = || ask(&function, &["hi"]).set("ASK_TOKEN", &format!("{TOKEN},other"));
    token().run().assert_answer("Yes.");
    ask(&function, &["hi"]).set("ASK_PUBLIC_TOKEN", TOKEN).run().assert_answer("Yes.");
    ask(&function, &["--token", TOKEN, "hi"]).set("ASK_TOKEN", "other").run().assert_answer("Yes.");
    let sent = |count| {
        let requests = function.take_requests();
        assert_eq!(requests.len(), count);
        let header =
            |request: &testkit::Request| request.header("authorization").map(str::to_owned);
        requests.iter().map(header).collect::<Vec<_>>()
    };
    assert_eq!(sent(3), vec![Some(format!("Bearer {TOKEN}")); 3]);
    let link = function.url("/a?exp=1&sig=x&format=text");
    let linked = || Ask::unset().set("ASK_TOKEN", TOKEN).args(&["--url", &link]);
    linked().args(&["hi"]).run().assert_answer("Yes.");
    assert_eq!(function.requests()[0].target(), "/a?exp=1&sig=x&format=sse");
    linked().args(&["--token", TOKEN, "hi"]).run().assert_answer("Yes.");
    assert_eq!(sent(2), [None, Some(format!("Bearer {TOKEN}"))]);
}

#[test]
fn question_of_a_link_is_asked_by_its_query() {
    let function = Upstream::always(http::response(200, &[EVENTS], events(&["Yes."], None)));
    let link = function.url("/?question=What%20is%20C%2B%2B%3F&exp=1&sig=x");
    let linked = || Ask::unset().args(&["--url", &link]);
    linked().run().assert_answer("Yes.");
    linked().args(&["-m", "a b"]).run().assert_answer("Yes.");
    let targets: Vec<_> =
        function.requests().iter().map(|request| request.line().to_owned()).collect();
    let target = "GET /?question=What%20is%20C%2B%2B%3F&exp=1&sig=x&format=sse";
    assert_eq!(targets, [format!("{target} HTTP/1.1"), format!("{target}&model=a%20b HTTP/1.1")]);
    linked().args(&["another"]).run().assert_error(2, "", &["already has a question"]);
    linked().args(&["-s", "Be brief."]).run().assert_error(2, "", &["already has a question"]);
}

#[test]
fn failure_shows_sentence_and_code() {
    let function = Upstream::always(error(401, "token", "The token is wrong."));
    let run = ask(&function, &["hi"]).run();
    run.assert_error(
        1,
        "",
        &["The token is wrong. (X-Error-Code: token; here: ASK_TOKEN or --token)"],
    );
    let chinese = ask(&function, &["hi"]).set("LANG", "zh_CN.UTF-8").run();
    chinese.assert_error(1, "", &["（X-Error-Code: token；"]);
    let languages: Vec<_> = function
        .requests()
        .iter()
        .map(|request| request.header("accept-language").unwrap().to_owned())
        .collect();
    assert_eq!(languages, ["en", "zh"]);
    // Another server could send the token back.
    let echo = Upstream::always(error(400, "format", &format!("Bad: {TOKEN}")));
    ask(&echo, &["--token", TOKEN, "hi"]).run().assert_error(1, "", &["Bad: […]"]);
}

#[test]
fn answer_that_is_cut_is_a_failure() {
    let event = http::chunk(&format!("id: 1\ndata: {}\n\n", json!({"text": "So far"})));
    let start = || Turn::from([chat::STREAM, &event].concat());
    let failure = http::chunk(&format!("data: {}\n\n", json!({"error": "The model failed."})));
    let close = format!("HTTP/1.1 200 OK\r\n{EVENTS}\r\nconnection: close\r\n\r\n");
    let so_far = format!("id: 1\ndata: {}\n\n", json!({"text": "So far"}));
    for (turn, part) in [
        (start().close(), "broke off"),
        (start().reset(), "broke off"),
        (start().send("0\r\n\r\n"), "broke off"),
        (Turn::from(close + &so_far).close(), "broke off"),
        (start().send(failure + "0\r\n\r\n"), "incomplete. The model failed."),
        (http::response(200, &[EVENTS], events(&["So far"], Some("length"))).into(), "length"),
    ] {
        let function = Upstream::always(turn);
        ask(&function, &["hi"]).run().assert_error(1, "So far\n", &[part]);
        assert_eq!(function.requests().len(), 1);
    }
    let silent = Upstream::always(start().hold());
    let run = ask(&silent, &["hi"]).set("ASK_TIMEOUT", "0.5").run();
    run.assert_error(1, "So far\n", &["ASK_TIMEOUT"]);
}

#[test]
fn other_replies_are_named() {
    let html = http::response(200, &["content-type: text/html"], "<!doctype html><title>x");
    let moved = http::response(301, &["location: https://fn.example/"], "");
    let timeout =
        json!({"errorCode": -1, "errorMessage": "Invoking task timed out after 3 seconds"});
    for (turn, part) in [
        (html, "is a web page"),
        (moved, "redirects to https://fn.example/"),
        (http::json_response(200, &timeout), "timed out after 3 seconds"),
        (http::response(502, &[], ""), "status 502."),
        (http::response(404, &[], "not\u{1b}[2J here"), "status 404: not"),
    ] {
        let function = Upstream::always(turn);
        let run = ask(&function, &["hi"]).run();
        run.assert_error(1, "", &[part]);
        assert!(!run.err.contains('\u{1b}'), "{:?}", run.err);
    }
    let run = Ask::unset().args(&["--url", "http://127.0.0.1:1/", "hi"]).run();
    run.assert_error(1, "", &["The address cannot be reached: connection refused"]);
    let chinese =
        Ask::unset().set("LANG", "zh").args(&["--url", "http://127.0.0.1:1/", "hi"]).run();
    assert!(is_chinese(&chinese.err), "{}", chinese.err);
}

#[test]
fn invalid_settings_of_the_provider_do_not_matter() {
    let function = Upstream::always(http::response(200, &[EVENTS], events(&["Yes."], None)));
    let vars = [("OPENAI_BASE_URL", "no URL"), ("ASK_EXTRA", "no JSON"), ("ASK_ORIGINS", "x")];
    ask(&function, &["hi"]).set_all(&vars).run().assert_answer("Yes.");
    for name in ["ASK_TOKEN", "HTTPS_PROXY", "http_proxy"] {
        let run = ask(&function, &["hi"]).set(name, "ftp://not valid").run();
        run.assert_error(1, "", &[name, "change it in the environment"]);
    }
}

/// Starts the event function behind the local platform.
fn start(upstream: &Upstream) -> Emulator {
    emulator(&[
        ("OPENAI_API_KEY", KEY),
        ("OPENAI_BASE_URL", &upstream.url("/v1")),
        ("ASK_TOKEN", TOKEN),
        ("ASK_SIGNING_KEY", SIGNING_KEY),
    ])
}

#[test]
fn deployed_event_function_is_asked_by_token_and_link() {
    let upstream = Upstream::always(chat::completion("Yes."));
    let emulator = start(&upstream);
    let url = emulator.url();
    let ask = || Ask::unset().args(&["--url", &url]);
    ask().args(&["--token", TOKEN, "hi"]).run().assert_answer("Yes.");
    ask().args(&["hi"]).run().assert_error(1, "", &["X-Error-Code: token"]);
    let sign = |args: &[&str]| {
        let ask = Ask::unset().set("ASK_SIGNING_KEY", SIGNING_KEY).args(&["sign"]);
        ask.args(args).args(&[&url]).run().out.trim_end().to_owned()
    };
    Ask::unset().args(&["--url", &sign(&[]), "hi"]).run().assert_answer("Yes.");
    let one = sign(&["--question", "What is Rust?"]);
    Ask::unset().args(&["--url", &one]).run().assert_answer("Yes.");
    let asked: Vec<_> = upstream
        .requests()
        .iter()
        .map(|request| request.json()["messages"][0]["content"].clone())
        .collect();
    assert_eq!(asked, ["hi", "hi", "What is Rust?"]);
}
