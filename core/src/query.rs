//! Names and values of a query or a form, decoded once.

use percent_encoding::percent_decode;

use crate::failure::Failure;
use crate::lang::Sentence;

/// Names and values in the order in which they came. A name without `=` has an empty value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Decodes `application/x-www-form-urlencoded` bytes. Fails on what is not UTF-8 when decoded.
    pub fn parse(encoded: &[u8]) -> Result<Self, Failure> {
        encoded
            .split(|byte| *byte == b'&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let mut halves = pair.splitn(2, |byte| *byte == b'=');
                let mut half = || decode(halves.next().unwrap_or_default());
                Ok((half()?, half()?))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The values of one name, trimmed, without the empty ones.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// The first value of one name that is not empty, trimmed.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }
}

fn decode(encoded: &[u8]) -> Result<String, Failure> {
    let spaced: Vec<u8> =
        encoded.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    String::from_utf8(percent_decode(&spaced).collect()).map_err(|_| not_utf8())
}

/// Bytes that are no text.
pub(crate) fn not_utf8() -> Failure {
    Failure::BodyUnreadable(Sentence::new("it is not UTF-8", "不是 UTF-8 文本"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_once() {
        let query =
            Query::parse("q=100%2525&q=C%2B%2B+is&flag&e=%E4%BD%A0=a&&x=%zz".as_bytes()).unwrap();
        assert_eq!(query.all("q").collect::<Vec<_>>(), ["100%25", "C++ is"]);
        assert_eq!(query.get("flag"), None);
        assert_eq!(query.get("e"), Some("你=a"));
        assert_eq!(query.get("x"), Some("%zz"));
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        assert_eq!(Query::parse(b"q=%ff").unwrap_err().code(), "body_unreadable");
    }
}
