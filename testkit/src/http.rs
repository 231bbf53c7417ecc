//! HTTP/1.1 messages: read strictly, written as given.
//!
//! ```
//! use testkit::{End, Request, Response, http};
//!
//! let bytes = http::response(200, &["x-a: 1"], "ok");
//! let responses = Response::parse_all(&bytes, End::Closed).unwrap();
//! assert_eq!((responses[0].status(), responses[0].header("x-a")), (200, Some("1")));
//!
//! let request = Request::read(&mut &b"GET /x HTTP/1.1\r\n\r\n"[..]).unwrap();
//! assert_eq!(request.target(), "/x");
//! ```

use std::fmt;
use std::io::{BufRead, Read};
use std::ops::Deref;

use serde_json::Value;

/// The end of a connection, as one side sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The peer has closed it.
    Closed,
    /// The peer has reset it.
    Reset,
    /// The connection has not ended.
    Open,
}

/// The first line and the headers of a message, with the empty line that ends them.
#[derive(Clone, PartialEq, Eq)]
pub struct Head(String);

impl Head {
    /// Takes the text as it is.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Reads up to the empty line. Returns `None` if the stream ends or is not UTF-8 before it.
    pub fn read(stream: &mut impl BufRead) -> Option<Self> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_until(b'\n', &mut head).ok()? == 0 {
                return None;
            }
        }
        String::from_utf8(head).ok().map(Self)
    }

    /// The request line or the status line.
    pub fn line(&self) -> &str {
        self.0.lines().next().unwrap_or_default()
    }

    /// The target of a request.
    #[track_caller]
    pub fn target(&self) -> &str {
        self.line().split(' ').nth(1).expect("a request line")
    }

    /// The status of a response.
    #[track_caller]
    pub fn status(&self) -> u16 {
        let status = self.line().split(' ').nth(1).and_then(|status| status.parse().ok());
        status.unwrap_or_else(|| panic!("no status in {self:?}"))
    }

    /// All headers in their order, as written.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let lines = self.0.lines().skip(1);
        lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name, value.trim()))
    }

    /// All values of a header.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers()
            .filter(move |header| header.0.eq_ignore_ascii_case(name))
            .map(|header| header.1)
    }

    /// The value of a header. Panics if it comes twice.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.values(name);
        let value = values.next();
        assert_eq!(values.next(), None, "{name} comes twice in {self:?}");
        value
    }
}

impl Deref for Head {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Display for Head {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A request as received.
#[derive(Clone, Debug)]
pub struct Request {
    /// The request line and the headers.
    pub head: Head,
    /// The body without its framing.
    pub body: Vec<u8>,
}

impl Request {
    /// Reads one request. Returns `None` if the client closes first or sends anything else.
    pub fn read(stream: &mut impl BufRead) -> Option<Self> {
        let head = Head::read(stream)?;
        let mut body = Vec::new();
        if let Some(coding) = head.values("transfer-encoding").next() {
            if coding != "chunked" {
                return None;
            }
            while read_chunk(stream, &mut body)? {}
        } else if let Some(length) = head.values("content-length").next() {
            body.resize(length.parse().ok()?, 0);
            stream.read_exact(&mut body).ok()?;
        }
        Some(Self { head, body })
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        parse_json(&self.body)
    }
}

impl Deref for Request {
    type Target = Head;

    fn deref(&self) -> &Head {
        &self.head
    }
}

/// Appends one chunk. Returns `false` after the last one, and `None` if it is invalid.
fn read_chunk(stream: &mut impl BufRead, body: &mut Vec<u8>) -> Option<bool> {
    let mut line = String::new();
    stream.read_line(&mut line).ok()?;
    let size = chunk_size(line.strip_suffix("\r\n")?)?;
    let read = stream.take(size as u64 + 2).read_to_end(body).ok()?;
    if read != size + 2 || !body.ends_with(b"\r\n") {
        return None;
    }
    body.truncate(body.len() - 2);
    Some(size > 0)
}

/// Parses the size of a chunk: hexadecimal digits and nothing else.
pub(crate) fn chunk_size(text: &str) -> Option<usize> {
    text.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(())?;
    usize::from_str_radix(text, 16).ok()
}

/// A response as received, or as much of it as came.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status line and the headers.
    pub head: Head,
    /// The body without its framing.
    pub body: Vec<u8>,
    /// Set if the body ended as the head announced.
    pub is_complete: bool,
}

impl Response {
    /// Parses all final responses; the last one may be incomplete.
    ///
    /// # Errors
    ///
    /// Bytes that are no response, an ambiguous framing, and an invalid chunk.
    pub fn parse_all(mut bytes: &[u8], end: End) -> Result<Vec<Self>, String> {
        let mut responses = Vec::new();
        while !bytes.is_empty() {
            if !bytes.starts_with(b"HTTP/1.") {
                return Err(format!("no response: {:?}", excerpt(bytes)));
            }
            let Some(length) = find(bytes, b"\r\n\r\n") else {
                return Err(format!("half a head: {:?}", excerpt(bytes)));
            };
            let (head, rest) = bytes.split_at(length + 4);
            let head = Head(String::from_utf8_lossy(head).into_owned());
            // Informational responses are not final.
            if head.status() == 100 {
                bytes = rest;
                continue;
            }
            let (body, is_complete, rest) = parse_body(&head, rest, end)?;
            responses.push(Self { head, body, is_complete });
            bytes = rest;
        }
        Ok(responses)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        parse_json(&self.body)
    }

