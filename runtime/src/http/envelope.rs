//! The reply to an HTTP event.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use http::{HeaderMap, Response};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::reply::{MAX_REPLY, TooLarge};

/// Serializes a response as the envelope of Function URLs
/// (<https://cloud.tencent.com/document/product/583/96099>) and of API Gateway's integrated
/// response (<https://cloud.tencent.com/document/product/583/12513>).
///
/// A repeated header becomes an array. A body that is not UTF-8 becomes base64.
///
/// # Errors
/// Fails if the envelope is larger than [`MAX_REPLY`], which the platform would not take.
pub fn envelope(response: Response<Vec<u8>>) -> Result<Vec<u8>, TooLarge> {
    let (head, body) = response.into_parts();
    let size = body.len();
    if size > MAX_REPLY {
        return Err(TooLarge { size });
    }
    let (body, is_base64_encoded) = match String::from_utf8(body) {
        Ok(text) => (text, false),
        Err(error) => (BASE64_STANDARD.encode(error.as_bytes()), true),
    };
    let envelope = Envelope {
        is_base64_encoded,
        status_code: head.status.as_u16(),
        headers: Headers(&head.headers),
        body: &body,
    };
    let mut bytes = Vec::with_capacity(body.len() + body.len() / 8 + 1024);
    serde_json::to_writer(&mut bytes, &envelope)
        .expect("writing to a `Vec` cannot fail, and every key of the envelope is a string");
    match bytes.len() {
        size if size > MAX_REPLY => Err(TooLarge { size }),
        _ => Ok(bytes),
    }
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    is_base64_encoded: bool,
    status_code: u16,
    headers: Headers<'a>,
    body: &'a str,
}

struct Headers<'a>(&'a HeaderMap);

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.keys_len()))?;
        for name in self.0.keys() {
            let values = self.0.get_all(name).iter();
            let mut values = values.map(|value| String::from_utf8_lossy(value.as_bytes()));
            match (values.next(), values.next()) {
                (Some(value), None) => map.serialize_entry(name.as_str(), &value)?,
                (first, second) => {
                    let all: Vec<_> = first.into_iter().chain(second).chain(values).collect();
                    map.serialize_entry(name.as_str(), &all)?;
                }
            }
        }
        map.end()
    }
}
