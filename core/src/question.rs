//! Finding the question in a request.

use http::HeaderMap;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::lang::Sentence;
use crate::query::{Query, not_utf8};
use crate::settings::Settings;
use crate::shape::media_type;

/// The names under which a question is looked for, in this order.
const NAMES: [&str; 7] = ["question", "q", "prompt", "message", "chatInput", "input", "text"];

/// Who says a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions.
    System,
    /// The one who asks.
    User,
    /// The model.
    Assistant,
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said, trimmed and not empty.
    pub content: String,
}

impl Message {
    /// A question, or another message of the user's.
    pub fn user(content: &str) -> Self {
        Self { role: Role::User, content: content.to_owned() }
    }
}

/// What the body of a request holds.
#[derive(Debug)]
pub enum Body {
    /// Nothing.
    Empty,
    /// A JSON object.
    Object(Map<String, Value>),
    /// Text, or a JSON string.
    Text(String),
    /// A form.
    Form(Query),
}

impl Body {
    /// Reads a body by its content type. Fails where it is not what it says it is, or of another type.
    pub fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Failure> {
        // Editors on Windows put a byte order mark before what they save.
        let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::Empty);
        }
        let text = |body: &[u8]| str::from_utf8(body).map(str::to_owned).map_err(|_| not_utf8());
        match media_type(headers).as_deref() {
            Some(json) if json == "application/json" || json.ends_with("+json") => Self::json(body),
            Some("application/x-www-form-urlencoded") => Self::form(&text(body)?),
            Some("text/plain") => Ok(Self::Text(text(body)?)),
            Some(_) => Err(Failure::MediaType),
            None => match body.trim_ascii_start().first() {
                Some(b'{' | b'[' | b'"') => Self::json(body),
                _ => Ok(Self::Text(text(body)?)),
            },
        }
    }

    fn json(body: &[u8]) -> Result<Self, Failure> {
        if str::from_utf8(body).is_err() {
            return Err(not_utf8());
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(object)) => Ok(Self::Object(object)),
            Ok(Value::String(text)) => Ok(Self::Text(text)),
            Ok(_) => Err(unreadable(
                "its JSON is neither an object nor a string",
                "JSON 既不是对象也不是字符串",
            )),
            Err(_) => Err(unreadable("it is not valid JSON", "不是合法的 JSON")),
        }
    }

    /// A form; or, as `curl -d` calls everything a form, a JSON object or the question itself.
    fn form(body: &str) -> Result<Self, Failure> {
        if body.starts_with('{')
            && let Ok(Value::Object(object)) = serde_json::from_str(body)
        {
            return Ok(Self::Object(object));
        }
        // No form has blanks or characters beyond ASCII in it: this was typed.
        let typed = body.contains(|char: char| char.is_whitespace() || !char.is_ascii());
        if body.contains(['=', '&']) {
            let form = Query::parse(body.as_bytes())?;
            return Ok(if typed && in_query(&form).is_none() {
                Self::Text(body.to_owned())
            } else {
                Self::Form(form)
            });
        }
        if typed {
            return Ok(Self::Text(body.to_owned()));
        }
        // `curl --data-urlencode` writes spaces as %20, so that a + is one.
        let decoded = percent_decode_str(body).decode_utf8().map_err(|_| not_utf8())?;
        Ok(Self::Text(decoded.into_owned()))
    }

    /// n8n's `action`, where it stands in a JSON body.
    pub fn action(&self) -> Option<&str> {
        match self {
            Self::Object(object) => object.get("action")?.as_str(),
            _ => None,
        }
    }
}

