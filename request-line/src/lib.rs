//! Percent-encodes the bytes of a request target that no URI may hold.
//!
//! curl sends `?question="hi"` as it is, and old programs send GBK. HTTP libraries such as hyper
//! reject both, so a server changes the request line before its library parses it, and nothing
//! else.
//!
//! ```
//! let mut line = request_line::RequestLine::default();
//! assert_eq!(line.read(b"GET /?q="), None);
//! let bytes = line.read(b"\"hi\" HTTP/1.1\r\n\r\n").unwrap();
//! assert_eq!(&bytes[..], b"GET /?q=%22hi%22 HTTP/1.1\r\n\r\n");
//! ```

use std::borrow::Cow;
use std::mem;

/// Maximum length of a request line that is changed, in bytes. Servers reject longer ones.
const MAX_LINE: usize = 64 * 1024;

/// A request line whose target is encoded.
#[derive(Debug, Default)]
pub struct RequestLine {
    /// The start of a line whose end has not arrived.
    partial: Vec<u8>,
}

impl RequestLine {
    /// Returns whether only the start of the line has arrived.
    pub fn is_partial(&self) -> bool {
        !self.partial.is_empty()
    }

    /// Takes the next bytes of the line. Returns the bytes to pass on, or `None` until the line is
    /// complete.
    pub fn read<'a>(&mut self, bytes: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        let line: Cow<[u8]> = match self.partial.is_empty() {
            true => bytes.into(),
            false => [&mem::take(&mut self.partial), bytes].concat().into(),
        };
        if !line.contains(&b'\n') && line.len() < MAX_LINE && may_be_request_line(&line) {
            self.partial = line.into_owned();
            return None;
        }
        Some(match encode_target(&line) {
            Some(encoded) => encoded.into(),
            None => line,
        })
    }

    /// Returns the start of a line that the end of the connection cut off.
    pub fn take_partial(&mut self) -> Vec<u8> {
        mem::take(&mut self.partial)
    }
}

/// Returns whether bytes are the start of `METHOD /…`, as far as they go.
fn may_be_request_line(line: &[u8]) -> bool {
    let method = line.iter().take_while(|byte| is_token(**byte)).count();
    match &line[method..] {
        [] => true,
        [b' '] => method > 0,
        [b' ', b'/', ..] => method > 0,
        _ => false,
    }
}

/// Encodes the target of the request line at the start of the bytes. Returns `None` if it needs no
/// change, or if the bytes do not start with `METHOD /`.
fn encode_target(bytes: &[u8]) -> Option<Vec<u8>> {
    if !may_be_request_line(bytes) {
        return None;
    }
    let start = bytes.iter().position(|byte| *byte == b'/')?;
    let length = bytes[start..].iter().position(|byte| matches!(byte, b' ' | b'\r' | b'\n'))?;
    let (target, rest) = bytes[start..].split_at(length);
    let is_utf8 = str::from_utf8(target).is_ok();
    let path = target.iter().position(|byte| *byte == b'?').unwrap_or(length);
    let is_invalid = |at: usize, byte: u8| match byte {
        b'"' | b'<' | b'>' => true,
        b'`' => at < path,
        0x80.. => !is_utf8,
        _ => false,
    };
    if !target.iter().enumerate().any(|(at, byte)| is_invalid(at, *byte)) {
        return None;
    }
    let mut encoded = bytes[..start].to_vec();
    for (at, byte) in target.iter().enumerate() {
        match is_invalid(at, *byte) {
            true => encoded.extend(format!("%{byte:02X}").as_bytes()),
            false => encoded.push(*byte),
        }
    }
    encoded.extend(rest);
    Some(encoded)
}

/// Returns whether a byte may be part of a method (RFC 9110, 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads bytes in pieces of this size, up to the end of the line. Returns all bytes.
    fn read(bytes: &[u8], size: usize) -> Vec<u8> {
        let mut line = RequestLine::default();
        let mut pieces = bytes.chunks(size);
        let passed = pieces.by_ref().find_map(|piece| line.read(piece).map(Cow::into_owned));
        let mut passed = passed.unwrap_or_else(|| line.take_partial());
        passed.extend(pieces.flatten());
        passed
    }

    #[track_caller]
    fn check(bytes: impl AsRef<[u8]>, expected: &str) {
        let bytes = bytes.as_ref();
        for size in 1..=bytes.len() {
            let passed = read(bytes, size);
            assert_eq!(String::from_utf8_lossy(&passed), expected, "in pieces of {size}");
        }
    }

    #[test]
    fn invalid_bytes_of_a_target_are_encoded() {
        let rest = " HTTP/1.1\r\nX: \"<`\r\n\r\nbody \"";
        check(format!("GET /?q=\"<b>\"{rest}"), &format!("GET /?q=%22%3Cb%3E%22{rest}"));
        check(format!("POST /v1/`a\"?`{rest}"), &format!("POST /v1/%60a%22?`{rest}"));
        let gbk = [b"GET /?q=\xc4\xe3", rest.as_bytes()].concat();
        check(gbk, &format!("GET /?q=%C4%E3{rest}"));
        check("GET /?q=\"\n\n", "GET /?q=%22\n\n");
    }

    #[test]
    fn other_bytes_are_unchanged() {
        for bytes in [
            "GET /v1/你好?q={x}|^%22 HTTP/1.1\r\n\r\n",
            "GET http://a/\" HTTP/1.1\r\n\r\n",
            "GET  /\" HTTP/1.1\r\n\r\n",
            "\r\nGET /\" HTTP/1.1\r\n\r\n",
            "\"GET /\" HTTP/1.1\r\n\r\n",
            " /\" HTTP/1.1\r\n\r\n",
            "GET /\"",
            "GET",
            "\n",
        ] {
            check(bytes, bytes);
        }
    }
}
