//! What holds for any text, in any form and cut anywhere.

use ask_core::lang::Lang;
use ask_core::query::Query;
use ask_core::question::{Body, Message, find};
use ask_core::reply::{Caller, Events};
use ask_core::secret::{Mask, Secret};
use ask_core::shape::Shape;
use ask_core::stream::Stream;
use ask_core::{Answer, Settings, completion};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Any text that is an answer, and so not blank.
fn answer() -> impl Strategy<Value = String> {
    any::<String>().prop_filter("blank", |text| !text.trim().is_empty())
}

/// Any text that is a question: trimmed, as it is asked.
fn question() -> impl Strategy<Value = String> {
    answer().prop_map(|text| text.trim().to_owned())
}

fn shown(answer: &Answer, shape: Shape) -> Vec<u8> {
    let caller = Caller { lang: Lang::En, shape, cors: HeaderMap::new(), request_id: "id".into() };
    caller.answer(answer.clone(), "m").into_body()
}

/// The JSON of each line that begins so, without what it begins with.
fn lines(body: &[u8], begin: &str) -> Vec<Value> {
    let body = str::from_utf8(body).unwrap();
    // Not `str::lines`: the wire knows no other ends.
    let lines = body.split('\n').filter_map(|line| line.strip_prefix(begin));
    lines.filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The events of a provider's stream that says these pieces.
fn stream(pieces: &[String], end: &str) -> Vec<u8> {
    let event = |piece: &String| {
        format!("data: {}{end}{end}", json!({"choices": [{"delta": {"content": piece}}]}))
    };
    let mut events: String = pieces.iter().map(event).collect();
    events += &format!(
        ": a comment{end}{end}data: {{\"choices\":[{{\"finish_reason\":\"stop\"}}]}}{end}{end}"
    );
    events += &format!("data: [DONE]{end}{end}");
    events.into_bytes()
}

fn read(mut stream: &[u8], lengths: &[usize]) -> Answer {
    let mut reader = Stream::new(Mask::default());
    let mut text = String::new();
    for length in lengths {
        let (piece, rest) = stream.split_at((*length).min(stream.len()));
        text += &reader.push(piece).unwrap();
        stream = rest;
    }
    text += &reader.push(stream).unwrap();
    let last = reader.end().unwrap();
    Answer { text: text + &last.text, about: last.about }
}

fn asked(query: &str, content_type: &str, body: &[u8]) -> Vec<Message> {
    let settings = Settings::read(|name| (name == "ASK_MAX_QUESTION").then(|| "100000".into()));
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
    let query = Query::parse(query.as_bytes()).unwrap();
    find(&query, Body::read(&headers, body).as_ref(), &settings).unwrap()
}

proptest! {
    #[test]
    fn an_answer_comes_through_unchanged(text in answer()) {
        let reply = json!({"choices": [{"message": {"content": text}}]}).to_string();
        let answer = completion::read(StatusCode::OK, &HeaderMap::new(), reply.as_bytes(), &Mask::default()).unwrap();
        prop_assert_eq!(&answer.text, &text);
        prop_assert_eq!(shown(&answer, Shape::Text), text.as_bytes());
        let json: Value = serde_json::from_slice(&shown(&answer, Shape::Json)).unwrap();
        prop_assert_eq!((json["text"].as_str(), json["output"].as_str()), (Some(&*text), Some(&*text)));
        let events = lines(&shown(&answer, Shape::Sse), "data: ");
        prop_assert_eq!(events, [json!({"text": text})]);
        let lines = lines(&shown(&answer, Shape::Ndjson), "");
        let item = json!({"type": "item", "content": text});
        prop_assert_eq!(lines, [json!({"type": "begin"}), item, json!({"type": "end"})]);
    }

    #[test]
    fn an_answer_in_parts_is_their_sum(parts in prop::collection::vec(any::<String>(), 1..5)) {
        let whole = parts.concat();
        prop_assume!(!whole.trim().is_empty());
        let parts: Vec<_> = parts.iter().map(|part| json!({"type": "text", "text": part})).collect();
        let reply = json!({"choices": [{"message": {"content": parts}}]}).to_string();
        let answer = completion::read(StatusCode::OK, &HeaderMap::new(), reply.as_bytes(), &Mask::default()).unwrap();
        prop_assert_eq!(answer.text, whole);
    }

    #[test]
    fn a_stream_in_any_cut_is_the_same_as_whole(
        pieces in prop::collection::vec(any::<String>(), 1..6),
        end in prop_oneof![Just("\n"), Just("\r\n"), Just("\r")],
        lengths in prop::collection::vec(0_usize..40, 0..40),
    ) {
        prop_assume!(!pieces.concat().trim().is_empty());
        let stream = stream(&pieces, end);
        let whole = read(&stream, &[]);
        prop_assert_eq!(&whole.text, &pieces.concat());
        prop_assert_eq!(whole, read(&stream, &lengths));
    }

    #[test]
    fn what_is_streamed_to_the_caller_adds_up_to_the_answer(pieces in prop::collection::vec(any::<String>(), 1..6)) {
        for (shape, begin, name) in [(Shape::Sse, "data: ", "text"), (Shape::Ndjson, "", "content")] {
            let mut events = Events::new(shape);
            let bytes: Vec<u8> = pieces.iter().flat_map(|piece| events.piece(piece)).collect();
            let said: String = lines(&bytes, begin).iter().filter_map(|line| line[name].as_str()).collect();
            prop_assert_eq!(said, pieces.concat());
        }
    }

    #[test]
    fn a_question_is_the_same_in_each_of_its_forms(text in question()) {
        let expected = vec![Message::user(&text)];
        let encoded = utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string();
        let json = "application/json";
        let form = "application/x-www-form-urlencoded";
        for name in ["question", "q", "prompt", "message", "chatInput", "input", "text"] {
            let pair = format!("{name}={encoded}");
            prop_assert_eq!(asked(&pair, "image/png", b"\xff"), expected.clone(), "query {}", name);
            prop_assert_eq!(asked("", form, pair.as_bytes()), expected.clone(), "form {}", name);
            let body = json!({name: format!(" {text}\n")}).to_string();
            prop_assert_eq!(asked("", json, body.as_bytes()), expected.clone(), "JSON {}", name);
        }
        let spaced = encoded.replace("%20", "+");
        prop_assert_eq!(asked(&format!("q={spaced}"), json, b""), expected.clone(), "spaces as plus");
        for body in [
            json!(text),
            json!({"messages": [{"role": "user", "content": text}]}),
            json!({"messages": [{"role": "user", "content": [{"type": "text", "text": text}]}]}),
            json!({"messages": [{"role": "user", "text": text}]}),
            json!({"messages": [{"role": "user", "parts": [{"type": "text", "text": text}]}]}),
        ] {
            prop_assert_eq!(asked("", json, body.to_string().as_bytes()), expected.clone(), "{}", body);
        }
        prop_assert_eq!(asked("", "text/plain", text.as_bytes()), expected.clone(), "text");
        prop_assert_eq!(asked("", form, encoded.as_bytes()), expected, "curl --data-urlencode");
    }

    #[test]
    fn a_mask_leaves_no_run_of_four_characters(
        secret in "[!-Z^-~]{4,40}",
        before in any::<String>(),
        after in any::<String>(),
        from in 0_usize..36,
        length in 4_usize..40,
    ) {
        let from = from.min(secret.len() - 4);
        let fragment = &secret[from..(from + length).min(secret.len())];
        let text = format!("{before}{fragment}{after}");
        let shown = Mask::new([Secret::new(secret.clone())]).text(&text).into_owned();
        for start in 0..=secret.len() - 4 {
            prop_assert!(!shown.contains(&secret[start..start + 4]), "{} in {}", &secret[start..start + 4], shown);
        }
    }
}
