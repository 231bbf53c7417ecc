//! The request in an HTTP event.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_PAD_INDIFFERENT;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::request::RawEvent;

/// A parsed event.
#[derive(Debug)]
pub enum Event {
    /// An HTTP request from a Function URL, API Gateway or CloudBase. Its URI is the
    /// percent-encoded path and query, and its body is decoded.
    Http(Request<Vec<u8>>),
    /// An HTTP request whose path and query exceed 65,534 bytes, the maximum of a URI. The
    /// request has the URI `/` instead.
    TooLong(Request<Vec<u8>>),
    /// JSON that is not an HTTP request, such as a console test, an SDK call or a timer. Holds
    /// the event's bytes.
    Other(Vec<u8>),
    /// Invalid JSON, or an HTTP request with an invalid member.
    Unreadable {
        /// The event's bytes.
        event: Vec<u8>,
        /// The reason.
        error: String,
    },
}

impl Event {
    /// Parses an event. An invalid event is [`Unreadable`](Event::Unreadable).
    ///
    /// An HTTP event is an object with `httpMethod`, `queryString` or `queryStringParameters`, or
    /// with both `body` and `headers`. Each member may be missing or null.
    pub fn read(bytes: Vec<u8>) -> Event {
        match parse(&bytes) {
            Ok(Some(event)) => event,
            Ok(None) => Event::Other(bytes),
            Err(error) => Event::Unreadable { event: bytes, error },
        }
    }
}

/// Returns the request of an event, with the event in its extensions. Returns the response to any
/// other event.
pub(super) fn request(event: Vec<u8>) -> Result<Request<Vec<u8>>, Box<Response<Vec<u8>>>> {
    let (status, text) = match parse(&event) {
        Ok(Some(Event::Http(mut request))) => {
            request.extensions_mut().insert(RawEvent(Arc::new(event)));
            return Ok(request);
        }
        Ok(Some(_)) => {
            (StatusCode::URI_TOO_LONG, "path and query too long (maximum 64 KB)".to_owned())
        }
        Ok(None) => (StatusCode::BAD_REQUEST, "event is not an HTTP request".to_owned()),
        Err(error) => (StatusCode::BAD_REQUEST, format!("invalid event: {error}")),
    };
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    Err(Box::new(response))
}

/// The members of an HTTP event, parsed when needed. Other members, such as `requestContext`,
/// differ between triggers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Members<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    http_method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    path: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    query_string: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    query_string_parameters: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    headers: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    body: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    is_base64_encoded: Option<&'a RawValue>,
}

/// Deserializes `null` as `Some`, so that `None` means a missing member.
fn present<'de, D: Deserializer<'de>>(member: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(member).map(Some)
}

impl Members<'_> {
    fn is_http(&self) -> bool {
        self.http_method.is_some()
            || self.query_string.is_some()
            || self.query_string_parameters.is_some()
            || (self.body.is_some() && self.headers.is_some())
    }
}

/// An object whose values are parsed one by one. Of a member that comes twice, the last one counts.
#[derive(Deserialize)]
struct Object<'a>(#[serde(borrow)] BTreeMap<Text<'a>, &'a RawValue>);

/// Parses an HTTP event. Returns `None` if the event is other JSON.
fn parse(bytes: &[u8]) -> Result<Option<Event>, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    if text.trim().is_empty() {
        return Err("empty".to_owned());
    }
    // serde would also read an array as the members, in their order.
    if !text.trim_start().starts_with('{') {
        let json: Result<&RawValue, _> = serde_json::from_str(text);
        return json.map(|_| None).map_err(|error| error.to_string());
    }
    let members: Members<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if !members.is_http() {
        return Ok(None);
    }
    let mut request = Request::new(body(&members)?);
    *request.method_mut() = method(members.http_method)?;
    *request.headers_mut() = headers(members.headers);
    let uri = path_and_query(&members)?;
    if uri.len() > MAX_URI {
        return Ok(Some(Event::TooLong(request)));
    }
    let uri = PathAndQuery::try_from(uri).map_err(|error| format!("path and query: {error}"))?;
    *request.uri_mut() = uri.into();
    Ok(Some(Event::Http(request)))
}

fn method(member: Option<&RawValue>) -> Result<Method, String> {
    let name = text(member).map_err(|error| format!("httpMethod: {error}"))?;
    match &*name {
        "" => Ok(Method::GET),
        name => Method::from_bytes(name.as_bytes()).map_err(|error| format!("httpMethod: {error}")),
    }
}

fn path_and_query(members: &Members<'_>) -> Result<String, String> {
    let mut uri = path(members.path).map_err(|error| format!("path: {error}"))?;
    // API Gateway puts only declared parameters into `queryStringParameters`
    // (https://cloud.tencent.com/document/product/583/12513). CloudBase has no `queryString`.
    for member in [members.query_string, members.query_string_parameters] {
        let query = query(member).map_err(|error| format!("query: {error}"))?;
        if !query.is_empty() {
            uri = uri + "?" + &query;
            break;
        }
    }
    Ok(uri)
}

/// The bytes to encode in a path. `%` stays: the documents do not say if paths are decoded.
const NOT_IN_PATH: &AsciiSet = &NOT_IN_QUERY
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

fn path(member: Option<&RawValue>) -> serde_json::Result<String> {
    let path = text(member)?;
    let slash = if path.starts_with('/') { "" } else { "/" };
    Ok(format!("{slash}{}", utf8_percent_encode(&path, NOT_IN_PATH)))
}

