//! An answer in time, or a word in time that there is none.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    Act, Ask, Authority, Gate, Server, answer, chunked, each, failing, listen, reply,
};

/// A provider's pace: it says something every now and then, until the caller has gone.
fn slowly(first: &str, piece: &str) -> String {
    let (first, piece) = (first.to_owned(), piece.to_owned());
    // Its end is the caller's.
    let listening = listen(move |mut stream| {
        use std::io::{Read, Write};
        let _ = stream.read(&mut [0; 4096]);
        let mut next = first.as_str();
        while stream.write_all(next.as_bytes()).is_ok() {
            next = &piece;
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let url = format!("http://{}", listening.address);
    // Listens for as long as the test runs.
    std::mem::forget(listening);
    url
}

fn piece(text: &str) -> String {
    format!(
        "data: {}\n\n",
        json!({"model": "m", "choices": [{"index": 0, "delta": {"content": text}}]})
    )
}

const EVENTS: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
const JSON: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";

/// The platform ends an instance that is late: that there is a reply is the proof.
#[test]
fn out_of_time_is_said_before_the_platform_ends_the_instance() {
    let provider = Server::always([Act::Hold]);
    let reply = Ask::of(&provider).set("ASK_TIMEOUT", "60").limit(3.0).start().ask("hi");
    reply.fails(504, "deadline");
    assert!(reply.body.contains("time-out"), "{}", reply.body);
    assert!(reply.duration >= Duration::from_secs_f64(2.7), "{:?}", reply.duration);
}

#[test]
fn every_wait_is_inside_the_time() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap();
    let provider = Server::always([Act::Hold]);
    let authority = Authority::new();
    let root = authority.file();
    let encrypted = Server::wrapped([vec![Act::Hold]], authority.serve("127.0.0.1", false));
    let rows = [
        slowly("HTTP/1.1 200 OK\r\nx-a: ", "a"),
        slowly(JSON, " "),
        slowly(&format!("{JSON}{{\"choices\":[{{\"message\":{{\"content\":\""), "a"),
        slowly("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n"),
        format!("http://{silent}"),
        format!("https://{silent}"),
        format!("https://{}", encrypted.address()),
    ];
    each(&rows, |url| {
        let ask = Ask::of(&provider).set("OPENAI_BASE_URL", url).set("SSL_CERT_FILE", root.path());
        let reply = ask.set("ASK_TIMEOUT", "1").start().ask("hi");
        reply.fails(504, "deadline");
        assert!(reply.duration >= Duration::from_secs(1), "{url}: {:?}", reply.duration);
        assert!(reply.line()["ms"].as_u64() < Some(10_000), "{url}: {}", reply.line());
    });
}

#[test]
fn a_request_that_nobody_reads_is_given_up_in_time() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    // More than the two sockets hold.
    let question = "x".repeat(5 << 20);
    let ask = Ask::bare().set("OPENAI_API_KEY", "sk-test").set("OPENAI_BASE_URL", url);
    let ask = ask.set("ASK_MAX_QUESTION", "6000000").limit(6.0).start();
    // The platform ends an instance that is late: that there is a reply is the proof.
    ask.post("text/plain", &question).fails(504, "deadline");
}

#[test]
fn the_owners_limit_counts_where_it_is_shorter() {
    let provider = Server::always([Act::Hold]);
    let ask = Ask::of(&provider).set("ASK_TIMEOUT", "0.5").start();
    let reply = ask.ask("hi");
    reply.fails(504, "deadline");
    assert!(reply.duration >= Duration::from_millis(500), "{:?}", reply.duration);
    assert!(reply.duration < Duration::from_secs(30), "{:?}", reply.duration);
    assert!(reply.body.contains("ASK_TIMEOUT"), "{}", reply.body);
    // The instance lives on.
    assert!(ask.emulator.pid().is_some());
}

#[test]
fn what_has_arrived_is_the_answer_when_time_runs_out() {
    let provider = Server::always([
        Act::Send(format!("{EVENTS}{}{}", piece("你"), piece("好，")).into_bytes()),
        Act::Hold,
    ]);
    let ask = Ask::of(&provider).set("ASK_PARTIAL", "1").set("ASK_TIMEOUT", "1").start();
    let reply = ask.ask("hi");
    reply.says("你好，");
    assert_eq!(reply.header("x-finish-reason"), Some("deadline"));
    assert_eq!(reply.header("x-model"), Some("m"));
    let reply = ask.get(&[("q", "hi"), ("format", "json")], &[]);
    assert_eq!(
        (&reply.json()["text"], &reply.json()["finish_reason"]),
        (&json!("你好，"), &json!("deadline"))
    );
    for request in provider.requests() {
        assert_eq!(request.json()["stream"], true);
    }
}

#[test]
fn nothing_that_has_arrived_is_no_answer_when_time_runs_out() {
    let turns =
        ["", EVENTS, ": keep-alive\n\n", "data: {\"choices\":[{\"delta\":{\"content\":\"cut"];
    let rows = turns.map(|text| match text.starts_with("HTTP") || text.is_empty() {
        true => text.to_owned(),
        false => format!("{EVENTS}{text}"),
    });
    each(&rows, |text| {
        let provider = Server::always([Act::Send(text.clone().into_bytes()), Act::Hold]);
        let ask = Ask::of(&provider).set("ASK_PARTIAL", "1").set("ASK_TIMEOUT", "0.5").start();
        ask.ask("hi").fails(504, "deadline");
    });
}

#[test]
fn a_stream_that_ends_in_time_is_the_whole_answer() {
    let last = json!({"model": "m", "choices": [{"delta": {}, "finish_reason": "length"}]});
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}});
    let whole = format!(
        "{EVENTS}{}{}data: {last}\n\ndata: {usage}\n\ndata: [DONE]\n\n",
        piece("a "),
        piece("b\n")
    );
    // Cut anywhere, in the middle of characters too.
    let provider = Server::new([
        vec![Act::Send(whole.clone().into_bytes())],
        whole.bytes().map(|byte| Act::Send(vec![byte])).collect(),
    ]);
    let ask = Ask::of(&provider).set("ASK_PARTIAL", "true").start();
    for _ in 0..2 {
        let reply = ask.ask("hi");
        reply.says("a b\n");
        assert_eq!(reply.header("x-finish-reason"), Some("length"));
        let line = reply.line();
        assert_eq!((&line["prompt_tokens"], &line["completion_tokens"]), (&json!(3), &json!(4)));
    }
}

