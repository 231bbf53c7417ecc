//! JSON as providers write it.

use serde::de::DeserializeOwned;

/// Reads JSON. An escape that is half of a surrogate pair, as of an emoji that was cut in two, is no character: U+FFFD
/// takes its place, as it does in other languages' readers.
pub(crate) fn read<T: DeserializeOwned>(json: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice(json).or_else(|error| {
        let mut at = halved(json, 0).ok_or(error)?;
        let mut mended = json.to_vec();
        loop {
            mended[at + 2..at + 6].copy_from_slice(b"fffd");
            match halved(&mended, at) {
                Some(next) => at = next,
                None => return serde_json::from_slice(&mended),
            }
        }
    })
}

/// Where the next half of a pair is without the other; `from` is at no escape's middle.
fn halved(json: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += json.get(at..)?.iter().position(|byte| *byte == b'\\')?;
        at += match (unit(json, at), unit(json, at + 6)) {
            (None, _) => 2,
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
            (Some(0xD800..=0xDFFF), _) => return Some(at),
            (Some(_), _) => 6,
        };
    }
}

/// What is escaped here by its number.
fn unit(json: &[u8], at: usize) -> Option<u16> {
    let digits = json.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_pair_is_replaced_and_all_else_is_kept() {
        for (json, text) in [
            (r#""a\ud800b""#, "a\u{fffd}b"),
            (r#""\uDC00\uD83D\uDE00\ud83d""#, "\u{fffd}😀\u{fffd}"),
            (r#""\ud800\ud800\udc00\n\u00e9""#, "\u{fffd}\u{10000}\né"),
            (r#""\ud800\\ud800\\\ud800""#, "\u{fffd}\\ud800\\\u{fffd}"),
            (r#""你\udfff\u4f60""#, "你\u{fffd}你"),
        ] {
            assert_eq!(read::<String>(json.as_bytes()).unwrap(), text, "{json}");
        }
        for json in
            [r#""\ud800"#, r#""\ud8"#, r#""\ud80g""#, "\"\\", "", "\"\\ud800\\u00\"", "\"\\ud800\\"]
        {
            assert!(read::<String>(json.as_bytes()).is_err(), "{json}");
        }
    }
}
