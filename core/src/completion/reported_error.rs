//! The error that an upstream reported: its codes and messages, wherever they stand.

use http::StatusCode;
use serde_json::{Map, Value};

use super::events::{Event, EventReader};
use super::phrases::{code_words, message_words, says_any};
use super::syntax::{is_done_marker, starts_with_field, trim_start};
use crate::json;
use crate::settings::Redactor;

/// Maximum length of a shown message, in characters.
const MAX_MESSAGE: usize = 500;

/// Maximum depth at which an error is searched for codes and messages.
const MAX_DEPTH: u8 = 10;

/// Maximum number of messages that are shown, and of items that are searched in a list.
const MAX_MESSAGES: usize = 2;

/// Members that hold a code.
const CODES: &[&str] =
    &["code", "type", "status", "error_code", "errcode", "status_code", "http_code", "reason"];

/// Members that hold a message, as a text, a list or an object.
const MESSAGES: &[&str] = &[
    "message",
    "msg",
    "error_msg",
    "error_message",
    "err_msg",
    "error_description",
    "status_msg",
    "detail",
    "faultstring",
];

/// Members that describe an error, beside a message or in its place.
const DESCRIPTIONS: &[&str] = &["title", "description"];

/// Members that hold another error.
const NESTED: &[&str] =
    &["error", "base_resp", "response", "fault", "metadata", "raw", "details", "inner_error"];

/// Members that report an error without any other sign, unless they are empty.
const ERRORS: &[&str] =
    &["error", "errors", "detail", "error_code", "error_msg", "error_message", "fault"];

/// Members that report an error beside a message, if they are a code of a failure.
const FAILURE_CODES: &[&str] = &["code", "errcode"];

/// Members that report an error if they are an HTTP status of one.
const STATUSES: &[&str] = &["status", "status_code", "http_status"];

/// Codes, statuses and errors that say that there is none.
const SUCCESS: &[&str] = &["", "0", "ok", "success", "succeeded", "null", "none", "false"];

/// The codes and messages of an error.
#[derive(Default)]
pub(super) struct ReportedError {
    /// Codes, numbers included.
    codes: Vec<String>,
    /// The codes as words, a line each.
    code_words: String,
    messages: Vec<String>,
    /// The messages as words, a line each.
    message_words: String,
}

impl ReportedError {
    /// Finds the codes and messages in a value.
    pub(super) fn from_value(error: &Value) -> Self {
        let mut reported = Self::default();
        reported.collect(error, MAX_DEPTH);
        reported.message_words = message_words(&reported.messages.join("\n"));
        reported
    }

    /// Finds the codes and messages in a text: JSON, events, or the message itself.
    pub(super) fn from_text(text: &[u8]) -> Self {
        Self::from_value(&value(text))
    }

    /// Returns whether there is a message.
    pub(super) fn has_message(&self) -> bool {
        !self.messages.is_empty()
    }

    /// Returns the first messages, or else the first codes, redacted and cut. May be empty.
    pub(super) fn message(&self, redactor: &Redactor) -> String {
        let has_words = |code: &&String| code.contains(char::is_alphabetic) && *code != "error";
        let words: Vec<&String> = match self.has_message() {
            true => self.messages.iter().collect(),
            false => self.codes.iter().filter(has_words).collect(),
        };
        let shown = words.into_iter().take(MAX_MESSAGES).map(String::as_str);
        let joined = shown.collect::<Vec<_>>().join("; ");
        let one_line = joined.chars().map(|char| if char.is_whitespace() { ' ' } else { char });
        let shown = one_line.filter(|char| !char.is_control()).take(MAX_MESSAGE);
        redactor.text(&shown.collect::<String>()).into_owned()
    }

    /// Returns whether a code says one of these [phrases](says_any).
    pub(super) fn code_says(&self, phrases: &[&str]) -> bool {
        says_any(&self.code_words, phrases)
    }

    /// Returns whether a message says one of these [phrases](says_any).
    pub(super) fn message_says(&self, phrases: &[&str]) -> bool {
        says_any(&self.message_words, phrases)
    }

    /// Returns whether a code or a message says one of these [phrases](says_any).
    pub(super) fn says(&self, phrases: &[&str]) -> bool {
        self.code_says(phrases) || self.message_says(phrases)
    }

    /// Returns whether one of the codes is this one.
    pub(super) fn has_code(&self, code: &str) -> bool {
        self.codes.iter().any(|known| known == code)
    }