    /// Expects an answer of the model with this text.
    #[track_caller]
    pub fn assert_answer(&self, text: &str) {
        assert_eq!((self.status(), self.text().as_str()), (200, text), "{}", self.head);
    }

    /// Expects a failure with this status and this `X-Error-Code`.
    #[track_caller]
    pub fn assert_error(&self, status: u16, code: &str) {
        let actual = (self.status(), self.header("x-error-code"));
        assert_eq!(actual, (status, Some(code)), "{}", self.text());
    }
}

impl Deref for Response {
    type Target = Head;

    fn deref(&self) -> &Head {
        &self.head
    }
}

/// A body, whether it is complete, and the bytes behind it.
type Body<'a> = (Vec<u8>, bool, &'a [u8]);

fn parse_body<'a>(head: &Head, bytes: &'a [u8], end: End) -> Result<Body<'a>, String> {
    if matches!(head.status(), 101 | 204 | 304) {
        return Ok((Vec::new(), true, bytes));
    }
    let one = |name| {
        let mut values = head.values(name);
        let value = values.next();
        values.next().is_none().then_some(value).ok_or(format!("{name} comes twice: {head}"))
    };
    match (one("transfer-encoding")?, one("content-length")?) {
        (Some(_), Some(_)) => Err(format!("a length and chunks: {head}")),
        (Some("chunked"), None) => parse_chunks(bytes),
        (Some(coding), None) => Err(format!("an unsupported coding: {coding}")),
        (None, Some(length)) => {
            let length: usize = length.parse().map_err(|_| format!("an invalid length: {head}"))?;
            let (body, rest) = bytes.split_at(length.min(bytes.len()));
            Ok((body.to_vec(), body.len() == length, rest))
        }
        (None, None) => Ok((bytes.to_vec(), end == End::Closed, &[])),
    }
}

fn parse_chunks(mut bytes: &[u8]) -> Result<Body<'_>, String> {
    let mut body = Vec::new();
    loop {
        let Some(length) = find(bytes, b"\r\n") else { return Ok((body, false, &[])) };
        let size = String::from_utf8_lossy(&bytes[..length]);
        let size = chunk_size(&size).ok_or(format!("an invalid size of a chunk: {size:?}"))?;
        bytes = &bytes[length + 2..];
        let (chunk, rest) = bytes.split_at(size.min(bytes.len()));
        body.extend_from_slice(chunk);
        match rest {
            [b'\r', b'\n', rest @ ..] if size == 0 => return Ok((body, true, rest)),
            [b'\r', b'\n', rest @ ..] => bytes = rest,
            [] | [b'\r'] => return Ok((body, false, &[])),
            other => return Err(format!("a chunk without an end: {:?}", excerpt(other))),
        }
    }
}

/// Writes a response with a body of known length. Header lines come without their ends.
pub fn response(status: u16, headers: &[&str], body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let length = body.len();
    let head = format!("HTTP/1.1 {status} Canned\r\n{headers}content-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// Writes a response with a JSON body.
pub fn json_response(status: u16, body: &Value) -> Vec<u8> {
    response(status, &["content-type: application/json"], body.to_string())
}

/// Writes one chunk; an empty one is the last.
pub fn chunk(data: &str) -> String {
    format!("{:x}\r\n{data}\r\n", data.len())
}

/// Writes a body in chunks of this size, with the last one.
pub fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for chunk in body.chunks(size) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

/// The position of some bytes in others.
pub fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

/// The first 300 bytes, as text.
pub fn excerpt(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned()
}

#[track_caller]
pub(crate) fn parse_json(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|error| panic!("{error}: {:?}", excerpt(body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(body: &str) -> Option<Vec<u8>> {
        let bytes = format!("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n{body}");
        Request::read(&mut bytes.as_bytes()).map(|request| request.body)
    }

    #[test]
    fn only_strict_chunks_are_read() {
        assert_eq!(request("5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n").as_deref(), Some(&b"hello!"[..]));
        for invalid in
            ["5\r\nhell", "+5\r\nhello\r\n0\r\n\r\n", "5\nhello\r\n", "5\r\nhelloxx0\r\n"]
        {
            assert_eq!(request(invalid), None, "{invalid:?}");
        }
    }

    #[test]
    fn responses_end_as_their_heads_say() {
        let parse = |text: &str, end| Response::parse_all(text.as_bytes(), end).unwrap();
        let chunks = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n";
        let responses = parse(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 x\r\n\r\nHTTP/1.1 200 x\r\n\r\nend",
            End::Closed,
        );
        assert_eq!(responses.len(), 2);
        assert_eq!((responses[1].text().as_str(), responses[1].is_complete), ("end", true));
        assert!(!parse(chunks, End::Closed)[0].is_complete);
        assert!(parse(&format!("{chunks}0\r\n\r\n"), End::Open)[0].is_complete);
        assert!(!parse("HTTP/1.1 200 OK\r\n\r\nabc", End::Reset)[0].is_complete);
        for ambiguous in [
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
            "garbage",
        ] {
            assert!(Response::parse_all(ambiguous.as_bytes(), End::Closed).is_err(), "{ambiguous}");
        }
    }
}
