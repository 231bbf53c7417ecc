//! The form of deep-chat's messages with files.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::json;

/// A field of a form.
struct Field<'a> {
    name: &'a str,
    media_type: &'a str,
    value: &'a [u8],
}

/// Reads a form with the fields `message1`, `message2` and so on, which are JSON, and `files` of
/// the last message. Returns it as an object with `messages`, or `None` for another form.
pub(super) fn read_messages(content_type: &str, body: &[u8]) -> Option<Map<String, Value>> {
    let mut messages = Vec::new();
    let mut files = Vec::new();
    for field in fields(content_type, body)? {
        if field.name == "files" {
            let data = STANDARD.encode(field.value);
            files.push(json!({"src": format!("data:{};base64,{data}", field.media_type)}));
        } else if field.name.strip_prefix("message").is_some_and(is_number) {
            messages.push(json::from_slice::<Value>(field.value).ok()?);
        }
    }
    if !files.is_empty() {
        // A message of files alone has no field.
        if messages.last().is_none_or(|message| message["role"] != "user") {
            messages.push(json!({"role": "user"}));
        }
        messages.last_mut()?.as_object_mut()?.insert("files".into(), files.into());
    }
    (!messages.is_empty()).then(|| Map::from_iter([("messages".into(), messages.into())]))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Splits a form into its fields (RFC 7578). Returns `None` if it is invalid.
fn fields<'a>(content_type: &str, body: &'a [u8]) -> Option<Vec<Field<'a>>> {
    let boundary = parameter(content_type, "boundary")?;
    let delimiter = format!("\r\n--{boundary}");
    let mut rest = body.strip_prefix(&delimiter.as_bytes()[2..])?;
    let mut fields = Vec::new();
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let end = find(part, delimiter.as_bytes())?;
        let head_end = find(&part[..end], b"\r\n\r\n")?;
        let head = str::from_utf8(&part[..head_end]).ok()?;
        let header = |name: &str| {
            head.split("\r\n").find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim())
            })
        };
        fields.push(Field {
            name: parameter(header("content-disposition")?, "name")?,
            media_type: header("content-type").unwrap_or("text/plain"),
            value: &part[head_end + 4..end],
        });
        rest = &part[end + delimiter.len()..];
    }
    rest.starts_with(b"--").then_some(fields)
}

/// Returns the value of a parameter in a header.
fn parameter<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    header.split(';').skip(1).find_map(|parameter| {
        let (key, value) = parameter.trim().split_once('=')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim_matches('"'))
    })
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=----x";

    fn form(fields: &[(&str, &str)]) -> String {
        let fields = fields.iter().map(|(head, value)| {
            format!("------x\r\nContent-Disposition: form-data; name={head}\r\n\r\n{value}\r\n")
        });
        fields.collect::<String>() + "------x--\r\n"
    }

    #[test]
    fn files_belong_to_the_last_message() {
        let picture = ("\"files\"; filename=\"a;b.png\"\r\nContent-Type: image/png", "\u{1}png");
        let text = ("\"message2\"", r#"{"role":"user","text":"What?"}"#);
        let history = ("\"message1\"", r#"{"role":"ai","text":"Hi."}"#);
        let src = "data:image/png;base64,AXBuZw==";
        for (fields, expected) in [
            (
                vec![picture, history, text],
                json!([
                    {"role": "ai", "text": "Hi."},
                    {"role": "user", "text": "What?", "files": [{"src": src}]},
                ]),
            ),
            (
                vec![picture, history],
                json!([{"role": "ai", "text": "Hi."}, {"role": "user", "files": [{"src": src}]}]),
            ),
            (vec![picture], json!([{"role": "user", "files": [{"src": src}]}])),
            (vec![("other", "1"), text], json!([{"role": "user", "text": "What?"}])),
        ] {
            let object = read_messages(TYPE, form(&fields).as_bytes()).unwrap();
            assert_eq!(object["messages"], expected);
        }
    }

    #[test]
    fn other_forms_have_no_messages() {
        let body = form(&[("question", "hi")]);
        assert!(read_messages(TYPE, body.as_bytes()).is_none());
        let body = form(&[("message1", "{\"role\":\"user\",\"text\":\"hi\"}")]);
        assert!(read_messages(TYPE, body.as_bytes()).is_some());
        for length in 0..body.len() - 2 {
            assert!(read_messages(TYPE, &body.as_bytes()[..length]).is_none(), "{length}");
        }
        assert!(read_messages("multipart/form-data", body.as_bytes()).is_none());
        assert!(read_messages(TYPE, form(&[("message1", "hi")]).as_bytes()).is_none());
    }
}
