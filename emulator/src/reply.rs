//! Converts replies to HTTP responses.

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::{
    body::{self, Reply},
    settings::Trigger,
};

/// Converts a reply to the response for the client. If the reply breaks the trigger's rules, the
/// second value is the error message.
pub(crate) fn to_http(
    trigger: Trigger,
    reply: Vec<u8>,
    request_id: &str,
) -> (Reply, Option<String>) {
    let Ok(mut value) = serde_json::from_slice::<Value>(&reply) else {
        if trigger == Trigger::ApiGatewayPassthrough {
            return (body::full(StatusCode::OK, reply), None);
        }
        return (
            forbidden(&format!(
                "requestId {request_id} , Invalid scf response. expected scf response valid JSON."
            )),
            Some(
                "reply is not JSON: post {\"statusCode\": 200, \"headers\": {…}, \"body\": \"…\"}, \
                 or use --passthrough for API Gateway without integrated response"
                    .to_owned(),
            ),
        );
    };
    let inferred = match trigger {
        Trigger::FunctionUrl => value.get("statusCode").is_none(),
        Trigger::ApiGateway => false,
        Trigger::ApiGatewayPassthrough => true,
    };
    if inferred {
        let response = body::full(StatusCode::OK, reply);
        return (body::with_type(response, "application/json"), None);
    }
    match integrated(&mut value) {
        Ok(response) => (response, None),
        Err(error) => (
            forbidden("Invalid scf response format. please check your scf response format."),
            Some(format!("reply is not an integrated response: {error}")),
        ),
    }
}

/// Returns the gateway's own error response.
fn forbidden(error: &str) -> Reply {
    body::json(StatusCode::FORBIDDEN, &json!({ "errno": 403, "error": error }))
}

/// Parses an integrated response (<https://cloud.tencent.com/document/product/583/12513>):
/// `{"isBase64Encoded": bool, "statusCode": int, "headers": {name: string or [string, …]},
/// "body": string}`.
fn integrated(reply: &mut Value) -> Result<Reply, String> {
    let Value::Object(reply) = reply else {
        return Err("not an object".to_owned());
    };
    let status = reply
        .get("statusCode")
        .and_then(Value::as_u64)
        .filter(|status| (200..600).contains(status))
        .and_then(|status| StatusCode::from_u16(u16::try_from(status).ok()?).ok())
        .ok_or("`statusCode` is not an integer from 200 to 599")?;
    let headers = match reply.get("headers") {
        None | Some(Value::Null) => HeaderMap::new(),
        Some(Value::Object(headers)) => {
            headers.iter().try_fold(HeaderMap::new(), |mut map, (name, value)| {
                append(&mut map, name, value).map(|()| map)
            })?
        }
        Some(_) => return Err("`headers` is not an object".to_owned()),
    };
    let base64 = match reply.get("isBase64Encoded") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(base64)) => *base64,
        Some(_) => return Err("`isBase64Encoded` is not a boolean".to_owned()),
    };
    let body = match reply.remove("body") {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(body)) => body,
        Some(_) => return Err("`body` is not a string: serialize it".to_owned()),
    };
    let body = if base64 {
        BASE64_STANDARD.decode(body).map_err(|error| format!("`body` is not base64: {error}"))?
    } else {
        body.into_bytes()
    };
    let mut response = body::full(status, body);
    *response.headers_mut() = headers;
    Ok(response)
}

fn append(headers: &mut HeaderMap, name: &str, value: &Value) -> Result<(), String> {
    let parsed = HeaderName::try_from(name).map_err(|_| format!("invalid header name {name:?}"))?;
    // The server sets the framing headers.
    if [
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::TRAILER,
    ]
    .contains(&parsed)
    {
        return Ok(());
    }
    let values = match value {
        Value::Array(values) => values.as_slice(),
        value => std::slice::from_ref(value),
    };
    for value in values {
        let text = value
            .as_str()
            .ok_or_else(|| format!("header {name:?} is not a string or an array of strings"))?;
        let value = HeaderValue::from_str(text)
            .map_err(|_| format!("invalid value {text:?} of header {name:?}"))?;
        headers.append(&parsed, value);
    }
    Ok(())
}
