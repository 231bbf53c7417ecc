//! The conversation of a request.

use serde_json::{Map, Value};

use super::body::{Body, unreadable};
use crate::completion::{Message, Role};
use crate::failure::Failure;
use crate::query::{QUESTION_NAMES, Query};
use crate::settings::Settings;

/// Returns the conversation of a request. Its last message is the question.
///
/// A question in the query takes precedence over any body. Fails without a question, or if the
/// conversation is invalid or too long.
pub(super) fn messages(
    query: &Query,
    body: Result<&Body, &Failure>,
    settings: &Settings,
) -> Result<Vec<Message>, Failure> {
    if let Some(question) = query.question() {
        return single(question, settings);
    }
    let messages = match body.map_err(Clone::clone)? {
        Body::Empty => return Err(Failure::QuestionMissing),
        Body::Text(text) => return single(text, settings),
        Body::Form(form) => {
            return single(form.question().ok_or(Failure::QuestionMissing)?, settings);
        }
        Body::Object(object) => in_object(object, settings.system_prompt.is_some())?,
    };
    validate(messages, settings)
}

/// Returns the conversation of one question, from an event or a command line.
///
/// # Errors
/// [`Failure::QuestionMissing`] or [`Failure::QuestionTooLong`].
pub fn single(question: &str, settings: &Settings) -> Result<Vec<Message>, Failure> {
    validate(vec![Message::user(question.trim())], settings)
}

fn validate(messages: Vec<Message>, settings: &Settings) -> Result<Vec<Message>, Failure> {
    if messages.last().is_none_or(|message| message.content.is_empty()) {
        return Err(Failure::QuestionMissing);
    }
    let chars: usize = messages.iter().map(|message| message.content.chars().count()).sum();
    match chars > settings.max_question {
        true => Err(Failure::QuestionTooLong { max: settings.max_question }),
        false => Ok(messages),
    }
}

fn in_object(
    object: &Map<String, Value>,
    has_system_prompt: bool,
) -> Result<Vec<Message>, Failure> {
    let named = QUESTION_NAMES.iter().filter_map(|name| object.get(*name)?.as_str());
    if let Some(question) = named.map(str::trim).find(|question| !question.is_empty()) {
        return Ok(vec![Message::user(question)]);
    }
    match object.get("messages") {
        Some(Value::Array(messages)) => conversation(messages, has_system_prompt),
        None | Some(Value::Null) => Err(Failure::QuestionMissing),
        Some(_) => Err(unreadable("messages is not a list", "messages 不是列表")),
    }
}

fn conversation(messages: &[Value], has_system_prompt: bool) -> Result<Vec<Message>, Failure> {
    let mut conversation = Vec::with_capacity(messages.len());
    for (index, message) in messages.iter().enumerate() {
        let role = match message.get("role").and_then(Value::as_str) {
            Some("user") => Role::User,
            Some("assistant" | "ai") => Role::Assistant,
            Some("system") if !has_system_prompt => Role::System,
            Some("system") => {
                return Err(unreadable(
                    "a system message is not allowed if ASK_SYSTEM_PROMPT is set",
                    "已设置 ASK_SYSTEM_PROMPT，不接受 system 消息",
                ));
            }
            _ => {
                return Err(unreadable(
                    "the role of a message must be system, user or assistant",
                    "消息的 role 只能是 system、user 或 assistant",
                ));
            }
        };
        let content = content(message, role)?;
        // The history of a widget may hold an empty answer that was cut off.
        if !content.is_empty() || index + 1 == messages.len() {
            conversation.push(Message { role, content });
        }
    }
    match conversation.last() {
        Some(last) if last.role != Role::User => {
            Err(unreadable("the last message must be the user's", "最后一条消息必须来自 user"))
        }
        _ => Ok(conversation),
    }
}

/// Returns the text of a message, trimmed: OpenAI's `content`, a string or parts, deep-chat's
/// `text`, or the AI SDK's `parts`.
fn content(message: &Value, role: Role) -> Result<String, Failure> {
    for name in ["content", "text", "parts"] {
        let text = match &message[name] {
            Value::Null => continue,
            Value::String(text) => text.trim().to_owned(),
            Value::Array(parts) => join_parts(parts, role)?.trim().to_owned(),
            _ => {
                return Err(unreadable(
                    "the content of a message is not text",
                    "消息的内容不是文本",
                ));
            }
        };
        // Another member may have the text.
        if !text.is_empty() {
            return Ok(text);
        }
    }
    Ok(String::new())
}

