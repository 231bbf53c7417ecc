//! Decoded names and values of a query or a form.

use percent_encoding::percent_decode;

/// Names under which a question is looked for, in this order.
pub const QUESTION_NAMES: [&str; 7] =
    ["question", "q", "prompt", "message", "chatInput", "input", "text"];

/// Names and values in their original order. A name without `=` has an empty value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

/// Bytes that are not UTF-8 after decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotUtf8;

impl Query {
    /// Decodes `application/x-www-form-urlencoded` bytes.
    ///
    /// # Errors
    /// If a name or a value is not UTF-8.
    pub fn parse(encoded: &[u8]) -> Result<Self, NotUtf8> {
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

    /// Returns the non-empty values of a name, trimmed.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// Returns the first non-empty value of a name, trimmed.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Returns the question, under the first of [`QUESTION_NAMES`] that has one.
    pub fn question(&self) -> Option<&str> {
        QUESTION_NAMES.iter().find_map(|name| self.get(name))
    }
}

fn decode(encoded: &[u8]) -> Result<String, NotUtf8> {
    let spaced: Vec<u8> =
        encoded.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    String::from_utf8(percent_decode(&spaced).collect()).map_err(|_| NotUtf8)
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
    fn invalid_utf8_is_an_error() {
        assert_eq!(Query::parse(b"q=%ff"), Err(NotUtf8));
    }

    #[test]
    fn question_is_found_under_the_first_name_with_a_value() {
        let question =
            |query: &str| Query::parse(query.as_bytes()).unwrap().question().map(str::to_owned);
        assert_eq!(question("q=second&question=first").as_deref(), Some("first"));
        assert_eq!(question("question=+&q=hi").as_deref(), Some("hi"));
        assert_eq!(question("other=hi"), None);
    }
}