/// The conversation that a request asks to go on with; its last message is the question. What stands in the query
/// wins over a body.
pub fn find(
    query: &Query,
    body: Result<&Body, &Failure>,
    settings: &Settings,
) -> Result<Vec<Message>, Failure> {
    let messages = match (in_query(query), body.map_err(Clone::clone)) {
        (Some(question), _) => vec![Message::user(question)],
        (None, body) => match body? {
            Body::Empty => return Err(Failure::QuestionMissing),
            Body::Text(text) => vec![Message::user(text.trim())],
            Body::Form(form) => {
                let question =
                    NAMES.iter().find_map(|name| form.get(name)).ok_or(Failure::QuestionMissing)?;
                vec![Message::user(question)]
            }
            Body::Object(object) => in_object(object, settings.system_prompt.is_some())?,
        },
    };
    checked(messages, settings)
}

/// The question in a query or a form, trimmed.
pub(crate) fn in_query(query: &Query) -> Option<&str> {
    NAMES.iter().find_map(|name| query.get(name))
}

/// A question on its own: from an event that is no request, or from a command line.
pub fn alone(question: &str, settings: &Settings) -> Result<Vec<Message>, Failure> {
    checked(vec![Message::user(question.trim())], settings)
}

/// Refuses what is empty or too long.
fn checked(messages: Vec<Message>, settings: &Settings) -> Result<Vec<Message>, Failure> {
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
    let named = NAMES.iter().filter_map(|name| object.get(*name)?.as_str());
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
                    "a system message is not taken, since ASK_SYSTEM_PROMPT is set",
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
        let content = content(message, role)?.trim().to_owned();
        // An answer can be empty in a widget's history, where it was broken off; the question cannot.
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

/// What a message says: OpenAI's `content`, a string or parts; deep-chat's `text`; the AI SDK's `parts`.
fn content(message: &Value, role: Role) -> Result<String, Failure> {
    let said = ["content", "text", "parts"].iter().find_map(|name| match &message[*name] {
        Value::Null => None,
        said => Some(said),
    });
    match said {
        None => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Array(parts)) => joined(parts, role),
        Some(_) => Err(unreadable("the content of a message is no text", "消息的内容不是文本")),
    }
}

/// The texts of the parts. An answer may hold steps and sources beside its text; a question with a picture in it would
/// be another question without.
fn joined(parts: &[Value], role: Role) -> Result<String, Failure> {
    let mut joined = String::new();
    for part in parts {
        match (part["text"].as_str(), part["type"].as_str()) {
            (Some(text), None | Some("text" | "input_text" | "output_text")) => {
                joined.push_str(text)
            }
            _ if role == Role::Assistant => {}
            _ => return Err(unreadable("only text can be asked here", "这里只接受文字提问")),
        }
    }
    Ok(joined)
}

fn unreadable(en: &str, zh: &str) -> Failure {
    Failure::BodyUnreadable(Sentence::new(en, zh))
}

#[cfg(test)]
mod tests {
    use http::header::CONTENT_TYPE;

    use super::*;

    const JSON: &str = "application/json";
    const FORM: &str = "application/x-www-form-urlencoded";

