//! The question of a request: its conversation and the chosen model.

use serde_json::{Map, Value};

use super::body::{Body, unreadable};
use super::message;
use crate::completion::{Message, Role};
use crate::failure::Failure;
use crate::query::{QUESTION_NAMES, Query};
use crate::settings::Settings;

/// Maximum number of pictures of all messages.
const MAX_PICTURES: usize = 4;

/// A conversation whose last message is the question, and the model that was chosen for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) messages: Vec<Message>,
    pub(super) model: Option<String>,
}

impl Question {
    /// Returns the question of a request. One in the query takes precedence over any body.
    ///
    /// Fails without a question, if the conversation is invalid or too long, or if the chosen model
    /// is not in `OPENAI_MODEL`.
    pub(super) fn find(
        query: &Query,
        body: Result<&Body, &Failure>,
        settings: &Settings,
    ) -> Result<Self, Failure> {
        let model = query.get("model");
        if let Some(question) = query.question() {
            return Self::single(question, model, settings);
        }
        match body.map_err(Clone::clone)? {
            Body::Empty => Err(Failure::QuestionMissing),
            Body::Text(text) => Self::single(text, model, settings),
            Body::Form(form) => {
                let question = form.question().ok_or(Failure::QuestionMissing)?;
                Self::single(question, model.or(form.get("model")), settings)
            }
            Body::Object(object) | Body::DeepChatForm(object) => {
                Self::in_object(object, model, settings)
            }
        }
    }

    /// Returns a question of one message.
    pub(super) fn single(
        question: &str,
        model: Option<&str>,
        settings: &Settings,
    ) -> Result<Self, Failure> {
        Ok(Self { messages: single(question, settings)?, model: choose(model, settings)? })
    }

    /// Returns the question of a JSON object. `model` is the one that the query chooses.
    pub(super) fn in_object(
        object: &Map<String, Value>,
        model: Option<&str>,
        settings: &Settings,
    ) -> Result<Self, Failure> {
        let beside = match object.get("model") {
            None | Some(Value::Null) => None,
            Some(name) => Some(name.as_str().unwrap_or("?").trim()).filter(|name| !name.is_empty()),
        };
        let named = QUESTION_NAMES.iter().filter_map(|name| object.get(*name)?.as_str());
        if let Some(question) = named.map(str::trim).find(|question| !question.is_empty()) {
            return Self::single(question, model.or(beside), settings);
        }
        let messages = match object.get("messages") {
            Some(Value::Array(messages)) => conversation(messages, settings)?,
            None | Some(Value::Null) => return Err(Failure::QuestionMissing),
            Some(_) => return Err(unreadable("messages is not a list", "messages 不是列表")),
        };
        let model = match model {
            Some(model) => choose(Some(model), settings)?,
            // A client in OpenAI's shape always names one.
            None => choose(beside, settings).unwrap_or_default(),
        };
        Ok(Self { messages: validate(messages, settings)?, model })
    }
}

/// Returns the conversation of one question, from an event or a command line.
///
/// # Errors
/// [`Failure::QuestionMissing`] or [`Failure::QuestionTooLong`].
pub fn single(question: &str, settings: &Settings) -> Result<Vec<Message>, Failure> {
    validate(vec![Message::user(question.trim())], settings)
}

/// Returns the model of this name. Fails if it is not in `OPENAI_MODEL`.
fn choose(model: Option<&str>, settings: &Settings) -> Result<Option<String>, Failure> {
    match model {
        None => Ok(None),
        Some(model) if settings.models.iter().any(|listed| listed == model) => {
            Ok(Some(model.to_owned()))
        }
        Some(_) => Err(Failure::UnknownModel { models: settings.models.clone() }),
    }
}