    /// Returns the first code that is the HTTP status of an error.
    pub(super) fn status(&self) -> Option<StatusCode> {
        let codes = self.codes.iter().filter_map(|code| code.parse::<u16>().ok());
        let mut statuses = codes.filter_map(|code| StatusCode::from_u16(code).ok());
        statuses.find(|status| status.is_client_error() || status.is_server_error())
    }

    fn collect(&mut self, value: &Value, depth: u8) {
        let Some(depth) = depth.checked_sub(1) else { return };
        match value {
            Value::String(text) => self.collect_text(text, depth),
            Value::Array(items) => {
                items.iter().take(MAX_MESSAGES).for_each(|item| self.collect(item, depth));
            }
            Value::Object(object) => {
                members(object, CODES).for_each(|code| self.collect_code(code));
                // OAuth has its code here: <https://www.rfc-editor.org/rfc/rfc6749#section-5.2>
                members(object, &["error"])
                    .filter(|error| error.as_str().is_some_and(is_word))
                    .for_each(|code| self.collect_code(code));
                members(object, MESSAGES).for_each(|words| self.collect_words(words, depth));
                members(object, &["errors"]).for_each(|words| self.collect_words(words, depth));
                members(object, NESTED).for_each(|error| self.collect(error, depth));
                members(object, DESCRIPTIONS).for_each(|words| self.collect(words, depth));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn collect_code(&mut self, code: &Value) {
        let code = match code {
            Value::String(code) => code.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            _ => return,
        };
        self.code_words.push_str(&code_words(&code));
        self.code_words.push('\n');
        self.codes.push(code);
    }

    /// Takes the messages in a member that holds nothing else. Their names may be those of fields.
    fn collect_words(&mut self, words: &Value, depth: u8) {
        let count = self.messages.len();
        self.collect(words, depth);
        if let (Value::Object(fields), true) = (words, self.messages.len() == count) {
            fields.values().take(MAX_MESSAGES).for_each(|field| self.collect(field, depth));
        }
    }

    /// Takes a message, or the error in a text that is JSON itself, as relays nest them.
    fn collect_text(&mut self, text: &str, depth: u8) {
        let text = text.trim();
        if text.starts_with(['{', '['])
            && let Ok(nested) = json::from_slice::<Value>(text.as_bytes())
        {
            return self.collect(&nested, depth);
        }
        let is_new = !text.is_empty() && !self.messages.iter().any(|known| known == text);
        // A web page has no message that fits into a sentence.
        if is_new && !text.starts_with('<') {
            self.messages.push(text.to_owned());
        }
    }
}

/// Returns the JSON in a text, in the first event of a stream, or the text itself.
fn value(text: &[u8]) -> Value {
    let text = trim_start(text).trim_ascii_end();
    match starts_with_field(text) {
        Some(true) => first_event(text).map_or(Value::Null, |event| json_or_text(&event.data)),
        _ => json_or_text(text),
    }
}

fn first_event(mut stream: &[u8]) -> Option<Event> {
    let mut events = EventReader::default();
    let first = events.next(&mut stream).or_else(|| events.finish().0);
    first.filter(|event| !is_done_marker(event.data.trim_ascii()))
}

fn json_or_text(text: &[u8]) -> Value {
    json::from_slice_lossy(text).unwrap_or_else(|_| str::from_utf8(text).unwrap_or_default().into())
}

/// Returns the members with these names. Case and underscores do not count.
fn members<'a>(object: &'a Map<String, Value>, names: &[&str]) -> impl Iterator<Item = &'a Value> {
    let bare = |name: &str| name.replace('_', "").to_ascii_lowercase();
    names.iter().flat_map(move |name| {
        let found = object.iter().filter(move |(found, _)| bare(found) == bare(name));
        found.map(|(_, member)| member)
    })
}

/// Returns whether an error member reports an error. Some upstreams send an empty one, or one with
/// only empty members, beside every answer.
pub(super) fn is_error(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !is_success_word(text),
        Value::Array(items) => items.iter().any(is_error),
        Value::Object(members) => {
            !members.get("code").is_some_and(is_success_code) && members.values().any(is_error)
        }
    }
}

/// Returns whether MiniMax's `base_resp` reports a failure.
pub(super) fn is_failed_base_resp(base_resp: &Value) -> bool {
    base_resp.get("status_code").is_some_and(is_failure_code)
}