/// The bytes to encode in a query that is already a string.
const NOT_IN_QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');

/// The bytes to encode in a name or value: all but the unreserved characters of RFC 3986.
const NOT_IN_PAIR: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Maximum length of [`http::Uri`], in bytes.
const MAX_URI: usize = u16::MAX as usize - 1;

/// Maximum JSON of a query that is encoded in full, in bytes. Encoding triples it at most, which
/// fits into a URI.
const MAX_FULLY_ENCODED: usize = 20 * 1024;

/// Encodes a query. Names and values arrive decoded. Without encoding, a form decoder would
/// change values such as `100%25` and `C++`.
fn query(member: Option<&RawValue>) -> serde_json::Result<String> {
    let Some(json) = member.map(RawValue::get) else {
        return Ok(String::new());
    };
    if !json.starts_with('{') {
        let query = text(member)?;
        return Ok(utf8_percent_encode(&query, NOT_IN_QUERY).to_string());
    }
    let encode_all = json.len() <= MAX_FULLY_ENCODED;
    let mut query = String::new();
    for (name, value) in serde_json::from_str::<Object<'_>>(json)?.0 {
        for_each_text(value, |value| {
            if !query.is_empty() {
                query.push('&');
            }
            encode(&name.0, encode_all, &mut query);
            if let Some(value) = value {
                query.push('=');
                encode(&value, encode_all, &mut query);
            }
        })?;
    }
    Ok(query)
}

/// Appends an encoded name or value. Unless `all` is set, non-ASCII characters stay as they are,
/// to save space. [`http::Uri`] accepts them, and decoders leave them unchanged.
fn encode(text: &str, all: bool, query: &mut String) {
    if all {
        return query.extend(utf8_percent_encode(text, NOT_IN_PAIR));
    }
    for character in text.chars() {
        if character.is_ascii() {
            query.extend(utf8_percent_encode(character.encode_utf8(&mut [0; 4]), NOT_IN_PAIR));
        } else {
            query.push(character);
        }
    }
}

/// Reads the headers. Invalid ones are skipped, so that they do not fail the event.
fn headers(member: Option<&RawValue>) -> HeaderMap {
    let headers = member.map(|member| serde_json::from_str::<Headers>(member.get()));
    headers.and_then(Result::ok).unwrap_or_default().0
}

/// The headers, parsed without a map in between: most of an event is headers.
#[derive(Default)]
struct Headers(HeaderMap);

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HeadersVisitor;

        impl<'de> Visitor<'de> for HeadersVisitor {
            type Value = Headers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Headers, A::Error> {
                let mut headers = HeaderMap::with_capacity(24);
                while let Some((name, value)) = members.next_entry::<Text<'de>, &RawValue>()? {
                    add_header(&mut headers, &name.0, value);
                }
                Ok(Headers(headers))
            }
        }

        deserializer.deserialize_map(HeadersVisitor)
    }
}

fn add_header(headers: &mut HeaderMap, name: &str, value: &RawValue) {
    let Ok(name) = HeaderName::try_from(name) else {
        return;
    };
    // An invalid value is skipped.
    let _ = for_each_text(value, |value| {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
            // Headers beyond the map's maximum of 32,768 are skipped.
            let _ = headers.try_append(&name, value);
        }
    });
}

/// Reads the body: text, or base64 if `isBase64Encoded` is true. A body that is not a string, as
/// in a test event typed by hand, counts as its JSON.
fn body(members: &Members<'_>) -> Result<Vec<u8>, String> {
    let json = members.body.map_or("null", RawValue::get);
    if json == "null" {
        return Ok(Vec::new());
    }
    if !json.starts_with('"') {
        return Ok(json.as_bytes().to_vec());
    }
    let text: Text<'_> = serde_json::from_str(json).map_err(|error| format!("body: {error}"))?;
    if members.is_base64_encoded.is_some_and(|flag| flag.get() == "true") {
        let bytes = STANDARD_PAD_INDIFFERENT.decode(text.0.as_bytes());
        return bytes.map_err(|error| format!("body: invalid base64: {error}"));
    }
    Ok(text.0.into_owned().into_bytes())
}

/// A string, borrowed from the event unless it has escapes.
#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Returns the first text of a member, or an empty string if it has none.
fn text(member: Option<&RawValue>) -> serde_json::Result<Cow<'_, str>> {
    let mut first = None;
    if let Some(value) = member {
        for_each_text(value, |text| first = first.take().or(text))?;
    }
    Ok(first.unwrap_or_default())
}

/// Calls `take` with each text of a value.
///
/// An array holds the values of a repeated name. `true` (a query name without a value) and `null`
/// are `None`. Numbers, objects and nested arrays count as their JSON.
fn for_each_text<'a>(
    value: &'a RawValue,
    mut take: impl FnMut(Option<Cow<'a, str>>),
) -> serde_json::Result<()> {
    let text = |value: &'a RawValue| match value.get() {
        "true" | "null" => Ok(None),
        // Without escapes, the text is what stands between the quotes.
        json if json.starts_with('"') && !json.contains('\\') => {
            Ok(Some(json[1..json.len() - 1].into()))
        }
        json if json.starts_with('"') => {
            serde_json::from_str::<Text<'_>>(json).map(|text| Some(text.0))
        }
        json => Ok(Some(json.into())),
    };
    if !value.get().starts_with('[') {
        take(text(value)?);
        return Ok(());
    }
    for value in serde_json::from_str::<Vec<&RawValue>>(value.get())? {
        take(text(value)?);
    }
    Ok(())
}
