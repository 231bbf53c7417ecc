//! JSON that may hold half of a surrogate pair.

use serde::de::DeserializeOwned;

/// Deserializes JSON. An escaped lone surrogate, such as half of an emoji, becomes U+FFFD.
///
/// `serde_json` rejects lone surrogates. Texts that were cut between the two halves hold one.
pub(crate) fn from_slice<T: DeserializeOwned>(json: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice(json).or_else(|error| match replace_lone_surrogates(json) {
        Some(repaired) => serde_json::from_slice(&repaired),
        None => Err(error),
    })
}

/// Deserializes JSON as [`from_slice`] does. Bytes that are not UTF-8 become U+FFFD, too.
pub(crate) fn from_slice_lossy<T: DeserializeOwned>(json: &[u8]) -> serde_json::Result<T> {
    from_slice(String::from_utf8_lossy(json).as_bytes())
}

/// Replaces the escaped lone surrogates in JSON by U+FFFD. Returns `None` if there are none.
pub fn replace_lone_surrogates(json: &[u8]) -> Option<Vec<u8>> {
    let mut at = lone_surrogate(json, 0)?;
    let mut repaired = json.to_vec();
    loop {
        repaired[at + 2..at + 6].copy_from_slice(b"fffd");
        match lone_surrogate(&repaired, at) {
            Some(next) => at = next,
            None => return Some(repaired),
        }
    }
}

/// Returns the position of the next escaped lone surrogate. `from` is not inside an escape.
fn lone_surrogate(json: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += json.get(at..)?.iter().position(|byte| *byte == b'\\')?;
        at += match (code_unit(json, at), code_unit(json, at + 6)) {
            (None, _) => 2,
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
            (Some(0xD800..=0xDFFF), _) => return Some(at),
            (Some(_), _) => 6,
        };
    }
}

/// Returns the value of a `\uXXXX` escape at this position.
fn code_unit(json: &[u8], at: usize) -> Option<u16> {
    let digits = json.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lone_surrogates_become_replacement_characters() {
        for (json, text) in [
            (r#""a\ud800b""#, "a\u{fffd}b"),
            (r#""\uDC00\uD83D\uDE00\ud83d""#, "\u{fffd}😀\u{fffd}"),
            (r#""\ud800\ud800\udc00\n\u00e9""#, "\u{fffd}\u{10000}\né"),
            (r#""\ud800\\ud800\\\ud800""#, "\u{fffd}\\ud800\\\u{fffd}"),
            (r#""你\udfff\u4f60""#, "你\u{fffd}你"),
        ] {
            assert_eq!(from_slice::<String>(json.as_bytes()).unwrap(), text, "{json}");
        }
        for json in
            [r#""\ud800"#, r#""\ud8"#, r#""\ud80g""#, "\"\\", "", "\"\\ud800\\u00\"", "\"\\ud800\\"]
        {
            assert!(from_slice::<String>(json.as_bytes()).is_err(), "{json}");
        }
    }
}
