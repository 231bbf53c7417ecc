//! Properties of any text, in any format and cut anywhere.

use std::time::SystemTime;

use ask_core::completion::{Decoder, End, Message};
use ask_core::lang::Lang;
use ask_core::request::RequestContext;
use ask_core::response::{AnswerEncoder, Responder};
use ask_core::settings::{Redactor, Secret};
use ask_core::{Answer, AskRequest, Format, Settings};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Request, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Any text that is not blank.
fn answer() -> impl Strategy<Value = String> {
    any::<String>().prop_filter("blank", |text| !text.trim().is_empty())
}

/// Any trimmed text.
fn question() -> impl Strategy<Value = String> {
    answer().prop_map(|text| text.trim().to_owned())
}

fn encode(answer: &Answer, format: Format) -> Vec<u8> {
    let responder = Responder::new(Lang::En, format, HeaderMap::new(), "id");
    responder.answer(answer.clone(), "m").into_body()
}

/// Returns the JSON of each line with this prefix.
fn lines(body: &[u8], prefix: &str) -> Vec<Value> {
    let body = str::from_utf8(body).unwrap();
    // Not `str::lines`, which would also remove a CR.
    let lines = body.split('\n').filter_map(|line| line.strip_prefix(prefix));
    lines.filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Returns an upstream's stream of these pieces.
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

fn decode(mut body: &[u8], lengths: &[usize]) -> Answer {
    let mut decoder = Decoder::new(StatusCode::OK, &HeaderMap::new(), Redactor::default());
    for length in lengths {
        let (piece, rest) = body.split_at((*length).min(body.len()));
        decoder.decode(piece).unwrap();
        body = rest;
    }
    decoder.decode(body).unwrap();
    decoder.finish(End::Eof).unwrap()
}

fn messages(query: &str, content_type: &str, body: &[u8]) -> Vec<Message> {
    let settings =
        Settings::from_pairs(&[("OPENAI_API_KEY", "sk-test"), ("ASK_MAX_QUESTION", "100000")]);
    let request = Request::post(format!("/?{query}")).header(CONTENT_TYPE, content_type);
    let context = RequestContext { request_id: "id", local: false, now: SystemTime::UNIX_EPOCH };
    let request = request.body(body.to_vec()).unwrap();
    AskRequest::from_request(&settings, &request, context).unwrap().messages
}

proptest! {
    #[test]
    fn answer_is_unchanged_in_every_format(text in answer()) {
        let reply = json!({"choices": [{"message": {"content": text}}]}).to_string();
        let answer = decode(reply.as_bytes(), &[]);
        prop_assert_eq!(&answer.text, &text);
        prop_assert_eq!(encode(&answer, Format::Text), text.as_bytes());
        let json: Value = serde_json::from_slice(&encode(&answer, Format::Json)).unwrap();
        prop_assert_eq!((json["text"].as_str(), json["output"].as_str()), (Some(&*text), Some(&*text)));
        let events = lines(&encode(&answer, Format::Sse), "data: ");
        prop_assert_eq!(events, [json!({"text": text})]);
        let lines = lines(&encode(&answer, Format::Ndjson), "");
        let item = json!({"type": "item", "content": text});
        prop_assert_eq!(lines, [json!({"type": "begin"}), item, json!({"type": "end"})]);
    }

    #[test]
    fn parts_of_an_answer_are_joined(parts in prop::collection::vec(any::<String>(), 1..5)) {
        let whole = parts.concat();
        prop_assume!(!whole.trim().is_empty());
        let parts: Vec<_> = parts.iter().map(|part| json!({"type": "text", "text": part})).collect();
        let reply = json!({"choices": [{"message": {"content": parts}}]}).to_string();
        let answer = decode(reply.as_bytes(), &[]);
        prop_assert_eq!(answer.text, whole);
    }

    #[test]
    fn stream_decodes_the_same_in_any_cut(
        pieces in prop::collection::vec(any::<String>(), 1..6),
        end in prop_oneof![Just("\n"), Just("\r\n"), Just("\r")],
        lengths in prop::collection::vec(0_usize..40, 0..40),
    ) {
        prop_assume!(!pieces.concat().trim().is_empty());
        let stream = stream(&pieces, end);
        let whole = decode(&stream, &[]);
        prop_assert_eq!(&whole.text, &pieces.concat());
        prop_assert_eq!(whole, decode(&stream, &lengths));
    }

    #[test]
    fn streamed_pieces_add_up_to_the_answer(
        pieces in prop::collection::vec(any::<String>(), 1..6),
    ) {
        let formats = [(Format::Sse, "data: ", "text"), (Format::Ndjson, "", "content")];
        for (format, prefix, name) in formats {
            let mut encoder = AnswerEncoder::new(format);
            let bytes: Vec<u8> = pieces.iter().flat_map(|piece| encoder.piece(piece)).collect();
            let lines = lines(&bytes, prefix);
            let text: String = lines.iter().filter_map(|line| line[name].as_str()).collect();
            prop_assert_eq!(text, pieces.concat());
        }
    }

    #[test]
    fn question_is_the_same_in_every_form(text in question()) {
        let expected = vec![Message::user(&text)];
        let encoded = utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string();
        let json = "application/json";
        let form = "application/x-www-form-urlencoded";
        for name in ["question", "q", "prompt", "message", "chatInput", "input", "text"] {
            let pair = format!("{name}={encoded}");
            prop_assert_eq!(messages(&pair, "image/png", b"\xff"), expected.clone(), "query {}", name);
            prop_assert_eq!(messages("", form, pair.as_bytes()), expected.clone(), "form {}", name);
            let body = json!({name: format!(" {text}\n")}).to_string();
            prop_assert_eq!(messages("", json, body.as_bytes()), expected.clone(), "JSON {}", name);
        }
        let spaced = encoded.replace("%20", "+");
        prop_assert_eq!(messages(&format!("q={spaced}"), json, b""), expected.clone(), "spaces as plus");
        for body in [
            json!(text),
            json!({"messages": [{"role": "user", "content": text}]}),
            json!({"messages": [{"role": "user", "content": [{"type": "text", "text": text}]}]}),
            json!({"messages": [{"role": "user", "text": text}]}),
            json!({"messages": [{"role": "user", "parts": [{"type": "text", "text": text}]}]}),
        ] {
            prop_assert_eq!(messages("", json, body.to_string().as_bytes()), expected.clone(), "{}", body);
        }
        prop_assert_eq!(messages("", "text/plain", text.as_bytes()), expected.clone(), "text");
        prop_assert_eq!(messages("", form, encoded.as_bytes()), expected, "curl --data-urlencode");
    }

    #[test]
    fn redaction_leaves_no_run_of_four_characters(
        secret in "[!-Z^-~]{4,40}",
        before in any::<String>(),
        after in any::<String>(),
        from in 0_usize..36,
        length in 4_usize..40,
    ) {
        let from = from.min(secret.len() - 4);
        let fragment = &secret[from..(from + length).min(secret.len())];
        let text = format!("{before}{fragment}{after}");
        let redactor = Redactor::new([Secret::new(secret.clone())]);
        let shown = redactor.text(&text).into_owned();
        for start in 0..=secret.len() - 4 {
            prop_assert!(!shown.contains(&secret[start..start + 4]), "{} in {}", &secret[start..start + 4], shown);
        }
    }
}
