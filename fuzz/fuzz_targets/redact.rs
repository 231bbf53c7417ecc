//! Redacted texts and error bodies hold no part of a secret, and other texts are unchanged.

#![no_main]

use std::str::Chars;

use ask_core::proxy::redact_error_body;
use ask_core::settings::{Redactor, Secret};
use libfuzzer_sys::fuzz_target;
use scf_ask_fuzz::{holds_run, leaks};
use serde::de::IgnoredAny;
use serde_json::Value;

/// Members that programs read. They are redacted as names.
const PROGRAM_MEMBERS: [&str; 3] = ["type", "code", "param"];

// The first line is the secret, the rest the text.
fuzz_target!(|text: &str| {
    let Some((secret, text)) = text.split_once('\n') else { return };
    // Settings allow visible ASCII only. A part of the replacement `[…]` would be found again.
    let is_secret = |byte: u8| byte.is_ascii_graphic() && !b"[]".contains(&byte);
    if secret.len() < 4 || !secret.bytes().all(is_secret) {
        return;
    }
    let redactor = Redactor::new([Secret::new(secret.into())]);
    let redacted = redactor.text(text);
    assert!(!leaks(&redacted, secret), "{redacted}");
    let marks_of_keys = ["sk-", "org-", "proj_", "sess-", "**"];
    if !leaks(text, secret) && !marks_of_keys.iter().any(|mark| text.contains(mark)) {
        assert_eq!(redacted, text);
    }
    let name = redactor.name(text);
    assert!(!leaks_as_name(&name, secret), "{name}");

    let Some(body) = redact_error_body(text.as_bytes(), &redactor, "换") else { return };
    let body = str::from_utf8(&body).expect("a redacted body is UTF-8");
    if !is_json(text) {
        assert!(!leaks(body, secret), "{body}");
        return;
    }
    assert!(is_json(body), "{body}");
    assert!(!leaks_as_name(body, secret), "{body}");
    for string in strings(body) {
        assert!(!leaks_as_name(&string, secret), "{string}");
    }
    if let Ok(body) = serde_json::from_str(body) {
        check_value(&body, "", secret);
    }
});

/// Returns whether a name holds eight characters of a secret in a row, or a shorter secret.
fn leaks_as_name(name: &str, secret: &str) -> bool {
    holds_run(name, secret, secret.len().min(8))
}

/// Returns whether a text is JSON by its grammar, after a byte order mark.
///
/// `Value` also limits depth and numbers, and refuses lone surrogates. Other parsers accept them.
fn is_json(text: &str) -> bool {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

fn check_value(value: &Value, name: &str, secret: &str) {
    match value {
        Value::String(text) if PROGRAM_MEMBERS.contains(&name) => {
            assert!(!leaks_as_name(text, secret), "{text}");
        }
        Value::String(text) => assert!(!leaks(text, secret), "{text}"),
        Value::Array(items) => items.iter().for_each(|item| check_value(item, name, secret)),
        Value::Object(members) => members.iter().for_each(|(name, member)| {
            assert!(!leaks_as_name(name, secret), "{name}");
            check_value(member, name, secret);
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Returns the decoded strings of a JSON text.
fn strings(json: &str) -> Vec<String> {
    let mut strings = Vec::new();
    let mut chars = json.chars();
    while chars.any(|char| char == '"') {
        let mut string = String::new();
        while let Some(char) = chars.next().filter(|char| *char != '"') {
            string.push(if char == '\\' { unescape(&mut chars) } else { char });
        }
        strings.push(string);
    }
    strings
}

fn unescape(chars: &mut Chars) -> char {
    match chars.next() {
        Some('u') => {
            let digits: String = chars.take(4).collect();
            let code = u32::from_str_radix(&digits, 16).ok();
            code.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER)
        }
        Some(quoted @ ('"' | '\\' | '/')) => quoted,
        // A control character.
        _ => ' ',
    }
}