/// Joins the texts of the parts. Other parts of an answer are skipped, such as steps and sources.
/// Those of a question are an error: without its picture, it would be another question.
fn join_parts(parts: &[Value], role: Role) -> Result<String, Failure> {
    let mut joined = String::new();
    for part in parts {
        match (part["text"].as_str(), part["type"].as_str()) {
            (Some(text), None | Some("text" | "input_text" | "output_text")) => {
                joined.push_str(text);
            }
            _ if role == Role::Assistant => {}
            _ => return Err(unreadable("only text can be asked", "只接受文字提问")),
        }
    }
    Ok(joined)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http::header::CONTENT_TYPE;

    use super::*;

    const JSON: &str = "application/json";
    const FORM: &str = "application/x-www-form-urlencoded";

    fn ask_with(
        settings: &Settings,
        query: &str,
        content_type: &str,
        body: &[u8],
    ) -> Result<Vec<Message>, Failure> {
        let mut headers = HeaderMap::new();
        if !content_type.is_empty() {
            headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
        }
        let body = Body::parse(&headers, body);
        messages(&Query::parse(query.as_bytes()).unwrap(), body.as_ref(), settings)
    }

    fn ask(query: &str, content_type: &str, body: &[u8]) -> Result<Vec<Message>, Failure> {
        ask_with(&Settings::from_pairs(&[]), query, content_type, body)
    }

    /// Checks that the request asks this question.
    #[track_caller]
    fn check(query: &str, content_type: &str, body: impl AsRef<[u8]>, question: &str) {
        assert_eq!(ask(query, content_type, body.as_ref()), Ok(vec![Message::user(question)]));
    }

    #[track_caller]
    fn reject(query: &str, content_type: &str, body: impl AsRef<[u8]>, code: &str) {
        assert_eq!(ask(query, content_type, body.as_ref()).unwrap_err().code(), code);
    }

    #[test]
    fn question_in_the_query_has_several_names() {
        for name in QUESTION_NAMES {
            check(&format!("{name}=hi"), "", "", "hi");
        }
        check("q=second&question=first", "", "", "first");
        check("question=+&q=hi", "", "", "hi");
        check("question=&question=b", "", "", "b");
        check("question=100%2525+of+C%2B%2B%0A", "", "", "100%25 of C++");
    }

    #[test]
    fn query_takes_precedence_over_any_body() {
        check("q=hi", JSON, "{\"question\":\"no\"}", "hi");
        check("q=hi", JSON, "{broken", "hi");
        check("q=hi", "image/png", "\u{0}", "hi");
    }

    #[test]
    fn byte_order_mark_is_skipped() {
        check("", JSON, "\u{feff}{\"question\":\"hi\"}", "hi");
        check("", "", "\u{feff}{\"question\":\"hi\"}", "hi");
        check("", FORM, "\u{feff}question=hi", "hi");
        check("", "text/plain", "\u{feff}hi", "hi");
        reject("", "text/plain", "\u{feff}", "question_missing");
    }

    #[test]
    fn question_in_a_json_body() {
        check("", JSON, "{\"question\":\" hi\\n\"}", "hi");
        check(
            "",
            "application/json; charset=utf-8",
            "{\"chatInput\":\"hi\",\"action\":\"sendMessage\"}",
            "hi",
        );
        check("", "application/vnd.api+json", "{\"question\":\"\",\"text\":\"hi\"}", "hi");
        check("", JSON, "\"hi\"", "hi");
        check("", "", "{\"q\":\"hi\"}", "hi");
        check("", "", " \"hi\"", "hi");
        reject("", JSON, "{\"question\":", "body_unreadable");
        reject("", JSON, "[1]", "body_unreadable");
        reject("", "", "[", "body_unreadable");
        reject("", JSON, "{\"question\":7}", "question_missing");
        reject("", JSON, "{}", "question_missing");
    }

    #[test]
    fn lone_surrogates_become_replacement_characters() {
        for content_type in [JSON, FORM, "", "application/ld+json", "text/json"] {
            check("", content_type, r#"{"question":"party \ud83d now"}"#, "party \u{fffd} now");
        }
    }

    #[test]
    fn utf16_is_decoded_or_rejected() {
        let encode = |text: &str, unit: fn(u16) -> [u8; 2]| {
            text.encode_utf16().flat_map(unit).collect::<Vec<u8>>()
        };
        let (le, be) = (u16::to_le_bytes as fn(u16) -> [u8; 2], u16::to_be_bytes as _);
        check("", "text/plain; charset=utf-16le", encode("你好 hi", le), "你好 hi");
        check("", "text/plain; charset=\"UTF-16BE\"", encode("hi", be), "hi");
        check("", "text/plain", encode("\u{feff}hi", le), "hi");
        check("", JSON, encode("\u{feff}{\"q\":\"hi\"}", be), "hi");
        check("", "", encode("\u{feff}{\"q\":\"hi\"}", le), "hi");
        reject("", "text/plain", encode("hi", le), "body_unreadable");
        reject("", "", encode("hi", be), "body_unreadable");
        reject("", "text/plain; charset=utf-16", b"hi!", "body_unreadable");
        reject("", "text/plain; charset=utf-16le", b"\x00\xd8", "body_unreadable");
    }

    #[test]
    fn question_in_a_form() {
        check("", FORM, "question=C%2B%2B+is%3F", "C++ is?");
        check("", FORM, "other=1&q=hi", "hi");
        check("", FORM, "What is Rust?", "What is Rust?");
        check("", FORM, "C++", "C++");
        check("", FORM, "What is 100%25 of 1+1?", "What is 100%25 of 1+1?");
        check("", FORM, "What%20is%20C%2B%2B%3F", "What is C++?");
        check("", FORM, "你好", "你好");
        check("", FORM, "Is 1+1=2 & why?", "Is 1+1=2 & why?");
        check("", FORM, "question=What is Rust?", "What is Rust?");
        check("", FORM, "{\"question\":\"hi\"}", "hi");
        reject("", FORM, "a=b", "question_missing");
        reject("", FORM, "q=%ff", "body_unreadable");
    }

    #[test]
    fn question_in_text() {
        check("", "text/plain", " {\"question\":\"hi\"} ", "{\"question\":\"hi\"}");
        check("", "text/plain; charset=utf-8", "a=b&c", "a=b&c");
        check("", "", "what = this?", "what = this?");
        reject("", "text/plain", b"\xff", "body_unreadable");
        reject("", "", b"{\"q\":\"\xff\"}", "body_unreadable");
        reject("", "", "", "question_missing");
        reject("", "text/plain", " \n", "question_missing");
        reject("", "image/png", "x", "media_type");
        reject("", "multipart/form-data; boundary=x", "x", "media_type");
        reject("", "image/png", "", "question_missing");
    }

    #[test]
    fn conversation_in_every_shape() {
        let body = r#"{"messages":[
            {"role":"system","content":"Be brief."},
            {"role":"user","text":"a"},
            {"role":"ai","text":"b"},
            {"role":"assistant","content":""},
            {"role":"assistant","content":"","parts":[{"type":"step-start"},{"type":"text","text":"c"}]},
            {"role":"user","content":[{"type":"text","text":"What is "},{"type":"text","text":"Rust? "}]}
        ]}"#;
        let messages: Vec<_> = ask("", JSON, body.as_bytes()).unwrap();
        let found: Vec<_> =
            messages.iter().map(|message| (message.role, message.content.as_str())).collect();
        let expected = [
            (Role::System, "Be brief."),
            (Role::User, "a"),
            (Role::Assistant, "b"),
            (Role::Assistant, "c"),
            (Role::User, "What is Rust?"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn conversation_without_a_question_is_rejected() {
        for (messages, code) in [
            (r#"[]"#, "question_missing"),
            (r#"[{"role":"user","content":" "}]"#, "question_missing"),
            (r#"[{"role":"user"}]"#, "question_missing"),
            (r#"[{"role":"tool","content":"x"}]"#, "body_unreadable"),
            (r#"[{"content":"x"}]"#, "body_unreadable"),
            (r#"["x"]"#, "body_unreadable"),
            (r#"7"#, "body_unreadable"),
            (
                r#"[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]"#,
                "body_unreadable",
            ),
            (
                r#"[{"role":"user","content":[{"type":"image_url","image_url":{}}]}]"#,
                "body_unreadable",
            ),
            (r#"[{"role":"user","content":7}]"#, "body_unreadable"),
        ] {
            reject("", JSON, format!("{{\"messages\":{messages}}}"), code);
        }
    }

    #[test]
    fn system_message_is_rejected_beside_a_system_prompt() {
        let settings = Settings::from_pairs(&[("ASK_SYSTEM_PROMPT", "Be kind.")]);
        let body = br#"{"messages":[{"role":"system","content":"Be rude."},{"role":"user","content":"hi"}]}"#;
        assert_eq!(ask_with(&settings, "", JSON, body).unwrap_err().code(), "body_unreadable");
    }

    #[test]
    fn length_counts_characters_of_all_messages() {
        let settings = Settings::from_pairs(&[("ASK_MAX_QUESTION", "4")]);
        assert!(ask_with(&settings, "q=%E4%BD%A0%E5%A5%BD%E5%90%97%EF%BC%9F", "", b"").is_ok());
        assert_eq!(
            ask_with(&settings, "q=abcde", "", b"").unwrap_err(),
            Failure::QuestionTooLong { max: 4 }
        );
        let body =
            br#"{"messages":[{"role":"user","content":"abc"},{"role":"user","content":"de"}]}"#;
        assert_eq!(ask_with(&settings, "", JSON, body).unwrap_err().code(), "question_too_long");
    }
}
