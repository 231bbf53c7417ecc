//! Converts HTTP requests to events.

use std::net::IpAddr;

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, header, request::Parts};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use crate::{buffer::Buffer, invocation::new_request_id, settings::Trigger};

/// Converts a request to the event of the trigger, as JSON. Size limits are not checked.
pub(crate) fn from_http(trigger: Trigger, head: &Parts, body: Buffer, peer: IpAddr) -> Buffer {
    let method = head.method.as_str();
    // A body that is not UTF-8 becomes base64. This is documented for API Gateway only
    // (https://cloud.tencent.com/document/product/583/12513) and assumed for Function URLs.
    let (text, base64) = match str::from_utf8(&body) {
        Ok(text) => (text.to_owned(), false),
        Err(_) => (BASE64_STANDARD.encode(&*body), true),
    };
    drop(body);
    let mut event = json!({
        "body": Value::Null,
        "headers": headers(&head.headers),
        "httpMethod": method,
        "path": head.uri.path(),
        "queryString": query(head.uri.query().unwrap_or_default()),
    });
    match trigger {
        Trigger::FunctionUrl => {
            event["headers"]["x-scf-remote-addr"] = json!(peer.to_string());
            if base64 {
                event["isBase64Encoded"] = json!(true);
            }
        }
        Trigger::ApiGateway | Trigger::ApiGatewayPassthrough => {
            let (stage, path) = split_stage(head.uri.path());
            event["path"] = json!(path);
            event["isBase64Encoded"] = json!(base64);
            event["headerParameters"] = json!({});
            event["pathParameters"] = json!({});
            // Holds only the parameters that are declared in the gateway: none here.
            event["queryStringParameters"] = json!({});
            event["stageVariables"] = json!({ "stage": stage });
            event["requestContext"] = json!({
                "serviceId": "service-local",
                "path": path,
                "httpMethod": method,
                "requestId": new_request_id(),
                "identity": {},
                "sourceIp": peer.to_string(),
                "stage": stage,
            });
        }
    }
    // Moved: `json!` would copy it.
    event["body"] = Value::String(text);
    event.to_string().as_bytes().into()
}

/// Converts headers: lower-case names, repeated values joined. A client's `x-scf-*` headers are
/// dropped: they belong to the platform.
fn headers(headers: &HeaderMap) -> Map<String, Value> {
    headers
        .keys()
        .filter(|name| !name.as_str().starts_with("x-scf-"))
        .map(|name| {
            let values: Vec<_> = headers
                .get_all(name)
                .iter()
                .map(|value| String::from_utf8_lossy(value.as_bytes()))
                .collect();
            let separator = if name == header::COOKIE { "; " } else { ", " };
            (name.as_str().to_owned(), json!(values.join(separator)))
        })
        .collect()
}

/// Decodes a query. A value is a string, an array if the key is repeated, or `true` if the key has
/// no `=`.
fn query(query: &str) -> Map<String, Value> {
    let mut map = Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = match pair.split_once('=') {
            Some((key, value)) => (key, json!(decode(value))),
            None => (pair, json!(true)),
        };
        match map.entry(decode(key)).or_insert(Value::Null) {
            Value::Array(values) => values.push(value),
            first @ Value::Null => *first = value,
            first => *first = json!([first.take(), value]),
        }
    }
    map
}

fn decode(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

/// Splits the stage off a path. The gateway's URL starts with the stage, and the event's path does
/// not include it.
fn split_stage(path: &str) -> (&'static str, &str) {
    ["release", "test", "prepub"]
        .into_iter()
        .find_map(|stage| match path.strip_prefix('/')?.strip_prefix(stage)? {
            "" => Some((stage, "/")),
            rest if rest.starts_with('/') => Some((stage, rest)),
            _ => None,
        })
        .unwrap_or(("release", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_values_are_decoded_once() {
        let check = |text: &str, expected: Value| {
            assert_eq!(Value::Object(query(text)), expected, "{text}")
        };
        check("", json!({}));
        check("q=%E4%BD%A0%E5%A5%BD", json!({"q": "你好"}));
        check("q=100%2525&p=C%2B%2B+x", json!({"q": "100%25", "p": "C++ x"}));
        check("tag=a&tag=b&tag", json!({"tag": ["a", "b", true]}));
        check("flag&empty=&&=x", json!({"flag": true, "empty": "", "": "x"}));
        check("a=b=c", json!({"a": "b=c"}));
    }

    #[test]
    fn stage_is_a_complete_first_segment() {
        assert_eq!(split_stage("/release/v1"), ("release", "/v1"));
        assert_eq!(split_stage("/test"), ("test", "/"));
        assert_eq!(split_stage("/released"), ("release", "/released"));
        assert_eq!(split_stage("/a/release"), ("release", "/a/release"));
    }
}
