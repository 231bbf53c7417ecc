//! Answers: unchanged, in every framing and form that providers use.

use serde_json::json;
use testkit::{Turn, Upstream, chat, each, http};

use crate::support::App;

#[test]
fn answer_is_unchanged_to_the_byte() {
    let megabyte = "A line with “quotes”, 汉字 and \"escapes\"\\\n".repeat(22_000);
    let answers = [
        " leading and trailing space \n\n",
        "你好，世界！\u{1F1E8}\u{1F1F3} e\u{301} \u{202E}rtl\u{202C} \u{FEFF}bom",
        "nul \0, bell \u{7}, escape \u{1B}[31m, del \u{7F}, line \u{2028} and paragraph \u{2029}, crlf \r\n",
        "<script>alert('&amp;')</script><img src=x onerror=alert(1)>",
        "{\"statusCode\": 500, \"body\": \"null\"}",
        "null",
        "\u{10FFFF}\u{FFFD}\u{E000}",
        "sk-not-a-key and **stars** stay",
        &megabyte,
    ];
    each(&answers, |text| {
        let upstream = Upstream::always(chat::completion(*text));
        let reply = App::new(&upstream).start().ask("hi");
        assert!(reply.status() == 200 && reply.text() == *text, "{:?}", text.get(..200));
        assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"));
    });
}

#[test]
fn every_framing_of_a_reply_is_read() {
    let body = r#"{"choices":[{"message":{"content":"Grüße \ud83d\ude00\u000a"}}]}"#;
    let length = body.len();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let chunked = |size: usize| {
        let head = format!("{head}transfer-encoding: chunked\r\n\r\n").into_bytes();
        [head, http::chunked(body.as_bytes(), size)].concat()
    };
    let sized = format!("{head}content-length: {length}\r\n\r\n{body}");
    let informational =
        "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n";
    let value = "x".repeat(300);
    let headers: String = (0..100).map(|count| format!("x-{count}: {value}\r\n")).collect();
    let blanks = length + 5;
    let turns = [
        Turn::from(format!("{informational}{sized}")),
        Turn::from(sized.replacen("\r\n", &format!("\r\n{headers}"), 1)),
        Turn::from(sized.replacen("content-length: ", "Content-Length:   ", 1)),
        Turn::from(chunked(1)),
        Turn::from(chunked(7)),
        Turn::from(chunked(1000)),
        Turn::from(format!("{head}\r\n{body}")).close(),
        Turn::from(format!("HTTP/1.0 200 OK\r\n\r\n{body}")).close(),
        Turn::from(format!("{head}content-length: {blanks}\r\n\r\n\r\n\t {body}\n")),
        Turn::from(http::response(200, &["content-type: text/html"], body)),
        // Byte by byte.
        chunked(5).into_iter().fold(Turn::default(), |turn, byte| turn.send([byte])),
    ];
    let rows = turns.len();
    let upstream = Upstream::new(turns);
    let app = App::new(&upstream).start();
    for _ in 0..rows {
        app.ask("hi").assert_answer("Grüße \u{1F600}\n");
    }
}

#[test]
fn answer_is_found_in_every_form_of_a_choice() {
    let part = |text: &str| json!({"type": "text", "text": text});
    let rows = [
        (json!({"message": {"content": [part("two "), part("parts")]}}), "two parts"),
        (json!({"message": {"content": null, "refusal": "I can't."}}), "I can't."),
        (json!({"message": {"content": "", "refusal": "I can't."}}), "I can't."),
        (json!({"message": {"content": "said", "refusal": "not said"}}), "said"),
        (json!({"message": {"content": "said", "reasoning_content": "thought"}}), "said"),
        (json!({"message": {"content": "said", "reasoning": "thought"}}), "said"),
        (json!({"message": {"content": "cut of"}, "finish_reason": "length"}), "cut of"),
        (json!({"message": {"content": "begun"}, "finish_reason": "content_filter"}), "begun"),
    ];
    let upstream = Upstream::new(rows.clone().map(|(choice, _)| chat::choice(choice)));
    let app = App::new(&upstream).start();
    for (_, text) in &rows {
        app.ask("hi").assert_answer(text);
    }
}

#[test]
fn answer_over_6_mb_is_an_error() {
    let seven = "x".repeat(7 << 20);
    // Escaped in the envelope, it has 8 MB.
    let escaped = "\"".repeat(4 << 20);
    let fits = "x".repeat((6 << 20) - 4096);
    let upstream = Upstream::new([&seven, &escaped, &fits, "Yes."].map(chat::completion));
    let app = App::new(&upstream).start();
    for _ in 0..2 {
        let reply = app.ask("hi");
        reply.assert_error(502, "answer_too_large");
        assert!(reply.text().contains("6 MB"), "{}", reply.text());
        let line = reply.log_line();
        assert_eq!((&line["status"], &line["code"]), (&json!(502), &json!("answer_too_large")));
    }
    assert!(app.ask("hi").text() == fits);
    app.ask("hi").assert_answer("Yes.");
}

#[test]
fn reply_of_40_mb_is_an_error() {
    let endless = "x".repeat(40 << 20);
    let upstream = Upstream::new([chat::completion(endless), chat::completion("Yes.")]);
    let app = App::new(&upstream).start();
    app.ask("hi").assert_error(502, "answer_too_large");
    app.ask("hi").assert_answer("Yes.");
}

#[test]
fn passthrough_posts_the_bare_answer() {
    let upstream = Upstream::new([
        chat::completion("你好"),
        http::response(401, &[], ""),
        chat::completion("x".repeat(7 << 20)),
        chat::completion("Yes."),
    ]);
    let app = App::new(&upstream).set("ASK_RESPONSE", "passthrough").start();
    let event = r#"{"httpMethod": "GET", "queryString": {"q": "hi"}}"#;
    let bare = || String::from_utf8(app.emulator.invoke(event).reply.unwrap()).unwrap();
    assert_eq!(bare(), "你好");
    assert!(bare().contains("OPENAI_API_KEY"));
    assert!(bare().contains("6 MB"));
    assert_eq!(bare(), "Yes.");
}