fn validate(messages: Vec<Message>, settings: &Settings) -> Result<Vec<Message>, Failure> {
    if messages.last().is_none_or(Message::is_empty) {
        return Err(Failure::QuestionMissing);
    }
    let chars: usize = messages.iter().map(|message| message.text().chars().count()).sum();
    if chars > settings.max_question {
        return Err(Failure::QuestionTooLong { max: settings.max_question });
    }
    match messages.iter().map(Message::pictures).sum::<usize>() > MAX_PICTURES {
        true => Err(Failure::TooManyPictures { max: MAX_PICTURES }),
        false => Ok(messages),
    }
}

fn conversation(messages: &[Value], settings: &Settings) -> Result<Vec<Message>, Failure> {
    let mut conversation = Vec::with_capacity(messages.len());
    for (index, message) in messages.iter().enumerate() {
        let role = match message.get("role").and_then(Value::as_str) {
            Some("user") => Role::User,
            Some("assistant" | "ai") => Role::Assistant,
            Some("system") if settings.system_prompt.is_none() => Role::System,
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
        let message = Message { role, content: message::content(message, role)? };
        // The history of a widget may hold an empty answer that was cut off.
        if !message.is_empty() || index + 1 == messages.len() {
            conversation.push(message);
        }
    }
    match conversation.last() {
        Some(last) if last.role != Role::User => {
            Err(unreadable("the last message must be the user's", "最后一条消息必须来自 user"))
        }
        _ => Ok(conversation),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http::header::CONTENT_TYPE;
    use serde_json::json;

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
        let query = Query::parse(query.as_bytes()).unwrap();
        Question::find(&query, body.as_ref(), settings).map(|question| question.messages)
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
        let found: Vec<_> = messages.iter().map(|message| (message.role, message.text())).collect();
        let expected = [
            (Role::System, "Be brief."),
            (Role::User, "a"),
            (Role::Assistant, "b"),
            (Role::Assistant, "c"),
            (Role::User, "What is Rust?"),
        ];
        assert_eq!(found, expected.map(|(role, text)| (role, text.into())));
    }

    /// Checks what the upstream receives of the last message in the body.
    #[track_caller]
    fn check_content(messages: &str, expected: Value) {
        let body = format!("{{\"messages\":[{messages}]}}");
        let messages = ask("", JSON, body.as_bytes()).unwrap();
        let last = serde_json::to_value(messages.last().unwrap()).unwrap();
        assert_eq!(last, json!({"role": "user", "content": expected}));
    }

    #[test]
    fn pictures_are_passed_on_in_every_shape() {
        let url = "data:image/png;base64,AAAA";
        let picture = |url: &str| json!({"type": "image_url", "image_url": {"url": url}});
        let text = |text: &str| json!({"type": "text", "text": text});
        check_content(
            r#"{"role":"user","content":[{"type":"text","text":"One: "},
                {"type":"image_url","image_url":{"url":"HTTPS://a.example/1","detail":"low"}},
                {"type":"text","text":" "},{"type":"text","text":"Two:"},
                {"type":"image_url","image_url":"data:image/png;base64,AAAA"}]}"#,
            json!([
                text("One: "),
                {"type": "image_url",
                    "image_url": {"url": "HTTPS://a.example/1", "detail": "low"}},
                text("Two:"),
                picture(url),
            ]),
        );
        check_content(
            r#"{"role":"user","parts":[
                {"type":"file","mediaType":"image/png","filename":"a","url":"data:image/png;base64,AAAA"},
                {"type":"text","text":"What?"}]}"#,
            json!([picture(url), text("What?")]),
        );
        check_content(
            r#"{"role":"user","text":"What?","files":[
                {"src":"data:image/png;base64,AAAA","type":"image","name":"a.png"}]}"#,
            json!([text("What?"), picture(url)]),
        );
        check_content(
            r#"{"role":"user","text":"","files":[{"src":"https://a.example/1"}]}"#,
            json!([picture("https://a.example/1")]),
        );
        // Pictures of an answer are skipped.
        check_content(
            r#"{"role":"ai","files":[{"src":"data:image/png;base64,AAAA"}]},{"role":"user","text":"hi"}"#,
            json!("hi"),
        );
    }

    #[test]
    fn pictures_are_limited_in_number_and_kind() {
        let ask_with = |role: &str, part: &str, count| {
            let parts = vec![part; count].join(",");
            let question = r#"{"role":"user","content":"hi"}"#;
            let body =
                format!(r#"{{"messages":[{{"role":"{role}","content":[{parts}]}},{question}]}}"#);
            ask("", JSON, body.as_bytes()).map_err(|failure| failure.code())
        };
        let picture = r#"{"type":"image_url","image_url":{"url":"https://a.example/1"}}"#;
        assert!(ask_with("user", picture, 4).is_ok());
        assert_eq!(ask_with("user", picture, 5), Err("question_too_long"));
        assert_eq!(ask_with("system", picture, 1), Err("body_unreadable"));
        for part in [
            r#"{"type":"image_url","image_url":{"url":"http://a.example/1"}}"#,
            r#"{"type":"image_url","image_url":{"url":"data:text/html,x"}}"#,
            r#"{"type":"image_url","image_url":{}}"#,
            r#"{"type":"file","mediaType":"application/pdf","url":"https://a.example/1"}"#,
            r#"{"type":"input_audio","input_audio":{"data":"AAAA","format":"mp3"}}"#,
            r#"{"type":"tool"}"#,
            "7",
        ] {
            assert_eq!(ask_with("user", part, 1), Err("body_unreadable"), "{part}");
        }
    }

    #[test]
    fn length_does_not_count_pictures() {
        let settings = Settings::from_pairs(&[("ASK_MAX_QUESTION", "2")]);
        let picture = format!("data:image/png;base64,{}", "A".repeat(100));
        let body = format!(
            r#"{{"messages":[{{"role":"user","text":"hi","files":[{{"src":"{picture}"}}]}}]}}"#
        );
        assert!(ask_with(&settings, "", JSON, body.as_bytes()).is_ok());
    }

    #[test]
    fn model_is_one_of_the_list() {
        let settings = Settings::from_pairs(&[("OPENAI_MODEL", "m1,m2")]);
        let choose = |query: &str, content_type: &str, body: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
            let body = Body::parse(&headers, body.as_bytes());
            let query = Query::parse(query.as_bytes()).unwrap();
            Question::find(&query, body.as_ref(), &settings)
                .map(|question| question.model)
                .map_err(|failure| failure.code())
        };
        let (m1, m2) = (Ok(Some("m1".to_owned())), Ok(Some("m2".to_owned())));
        let messages = |model: &str| {
            format!(r#"{{"messages":[{{"role":"user","content":"hi"}}],"model":{model}}}"#)
        };
        assert_eq!(choose("q=hi&model=m2", JSON, ""), m2);
        assert_eq!(choose("q=hi&model=", JSON, "{\"model\":\"m2\"}"), Ok(None));
        assert_eq!(choose("q=hi&model=m3", JSON, ""), Err("model"));
        assert_eq!(choose("model=m1", "text/plain", "hi"), m1);
        assert_eq!(choose("", FORM, "q=hi&model=m2"), m2);
        assert_eq!(choose("model=m1", FORM, "q=hi&model=m2"), m1);
        assert_eq!(choose("", JSON, r#"{"q":"hi","model":"m2"}"#), m2);
        assert_eq!(choose("", JSON, r#"{"q":"hi","model":" "}"#), Ok(None));
        assert_eq!(choose("", JSON, r#"{"q":"hi","model":null}"#), Ok(None));
        assert_eq!(choose("", JSON, r#"{"q":"hi","model":7}"#), Err("model"));
        assert_eq!(choose("", JSON, r#"{"q":"hi","model":"m3"}"#), Err("model"));
        assert_eq!(choose("", JSON, &messages("\"m2\"")), m2);
        assert_eq!(choose("", JSON, &messages("\"m3\"")), Ok(None));
        assert_eq!(choose("model=m3", JSON, &messages("\"m2\"")), Err("model"));
        assert_eq!(choose("model=m1", JSON, &messages("\"m2\"")), m1);
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
