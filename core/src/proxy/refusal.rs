//! A provider's error where a key was lent.

use std::borrow::Cow;

use serde_json::Value;

use crate::secret::Mask;

/// The body of an error with what repeats parts of a key replaced, and unchanged where nothing does. Nothing where it
/// cannot be read.
pub fn masked(body: &[u8], mask: &Mask) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok()?;
    let Ok(mut json) = serde_json::from_str::<Value>(text) else {
        return Some(mask.text(text).into_owned().into_bytes());
    };
    match mask_strings(&mut json, mask, false) {
        true => Some(json.to_string().into_bytes()),
        false => Some(body.to_vec()),
    }
}

/// Masks what is said, and as a name what programs read: a key may hold `type` by chance. Tells whether anything changed.
fn mask_strings(json: &mut Value, mask: &Mask, is_name: bool) -> bool {
    match json {
        Value::String(said) => {
            let masked = if is_name { mask.name(said) } else { mask.text(said) };
            let Cow::Owned(masked) = masked else { return false };
            *said = masked;
            true
        }
        Value::Array(items) => {
            items.iter_mut().fold(false, |changed, item| mask_strings(item, mask, is_name) | changed)
        }
        Value::Object(members) => members.iter_mut().fold(false, |changed, (name, member)| {
            mask_strings(member, mask, matches!(name.as_str(), "type" | "code")) | changed
        }),
        _ => false,
    }
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
            Some(r#"{"error":{"code":"sk-x","message":"Incorrect API key provided: […], […].","type":"type_error"}}"#),
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
    fn what_cannot_be_read_is_not_passed_on() {
        check(b"\x1f\x8b\x08\x00", None);
    }
}
