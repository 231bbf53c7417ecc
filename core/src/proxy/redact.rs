//! Redacts an upstream error whose request had the server's key.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde_json::Value;

use crate::json;
use crate::settings::{Redactor, has_key_like_word};

/// Members that programs read. They are redacted as names.
const PROGRAM_MEMBERS: [&str; 3] = ["type", "code", "param"];

/// Removes parts of secrets from the body of an error.
///
/// A `message` that holds eight characters of a secret or looks like a key becomes `replacement`.
/// A body without secrets and without escapes is returned unchanged. Other JSON is written anew, so
/// that neither an escape nor a repeated member hides a secret.
///
/// Returns `None` if the body is not UTF-8, is JSON that cannot be read, or holds a part of a
/// secret outside of strings.
pub fn redact_error_body(body: &[u8], redactor: &Redactor, replacement: &str) -> Option<Vec<u8>> {
    let text = str::from_utf8(body).ok()?.trim_start_matches('\u{feff}');
    let redacted = redactor.text(text);
    if !text.contains('\\') && matches!(redacted, Cow::Borrowed(_)) {
        return Some(body.to_vec());
    }
    let Ok(mut error) = json::from_slice::<Value>(text.as_bytes()) else {
        // Escapes in numbers too large or lists too deep would still be read by others.
        let is_json = serde_json::from_str::<IgnoredAny>(text).is_ok();
        return (!is_json).then(|| redacted.into_owned().into_bytes());
    };
    redact_value(&mut error, "", redactor, replacement);
    let rewritten = error.to_string();
    is_unchanged(redactor.name(&rewritten)).then(|| rewritten.into_bytes())
}

fn redact_value(value: &mut Value, name: &str, redactor: &Redactor, replacement: &str) {
    match value {
        Value::String(text) => {
            let redacted = match name {
                name if PROGRAM_MEMBERS.contains(&name) => redactor.name(text).into_owned(),
                "message" if !is_unchanged(redactor.name(text)) || has_key_like_word(text) => {
                    replacement.to_owned()
                }
                _ => redactor.text(text).into_owned(),
            };
            *text = redacted;
        }
        Value::Array(items) => {
            items.iter_mut().for_each(|item| redact_value(item, name, redactor, replacement));
        }
        Value::Object(members) => {
            *members = std::mem::take(members)
                .into_iter()
                .map(|(name, mut member)| {
                    redact_value(&mut member, &name, redactor, replacement);
                    (redactor.name(&name).into_owned(), member)
                })
                .collect();
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn is_unchanged(redacted: Cow<str>) -> bool {
    matches!(redacted, Cow::Borrowed(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Secret;

    #[track_caller]
    fn check(body: &[u8], expected: Option<&str>) {
        let redactor = Redactor::new([Secret::new("sk-type-Alpha99".into())]);
        let redacted = redact_error_body(body, &redactor, "ours");
        let redacted = redacted.map(|body| String::from_utf8(body).unwrap());
        assert_eq!(redacted.as_deref(), expected, "{}", String::from_utf8_lossy(body));
    }

    #[test]
    fn message_with_a_key_is_replaced() {
        check(
            br#"{"error":{"message":"Incorrect API key provided: sk-ty**99.","type":"type_error","code":"sk-x"}}"#,
            Some(r#"{"error":{"code":"sk-x","message":"ours","type":"type_error"}}"#),
        );
        check(br#"{"message":"key: type-Alpha"}"#, Some(r#"{"message":"ours"}"#));
        check(br#"{"error":{"message":["sk-type-A"]}}"#, Some(r#"{"error":{"message":["ours"]}}"#));
    }

    #[test]
    fn short_runs_are_redacted_alone() {
        check(br#"{"message":"ends in pha99"}"#, Some(r#"{"message":"ends in […]"}"#));
        check(br#"{"error":["ends in pha99"]}"#, Some(r#"{"error":["ends in […]"]}"#));
        check(b"not JSON: Alpha", Some("not JSON: […]"));
    }

    #[test]
    fn members_of_programs_change_only_at_eight_characters() {
        check(
            br#"{"code":"sk-type-Alpha99","type":"type_error","param":"type"}"#,
            Some(r#"{"code":"[…]","param":"type","type":"type_error"}"#),
        );
    }

    #[test]
    fn body_without_secrets_is_unchanged() {
        let body = r#"{ "error": {"kind": "b", "code": null, "a": 1.50} }"#;
        check(body.as_bytes(), Some(body));
    }

    #[test]
    fn escapes_and_repeated_members_hide_nothing() {
        check(br#"{"message":"pha99 is bad","message":"x"}"#, Some(r#"{"message":"x"}"#));
        check(
            br#"{"message":"pha99","other":"pha99"}"#,
            Some(r#"{"message":"[…]","other":"[…]"}"#),
        );
        check(
            br#"{"sk-type-Alpha99" : {"type":"\u0070ha99 type","text":"\u0070ha99"}}"#,
            Some(r#"{"[…]":{"text":"[…]","type":"pha99 type"}}"#),
        );
        check(
            br#"{"a":{"said \"\u0070ha99\"":1}, "b\\":"\"\u0070ha99\\"}"#,
            Some(r#"{"a":{"said \"pha99\"":1},"b\\":"\"[…]\\"}"#),
        );
    }

    #[test]
    fn secret_outside_of_strings_is_not_forwarded() {
        let redactor = Redactor::new([Secret::new("2468-13579753".into())]);
        let body = br#"{"message":"no","key":13579753}"#;
        assert_eq!(redact_error_body(body, &redactor, "ours"), None);
        check(b"\x1f\x8b\x08\x00", None);
    }

    #[test]
    fn escapes_hide_no_secret() {
        let escaped: String =
            "sk-type-Alpha99".chars().map(|c| format!("\\u{:04x}", c as u32)).collect();
        let decoded = |body: &str| {
            let redactor = Redactor::new([Secret::new("sk-type-Alpha99".into())]);
            redact_error_body(body.as_bytes(), &redactor, "ours")
        };
        for body in [
            format!(r#"{{"message":"{escaped}","x":"\ud83d"}}"#),
            format!("\u{feff}{{\"message\":\"{escaped}\"}}"),
        ] {
            let body = String::from_utf8(decoded(&body).unwrap()).unwrap();
            assert!(body.contains(r#""message":"ours""#), "{body}");
        }
        for unreadable in [
            format!(r#"{{"message":"{escaped}","n":1e999}}"#),
            format!(r#"{{"message":"{escaped}","n":{}{}}}"#, "[".repeat(130), "]".repeat(130)),
        ] {
            assert!(decoded(&unreadable).is_none(), "{unreadable}");
        }
    }
}
