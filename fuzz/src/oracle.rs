//! Checks of replies that became an answer.
//!
//! They cover the plain cases only, and share no code with the decoder.

use serde::de::IgnoredAny;
use serde_json::{Deserializer, Value};

/// Checks that a reply is complete by its bytes, reports no error, and has this text.
pub fn check_answer(body: &[u8], text: &str) {
    let body = String::from_utf8_lossy(body);
    let body = body.trim_start_matches(|char: char| char == '\u{feff}' || char.is_whitespace());
    match body.starts_with('{') {
        true => check_completion(body, text),
        false => check_stream(body, text),
    }
}

/// Checks a reply that is not a stream. Comments and `[DONE]` may follow the JSON.
fn check_completion(body: &str, text: &str) {
    let mut values = Deserializer::from_str(body).into_iter::<IgnoredAny>();
    assert!(matches!(values.next(), Some(Ok(_))), "the JSON is not closed");
    let (json, rest) = body.split_at(values.byte_offset());
    let is_end = |line: &str| match line.trim() {
        "" => true,
        line => line.starts_with(':') || line.strip_prefix("data:").is_some_and(is_done),
    };
    assert!(rest.split(['\r', '\n']).all(is_end), "{rest:?} follows the JSON");
    let Ok(value) = serde_json::from_str::<Value>(json) else { return };
    assert!(!is_error(&value), "an error became an answer");
    let content = choice(&value)["message"]["content"].as_str();
    if let Some(content) = content.filter(|content| !content.trim().is_empty()) {
        assert_eq!(content, text);
    }
}

/// Checks a stream up to `[DONE]`.
fn check_stream(body: &str, text: &str) {
    let mut is_complete = false;
    // `None` if the text does not come in `delta.content` alone.
    let mut expected = Some(String::new());
    for (name, data) in events(body) {
        if is_done(&data) {
            is_complete = true;
            break;
        }
        assert!(name != "error", "an error became an answer: {data}");
        let Ok(value) = serde_json::from_str::<Value>(&data) else {
            assert!(is_json(&data) || !data.starts_with(['{', '[']), "{data:?} was passed over");
            // Unknown: JSON with a lone surrogate, a large number or deep lists.
            if is_json(&data) {
                is_complete = true;
                expected = None;
            }
            continue;
        };
        assert!(!is_error(&value), "an error became an answer: {value}");
        let choice = choice(&value);
        is_complete |= choice["finish_reason"].as_str().is_some_and(|reason| {
            !reason.trim().is_empty() && !reason.trim().eq_ignore_ascii_case("null")
        });
        let delta = &choice["delta"];
        expected = match (&choice["message"], &delta["refusal"], &delta["content"]) {
            (Value::Null, Value::Null, Value::Null) => expected,
            (Value::Null, Value::Null, Value::String(piece)) => expected.map(|text| text + piece),
            _ => None,
        };
    }
    assert!(is_complete, "an incomplete stream became an answer");
    assert!(expected.is_none_or(|expected| expected == text), "{text:?}");
}

/// Returns the name and the trimmed data of each event, without a last one that is cut.
fn events(body: &str) -> Vec<(String, String)> {
    let body = body.replace("\r\n", "\n").replace('\r', "\n");
    let event = |event: &str| {
        let values = |field: &str| {
            let values = event.lines().filter_map(|line| line.strip_prefix(field));
            values.map(|value| value.strip_prefix(' ').unwrap_or(value)).collect::<Vec<_>>()
        };
        let name = values("event:").last().copied().unwrap_or_default().to_owned();
        let data = values("data:").into_iter().map(|mut data| {
            // The field may be written twice.
            while let Some(inner) = data.trim_ascii_start().strip_prefix("data:") {
                data = inner;
            }
            data.strip_prefix(' ').unwrap_or(data)
        });
        (name, data.collect::<Vec<_>>().join("\n").trim_ascii().to_owned())
    };
    // A line of JSON without a field is read as an event before the one around it.
    let bare = |event: &str| {
        let lines = event.lines().filter(|line| line.starts_with(['{', '[']));
        lines.map(|line| (String::new(), line.trim_ascii().to_owned())).collect::<Vec<_>>()
    };
    let events = body.split("\n\n").flat_map(|text| [bare(text), vec![event(text)]].concat());
    let mut events: Vec<_> = events.filter(|(_, data)| !data.is_empty()).collect();
    if !body.ends_with("\n\n") {
        events.pop_if(|(_, data)| !is_json(data) && !is_done(data));
    }
    events
}

/// Returns whether a text is JSON by its grammar.
fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

fn is_done(data: &str) -> bool {
    let data = data.trim();
    let bare = data.strip_prefix('"').and_then(|data| data.strip_suffix('"')).unwrap_or(data);
    bare.trim().eq_ignore_ascii_case("[DONE]")
}

/// Returns the choice of index 0, or null.
fn choice(value: &Value) -> &Value {
    let mut choices = value["choices"].as_array().into_iter().flatten();
    choices.find(|choice| choice["index"].as_u64().unwrap_or(0) == 0).unwrap_or(&Value::Null)
}

/// Returns whether a value is an error beyond doubt.
fn is_error(value: &Value) -> bool {
    if let Value::Array(items) = value {
        return items.iter().any(|item| item.is_object() && is_error(item));
    }
    let is_failure = |code: &Value| code.as_u64().is_some_and(|code| code >= 400);
    let choice = choice(value);
    has_words(&value["error"])
        || has_words(&choice["error"])
        || choice["finish_reason"] == "error"
        || value["choices"].is_null()
            && (value["object"] == "error"
                || ["detail", "error_msg"].iter().any(|name| has_words(&value[*name]))
                || has_words(&value["errors"][0])
                || is_failure(&value["base_resp"]["status_code"])
                || is_failure(&value["code"])
                    && ["message", "msg"].iter().any(|name| has_words(&value[*name])))
}

/// Returns whether an error, or its message, has a letter.
fn has_words(error: &Value) -> bool {
    let text = error.as_str().or(error["message"].as_str());
    text.is_some_and(|text| text.chars().any(char::is_alphabetic))
}
