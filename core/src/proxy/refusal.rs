//! A provider's error where a key was lent.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde_json::{Deserializer, Value};

use crate::secret::Mask;

/// The body of an error with what repeats parts of a key replaced, and all else as it is to the byte. Nothing where it
/// cannot be read, or where a key is in what cannot be replaced.
pub fn masked(body: &[u8], mask: &Mask) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok()?;
    let masked = match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => strings_masked(text, mask)?,
        Err(_) => mask.text(text).into_owned(),
    };
    Some(masked.into_bytes())
}

/// Masks each string of a JSON text where it stands: a member whose name comes again is one that a parser would drop,
/// and that a reader still sees. Names are masked as such, and so is what programs read: a key may hold `type` by chance.
fn strings_masked(json: &str, mask: &Mask) -> Option<String> {
    let mut masked = String::with_capacity(json.len());
    let mut rest = json;
    let mut is_kind_next = false;
    // Outside of strings, JSON has no quotation marks.
    while let Some(start) = rest.find('"') {
        let between = &rest[..start];
        let mut strings = Deserializer::from_str(&rest[start..]).into_iter::<String>();
        let said = strings.next()?.ok()?;
        let end = start + strings.byte_offset();
        let is_name = rest[end..].trim_start().starts_with(':');
        let is_kind = is_kind_next && between.trim() == ":";
        masked.push_str(no_string(between, mask)?);
        match if is_name || is_kind { mask.name(&said) } else { mask.text(&said) } {
            Cow::Borrowed(_) => masked.push_str(&rest[start..end]),
            Cow::Owned(said) => masked.push_str(&Value::from(said).to_string()),
        }
        is_kind_next = is_name && matches!(said.as_str(), "type" | "code");
        rest = &rest[end..];
    }
    masked.push_str(no_string(rest, mask)?);
    Some(masked)
}

/// What is between strings, where it holds no key: a number with a part of it replaced would be none.
fn no_string<'a>(between: &'a str, mask: &Mask) -> Option<&'a str> {
    matches!(mask.name(between), Cow::Borrowed(_)).then_some(between)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[track_caller]
    fn check(body: &[u8], expected: Option<&str>) {
        let mask = Mask::new([Secret::new("sk-type-Alpha99".into())]);
        let masked = masked(body, &mask).map(|body| String::from_utf8(body).unwrap());
        assert_eq!(masked.as_deref(), expected);
    }

    #[test]
    fn parts_of_keys_are_replaced_and_the_shape_is_kept() {
        check(
            br#"{"error":{"message":"Incorrect API key provided: sk-ty**99, Alpha99.","type":"type_error","code":"sk-x"}}"#,
            Some(r#"{"error":{"message":"Incorrect API key provided: […], […].","type":"type_error","code":"sk-x"}}"#),
        );
        check(
            br#"{"code":"sk-type-Alpha99","type":"type_error"}"#,
            Some(r#"{"code":"[…]","type":"type_error"}"#),
        );
        check(br#"{"error":["ends in pha99"]}"#, Some(r#"{"error":["ends in […]"]}"#));
        check(b"no JSON: Alpha", Some("no JSON: […]"));
    }

    #[test]
    fn what_holds_no_key_is_kept_to_the_byte() {
        let body = r#"{ "error": {"type": "b", "code": null, "a": 1.50} }"#;
        check(body.as_bytes(), Some(body));
    }

    #[test]
    fn no_member_hides_a_key() {
        check(
            br#"{"message":"pha99 is bad","message":"x"}"#,
            Some(r#"{"message":"[…] is bad","message":"x"}"#),
        );
        check(
            br#"{"message":"pha99","other":"pha99"}"#,
            Some(r#"{"message":"[…]","other":"[…]"}"#),
        );
        check(
            br#"{"sk-type-Alpha99" : {"type":"\u0070ha99 type"}}"#,
            Some(r#"{"[…]" : {"type":"\u0070ha99 type"}}"#),
        );
        check(
            br#"{"a":{"said \"\u0070ha99\"":1}, "b\\":"\"\u0070ha99\\"}"#,
            Some(r#"{"a":{"said \"\u0070ha99\"":1}, "b\\":"\"[…]\\"}"#),
        );
    }

    #[test]
    fn what_cannot_be_read_is_not_passed_on() {
        let mask = Mask::new([Secret::new("2468-13579753".into())]);
        assert_eq!(masked(br#"{"message":"no","key":13579753}"#, &mask), None);
        check(b"\x1f\x8b\x08\x00", None);
    }
}
