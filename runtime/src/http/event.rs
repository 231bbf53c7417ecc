use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_PAD_INDIFFERENT;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// What an event turned out to be.
#[derive(Debug)]
pub enum Event {
    /// An HTTP request, by way of a Function URL, API Gateway or CloudBase. Its URI is a path
    /// and, where the event has one, a query, percent-encoded; its body is decoded.
    Http(Request<Vec<u8>>),
    /// An HTTP request whose path and query are longer together than a URI can be, 64 KB: the
    /// rest of it, at `/`.
    TooLong(Request<Vec<u8>>),
    /// JSON, but no HTTP request: a console test, an SDK call, a timer. The bytes as they came.
    Other(Vec<u8>),
    /// Not JSON, or an HTTP request with a member that cannot be understood. Says why.
    Unreadable(String),
}

impl Event {
    /// Reads an event. It never fails: what cannot be read is [`Unreadable`](Event::Unreadable).
    ///
    /// An HTTP event is an object with any of `httpMethod`, `queryString` and
    /// `queryStringParameters`, or with `body` and `headers`. Each member may be missing or null.
    pub fn read(bytes: Vec<u8>) -> Event {
        match parse(&bytes) {
            Ok(Some(event)) => event,
            Ok(None) => Event::Other(bytes),
            Err(why) => Event::Unreadable(why),
        }
    }
}

/// The members that are read, as JSON that is looked at when needed. What is not named here,
/// `requestContext` first of all, is not the same at all triggers.
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

/// Tells a member that is null from one that is missing.
fn present<'de, D: Deserializer<'de>>(member: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(member).map(Some)
}

impl Members<'_> {
    fn are_http(&self) -> bool {
        self.http_method.is_some()
            || self.query_string.is_some()
            || self.query_string_parameters.is_some()
            || (self.body.is_some() && self.headers.is_some())
    }
}

/// An object whose values are looked at one by one.
#[derive(Default, Deserialize)]
struct Object<'a>(#[serde(borrow)] BTreeMap<Text<'a>, &'a RawValue>);

/// An event that is an HTTP request.
fn parse(bytes: &[u8]) -> Result<Option<Event>, String> {
    let text = str::from_utf8(bytes).map_err(|error| error.to_string())?;
    if text.trim().is_empty() {
        return Err("it is empty".to_owned());
    }
    // A list would pass for the members in their order.
    if !text.trim_start().starts_with('{') {
        let json: Result<&RawValue, _> = serde_json::from_str(text);
        return json.map(|_| None).map_err(|error| error.to_string());
    }
    let members: Members<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if !members.are_http() {
        return Ok(None);
    }
    let mut request = Request::new(body(&members)?);
    *request.method_mut() = method(members.http_method)?;
    *request.headers_mut() = headers(members.headers);
    let uri = path_and_query(&members)?;
    if uri.len() > LONGEST_URI {
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
    // API Gateway fills the second only with what was declared to it (document 583/12513),
    // CloudBase has nothing else.
    for member in [members.query_string, members.query_string_parameters] {
        let query = query(member).map_err(|error| format!("query: {error}"))?;
        if !query.is_empty() {
            uri = uri + "?" + &query;
            break;
        }
    }
    Ok(uri)
}

/// What a path cannot hold. Whether it arrives decoded is not documented: `%` stays.
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

/// What a query cannot hold that is written out already.
const NOT_IN_QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');

/// What form decoding would not leave alone in a name or a value.
const NOT_IN_PAIR: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The longest URI that [`http::Uri`] holds, in bytes.
const LONGEST_URI: usize = u16::MAX as usize - 1;

/// The JSON of a query that is shorter than this fits into a URI even if every byte takes three.
const ROOM_TO_ENCODE_ALL: usize = 20 * 1024;

/// Writes a query. Names and values arrive decoded, so that decoding them once more would break
/// `100%25` and `C++`: they are encoded, and what decodes them gets back what arrived.
fn query(member: Option<&RawValue>) -> serde_json::Result<String> {
    let Some(json) = member.map(RawValue::get) else {
        return Ok(String::new());
    };
    if !json.starts_with('{') {
        let query = text(member)?;
        return Ok(utf8_percent_encode(&query, NOT_IN_QUERY).to_string());
    }
    let encode_all = json.len() <= ROOM_TO_ENCODE_ALL;
    let mut query = String::new();
    for (name, value) in serde_json::from_str::<Object<'_>>(json)?.0 {
        each_text(value, |value| {
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

/// Appends a name or a value. Characters beyond ASCII can stay where room is short: they should
/// be encoded in a URI, but [`http::Uri`] holds them, and decoding leaves them alone.
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

/// Skips what is no header: an event is not to fail because of one.
fn headers(member: Option<&RawValue>) -> HeaderMap {
    let object = member.and_then(|member| serde_json::from_str::<Object<'_>>(member.get()).ok());
    let object = object.unwrap_or_default().0;
    // Too many for a map are skipped further down.
    let mut headers = HeaderMap::try_with_capacity(object.len()).unwrap_or_default();
    for (name, value) in object {
        let Ok(name) = HeaderName::try_from(&*name.0) else {
            continue;
        };
        // One that is no text is skipped, too.
        let _ = each_text(value, |value| {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
                // Past the 32768 headers that a map can hold, they are skipped, too.
                let _ = headers.try_append(&name, value);
            }
        });
    }
    headers
}

/// The body is text, or base64 where the event says so. One that is JSON itself, as a test
/// event typed by hand may have it, is taken as its text.
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
        return bytes.map_err(|error| format!("body: base64: {error}"));
    }
    Ok(text.0.into_owned().into_bytes())
}

/// A string, borrowed from the event where it holds no escapes.
#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The one text of a member, empty where it has none.
fn text(member: Option<&RawValue>) -> serde_json::Result<Cow<'_, str>> {
    let mut first = None;
    if let Some(value) = member {
        each_text(value, |text| first = first.take().or(text))?;
    }
    Ok(first.unwrap_or_default())
}

/// Hands over the texts of a value: a list has many, for a name that was repeated; `true`, for a
/// query name without a value, and null are one that is not there; numbers and objects count as
/// their JSON.
fn each_text<'a>(
    value: &'a RawValue,
    mut take: impl FnMut(Option<Cow<'a, str>>),
) -> serde_json::Result<()> {
    let text = |value: &'a RawValue| match value.get() {
        "true" | "null" => Ok(None),
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
