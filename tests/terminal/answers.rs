//! A question to the provider, and its answer.

use serde_json::json;
use testkit::{Gate, Turn, Upstream, chat};

use crate::support::{Ask, is_chinese};

/// Returns a stream of these pieces, up to its end.
fn stream(pieces: &[&str]) -> String {
    let pieces: String = pieces.iter().map(|text| chat::piece(text)).collect();
    [chat::STREAM, &pieces, &chat::finish()].concat()
}

/// Returns a stream whose last chunk has this finish reason.
fn ended(text: &str, reason: &str) -> String {
    let finish = json!({"index": 0, "delta": {}, "finish_reason": reason});
    let finish = format!("data: {}\n\n", json!({"choices": [finish]}));
    [chat::STREAM, &chat::piece(text), &testkit::http::chunk(&finish), chat::END].concat()
}

#[test]
fn words_appear_as_they_come() {
    let gate = Gate::default();
    let upstream = Upstream::always(
        Turn::from([chat::STREAM, &chat::piece("one ")].concat())
            .wait(&gate)
            .send(chat::piece("two") + &chat::finish()),
    );
    Ask::new(&upstream).args(&["What", "is", "Rust?"]).assert_one_then_two(&gate);
    let body = upstream.request().json();
    assert_eq!(body["messages"], json!([{"role": "user", "content": "What is Rust?"}]));
    assert_eq!(body["stream"], true);
}

#[test]
fn answer_ends_with_one_line_feed() {
    for text in ["你好！", "你好！\n"] {
        for reply in [stream(&[text]).into_bytes(), chat::completion(text)] {
            let upstream = Upstream::always(reply);
            Ask::new(&upstream).args(&["你好"]).run().assert_answer("你好！");
        }
    }
}

#[test]
fn options_choose_model_and_instructions() {
    let upstream = Upstream::always(stream(&["Yes."]));
    let ask = || Ask::new(&upstream).set("OPENAI_MODEL", "a").set("ASK_SYSTEM_PROMPT", "Be long.");
    ask().args(&["-m", "b", "-s", "Be brief.", "hi"]).run().assert_answer("Yes.");
    ask().args(&["--model=b", "--system=", "hi"]).run().assert_answer("Yes.");
    ask().args(&["hi"]).run().assert_answer("Yes.");
    let bodies: Vec<_> = upstream.requests().iter().map(|request| request.json()).collect();
    let system = |index: usize| bodies[index]["messages"][0]["content"].clone();
    assert_eq!(["b", "b", "a"], [0, 1, 2].map(|index| bodies[index]["model"].as_str().unwrap()));
    assert_eq!([system(0), system(1), system(2)], ["Be brief.", "hi", "Be long."]);
}

#[test]
fn answer_that_is_cut_is_a_failure() {
    for (reply, part) in [
        (ended("So far", "length"), "length"),
        (ended("So far", "content_filter"), "content filter"),
        (ended("So far", "pause_turn"), "pause_turn"),
        ([chat::STREAM, &chat::piece("So far"), "0\r\n\r\n"].concat(), "before the answer was"),
    ] {
        let upstream = Upstream::always(reply);
        Ask::new(&upstream).args(&["hi"]).run().assert_error(1, "So far\n", &["incomplete", part]);
    }
    for turn in [
        Turn::from([chat::STREAM, &chat::piece("So far")].concat()).close(),
        Turn::from([chat::STREAM, &chat::piece("So far")].concat()).reset(),
    ] {
        let upstream = Upstream::always(turn);
        Ask::new(&upstream).args(&["hi"]).run().assert_error(1, "So far\n", &["incomplete"]);
        assert_eq!(upstream.requests().len(), 1, "text was shown, so there is no retry");
    }
}

#[test]
fn error_after_the_first_words_ends_the_answer() {
    let gate = Gate::default();
    let error = testkit::http::chunk("data: {\"error\":{\"message\":\"overloaded\"}}\n\n");
    let last = testkit::http::chunk(&chat::event("two"));
    let start = Turn::from([chat::STREAM, &chat::piece("one\n")].concat());
    let upstream = Upstream::always(start.wait(&gate).send(last + &error).hold());
    let ask = Ask::new(&upstream).args(&["hi"]).spawn();
    assert_eq!(ask.stdout.next(), "one");
    gate.open();
    assert_eq!(ask.wait().code(), Some(1));
    assert_eq!(ask.stdout.until_end(), ["two"]);
    let [line] = &ask.stderr.until_end()[..] else { panic!("{:?}", ask.stderr.all()) };
    assert!(line.contains("incomplete") && line.contains("overloaded"), "{line}");
}

#[test]
fn deadline_cuts_the_answer() {
    let upstream =
        Upstream::always(Turn::from([chat::STREAM, &chat::piece("So far")].concat()).hold());
    for partial in ["0", "1"] {
        let ask = Ask::new(&upstream).set("ASK_TIMEOUT", "0.5").set("ASK_PARTIAL", partial);
        ask.args(&["hi"]).run().assert_error(1, "So far\n", &["incomplete", "ASK_TIMEOUT"]);
    }
}

#[test]
fn transient_errors_are_retried_after_a_line() {
    let busy = testkit::http::response(429, &["retry-after: 2"], "");
    let upstream = Upstream::new([
        testkit::http::response(503, &["retry-after: 0"], ""),
        busy,
        stream(&["Yes."]).into_bytes(),
    ]);
    let run = Ask::new(&upstream).args(&["hi"]).run();
    assert_eq!((run.code, run.out.as_str()), (Some(0), "Yes.\n"));
    assert!(run.err.contains("2 s") && run.err.lines().count() == 1, "{}", run.err);
}

#[test]
fn error_is_one_line_in_the_language_of_the_locale() {
    let upstream = Upstream::always(chat::error(401, "invalid_api_key", "no"));
    let rows: [(&[(&str, &str)], bool); 7] = [
        (&[], false),
        (&[("LANG", "en_US.UTF-8")], false),
        (&[("LANG", "C.UTF-8")], false),
        (&[("LANG", "zh_CN.UTF-8")], true),
        (&[("LANG", "en_US.UTF-8"), ("LC_ALL", "zh_TW.UTF-8")], true),
        (&[("LANG", "zh_CN.UTF-8"), ("LC_ALL", "C")], false),
        (&[("LANG", "en_US.UTF-8"), ("LC_MESSAGES", "zh_CN")], true),
    ];
    for (vars, chinese) in rows {
        let run = Ask::new(&upstream).set_all(vars).args(&["hi"]).run();
        run.assert_error(1, "", &["OPENAI_API_KEY"]);
        assert_eq!(is_chinese(&run.err), chinese, "{vars:?}: {}", run.err);
    }
}

#[test]
fn longer_questions_than_a_function_takes_are_asked() {
    let upstream = Upstream::always(stream(&["Yes."]));
    let long = "x".repeat(9000);
    Ask::new(&upstream).args(&[&long]).run().assert_answer("Yes.");
    let limited = Ask::new(&upstream).set("ASK_MAX_QUESTION", "8000").args(&[&long]).run();
    limited.assert_error(1, "", &["ASK_MAX_QUESTION"]);
}