    fn settings(vars: &[(&str, &str)]) -> Settings {
        Settings::read(|name| {
            vars.iter().find(|(var, _)| *var == name).map(|(_, value)| value.into())
        })
    }

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
        let body = Body::read(&headers, body);
        find(&Query::parse(query.as_bytes()).unwrap(), body.as_ref(), settings)
    }

    fn ask(query: &str, content_type: &str, body: &[u8]) -> Result<Vec<Message>, Failure> {
        ask_with(&settings(&[]), query, content_type, body)
    }

    /// The request asks exactly this.
    #[track_caller]
    fn check(query: &str, content_type: &str, body: impl AsRef<[u8]>, question: &str) {
        assert_eq!(ask(query, content_type, body.as_ref()), Ok(vec![Message::user(question)]));
    }

    #[track_caller]
    fn refuse(query: &str, content_type: &str, body: impl AsRef<[u8]>, code: &str) {
        assert_eq!(ask(query, content_type, body.as_ref()).unwrap_err().code(), code);
    }

    #[test]
    fn in_the_query_under_any_name() {
        for name in NAMES {
            check(&format!("{name}=hi"), "", "", "hi");
        }
        check("q=second&question=first", "", "", "first");
        check("question=+&q=hi", "", "", "hi");
        check("question=&question=b", "", "", "b");
        check("question=100%2525+of+C%2B%2B%0A", "", "", "100%25 of C++");
    }

    #[test]
    fn the_query_wins_over_any_body() {
        check("q=hi", JSON, "{\"question\":\"no\"}", "hi");
        check("q=hi", JSON, "{broken", "hi");
        check("q=hi", "image/png", "\u{0}", "hi");
    }

    #[test]
    fn behind_a_byte_order_mark() {
        check("", JSON, "\u{feff}{\"question\":\"hi\"}", "hi");
        check("", "", "\u{feff}{\"question\":\"hi\"}", "hi");
        check("", FORM, "\u{feff}question=hi", "hi");
        check("", "text/plain", "\u{feff}hi", "hi");
        refuse("", "text/plain", "\u{feff}", "question_missing");
    }

    #[test]
    fn in_a_json_body() {
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
        refuse("", JSON, "{\"question\":", "body_unreadable");
        refuse("", JSON, "[1]", "body_unreadable");
        refuse("", "", "[", "body_unreadable");
        refuse("", JSON, "{\"question\":7}", "question_missing");
        refuse("", JSON, "{}", "question_missing");
    }

    #[test]
    fn in_a_form() {
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
        refuse("", FORM, "a=b", "question_missing");
        refuse("", FORM, "q=%ff", "body_unreadable");
    }

    #[test]
    fn in_a_text() {
        check("", "text/plain", " {\"question\":\"hi\"} ", "{\"question\":\"hi\"}");
        check("", "text/plain; charset=utf-8", "a=b&c", "a=b&c");
        check("", "", "what = this?", "what = this?");
        refuse("", "text/plain", b"\xff", "body_unreadable");
        refuse("", "", b"{\"q\":\"\xff\"}", "body_unreadable");
        refuse("", "", "", "question_missing");
        refuse("", "text/plain", " \n", "question_missing");
        refuse("", "image/png", "x", "media_type");
        refuse("", "multipart/form-data; boundary=x", "x", "media_type");
        refuse("", "image/png", "", "question_missing");
    }

    #[test]
    fn in_a_conversation() {
        let body = r#"{"messages":[
            {"role":"system","content":"Be brief."},
            {"role":"user","text":"a"},
            {"role":"ai","text":"b"},
            {"role":"assistant","content":""},
            {"role":"assistant","parts":[{"type":"step-start"},{"type":"text","text":"c"}]},
            {"role":"user","content":[{"type":"text","text":"What is "},{"type":"text","text":"Rust? "}]}
        ]}"#;
        let said: Vec<_> = ask("", JSON, body.as_bytes()).unwrap();
        let said: Vec<_> =
            said.iter().map(|message| (message.role, message.content.as_str())).collect();
        let expected = [
            (Role::System, "Be brief."),
            (Role::User, "a"),
            (Role::Assistant, "b"),
            (Role::Assistant, "c"),
            (Role::User, "What is Rust?"),
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn a_conversation_that_is_no_question_is_refused() {
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
            refuse("", JSON, format!("{{\"messages\":{messages}}}"), code);
        }
    }

    #[test]
    fn the_callers_system_message_gives_way_to_the_owners() {
        let settings = settings(&[("ASK_SYSTEM_PROMPT", "Be kind.")]);
        let body = br#"{"messages":[{"role":"system","content":"Be rude."},{"role":"user","content":"hi"}]}"#;
        assert_eq!(ask_with(&settings, "", JSON, body).unwrap_err().code(), "body_unreadable");
    }

    #[test]
    fn length_counts_in_characters_over_all_messages() {
        let settings = settings(&[("ASK_MAX_QUESTION", "4")]);
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