/// Returns whether an object without `choices` reports an error.
pub(super) fn reports_error(object: &Value) -> bool {
    let Some(object) = object.as_object() else { return false };
    let any = |names, is: fn(&Value) -> bool| members(object, names).any(is);
    let is_status = |status: &Value| status.as_u64().is_some_and(|status| status >= 400);
    let is_failed = any(FAILURE_CODES, is_failure_code)
        || any(&["status"], |status| ["error", "fail", "failed"].iter().any(|word| status == word));
    any(ERRORS, is_error)
        || any(STATUSES, is_status)
        || any(&["object", "type", "event"], |kind| kind == "error")
        || any(&["success", "ok"], |success| success == false)
        || any(&["base_resp"], is_failed_base_resp)
        || any(&["response"], reports_error)
        || is_failed && any(MESSAGES, |message| !message.is_null())
}

/// Returns whether a list holds an object that reports an error.
pub(super) fn is_error_list(value: &Value) -> bool {
    value.as_array().is_some_and(|items| items.iter().any(reports_error))
}

/// Returns whether a code means success: 0, 2xx, or a word.
fn is_success_code(code: &Value) -> bool {
    let is_said = code.is_number() || code.as_str().is_some_and(|text| !text.trim().is_empty());
    is_said && !is_failure_code(code)
}

/// Returns whether a code is one of a failure: not 0, 2xx, or a word for success.
fn is_failure_code(code: &Value) -> bool {
    let number = code.as_i64().or_else(|| code.as_str()?.trim().parse().ok());
    match number {
        Some(number) => number != 0 && !(200..300).contains(&number),
        None => is_error(code),
    }
}

fn is_success_word(text: &str) -> bool {
    SUCCESS.iter().any(|word| text.trim().eq_ignore_ascii_case(word))
}

/// Returns whether a text is one word, as a code is.
fn is_word(text: &str) -> bool {
    !text.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        ReportedError::from_text(text.as_bytes()).message(&Redactor::default())
    }

    #[test]
    fn message_is_redacted_and_cut() {
        let long = "x".repeat(600);
        let long = message(&format!(r#"{{"error":{{"message":"bad key sk-12345 {long}"}}}}"#));
        assert!(long.starts_with("bad key […] x"));
        assert!(long.chars().count() < MAX_MESSAGE);
        assert_eq!(message("a\nb \u{1b}[31mc"), "a b [31mc");
    }

    #[test]
    fn message_is_found_in_every_place() {
        for (body, expected) in [
            (r#"{"error":{"message":"a"}}"#, "a"),
            (r#"{"error":"a"}"#, "a"),
            (r#"{"error":["a","b"]}"#, "a; b"),
            (r#"{"message":["a"]}"#, "a"),
            (r#"{"message":{"detail":"a"}}"#, "a"),
            (r#"{"error":{"message":"{\"error\":{\"message\":\"a\"}}"}}"#, "a"),
            (r#"{"detail":"a"}"#, "a"),
            (r#"{"detail":[{"loc":["body"],"msg":"a","type":"missing"}]}"#, "a"),
            (r#"{"errors":[{"message":"a"}]}"#, "a"),
            (r#"{"code":7,"msg":"a"}"#, "a"),
            (r#"{"error_code":7,"error_msg":"a"}"#, "a"),
            (r#"{"error":{"message":"a","metadata":{"raw":"b"}}}"#, "a; b"),
            (
                r#"{"error":{"message":"a","metadata":{"raw":"{\"error\":{\"message\":\"b\"}}"}}}"#,
                "a; b",
            ),
            (r#"[{"error":{"message":"a"}}]"#, "a"),
            ("plain text", "plain text"),
            ("<html>", ""),
            ("", ""),
        ] {
            assert_eq!(message(body), expected, "{body}");
        }
    }

    #[test]
    fn empty_error_members_report_no_error() {
        for empty in
            ["null", "false", "\"\"", "{}", "[]", "0", r#"{"message":"","code":null,"type":""}"#]
        {
            assert!(!is_error(&serde_json::from_str(empty).unwrap()), "{empty}");
        }
        for object in [
            r#"{"error":"x"}"#,
            r#"{"detail":"x"}"#,
            r#"{"code":500,"msg":"x"}"#,
            r#"{"code":"Failed","message":"x"}"#,
            r#"{"object":"error","message":"x"}"#,
            r#"{"base_resp":{"status_code":1004,"status_msg":"login fail"}}"#,
        ] {
            assert!(reports_error(&serde_json::from_str(object).unwrap()), "{object}");
        }
        for object in [
            "{}",
            r#"{"type":"ping"}"#,
            r#"{"code":0,"message":"ok"}"#,
            r#"{"code":"success","msg":"x"}"#,
            r#"{"citations":["x"],"usage":{"total_tokens":1}}"#,
            r#"{"base_resp":{"status_code":0,"status_msg":"success"}}"#,
        ] {
            assert!(!reports_error(&serde_json::from_str(object).unwrap()), "{object}");
        }
    }
}