#[test]
fn the_last_event_of_a_stream_need_not_be_ended() {
    let last = json!({"choices": [{"delta": {"content": "b"}, "finish_reason": "stop"}]});
    let provider = Server::always([
        Act::Send(format!("{EVENTS}{}data: {last}", piece("a ")).into()),
        Act::Close,
    ]);
    Ask::of(&provider).set("ASK_PARTIAL", "1").start().ask("hi").says("a b");
}

#[test]
fn a_provider_that_does_not_stream_is_read_whole() {
    let completion = r#"{"choices":[{"message":{"content":"Yes."},"finish_reason":"stop"}]}"#;
    // Some send blanks while the model thinks.
    let blanks = chunked(format!("\n\n  {completion}").as_bytes(), 2);
    let head = "HTTP/1.1 200 OK\r\ncontent-type: Application/JSON; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n";
    let provider = Server::new([
        answer("Yes."),
        vec![Act::Send([head.as_bytes(), &blanks].concat())],
        reply(200, &["content-type: text/plain"], completion),
        reply(200, &[], completion),
        failing(401, "invalid_api_key", "no"),
        reply(200, &["content-type: text/html"], "<html>"),
    ]);
    let ask = Ask::of(&provider).set("ASK_PARTIAL", "1").start();
    for _ in 0..4 {
        let reply = ask.ask("hi");
        reply.says("Yes.");
        assert_eq!(reply.header("x-finish-reason"), None);
    }
    ask.ask("hi").fails(502, "upstream_key");
    ask.ask("hi").fails(502, "upstream_failed");
}

#[test]
fn a_stream_that_breaks_off_or_fails_is_no_answer() {
    let busy = format!(
        "data: {}\n\n",
        json!({"error": {"message": "slow down", "code": "rate_limit_exceeded"}})
    );
    let rows = [
        (format!("{EVENTS}{}", piece("half")), "upstream_failed"),
        (
            format!("{EVENTS}{}data: {{\"error\":{{\"message\":\"oops\"}}}}\n\n", piece("half")),
            "upstream_failed",
        ),
        (format!("{EVENTS}{}{busy}", piece("half")), "upstream_busy"),
        (format!("{EVENTS}data: [DONE]\n\n"), "answer_empty"),
        (format!("{EVENTS}data: nonsense\n\n"), "upstream_failed"),
    ];
    each(&rows, |(text, code)| {
        let provider = Server::always([Act::Send(text.clone().into_bytes()), Act::Close]);
        let reply = Ask::of(&provider).set("ASK_PARTIAL", "1").start().ask("hi");
        assert_eq!(reply.code(), Some(*code), "{text}");
    });
}

/// The pieces come when the test lets them, so that the deadline is in the middle of the answer for sure.
#[test]
fn an_answer_that_comes_late_is_cut_and_the_next_one_is_whole() {
    let gate = Gate::default();
    let last =
        "data: {\"choices\":[{\"delta\":{\"content\":\"late\"},\"finish_reason\":\"stop\"}]}\n\n";
    let provider = Server::new([
        vec![
            Act::Send(format!("{EVENTS}{}", piece("in time")).into_bytes()),
            Act::Wait(gate.clone()),
            Act::Send(last.into()),
            Act::Close,
        ],
        answer("Yes."),
    ]);
    let ask = Ask::of(&provider).set("ASK_PARTIAL", "1").set("ASK_TIMEOUT", "1").start();
    ask.ask("hi").says("in time");
    gate.open();
    ask.ask("hi").says("Yes.");
}

#[test]
fn the_line_in_the_log_says_how_long_it_took() {
    let provider = Server::always([Act::Hold]);
    let reply = Ask::of(&provider).set("ASK_TIMEOUT", "0.4").start().ask("hi");
    let line: Value = reply.line();
    let (ms, upstream) = (line["ms"].as_u64().unwrap(), line["upstream_ms"].as_u64().unwrap());
    assert!(upstream >= 390 && ms >= upstream && ms < 30_000, "{line}");
}
