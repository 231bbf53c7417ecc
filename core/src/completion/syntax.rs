//! The syntax of a reply: what its bytes are, whatever its labels say.

use serde::de::IgnoredAny;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The first bytes of a gzip file.
const GZIP_MAGIC: &[u8] = b"\x1f\x8b";

/// Fields of server-sent events, and the `error` that llama.cpp adds.
const FIELDS: [&[u8]; 6] = [b"data:", b"event:", b":", b"id:", b"retry:", b"error:"];

/// Removes white space and byte order marks from the start.
pub(super) fn trim_start(mut bytes: &[u8]) -> &[u8] {
    loop {
        bytes = bytes.trim_ascii_start();
        match bytes.strip_prefix(BYTE_ORDER_MARK) {
            Some(rest) => bytes = rest,
            None => return bytes,
        }
    }
}

/// Returns whether bytes may be the start of a byte order mark.
pub(super) fn could_be_mark(bytes: &[u8]) -> bool {
    BYTE_ORDER_MARK.starts_with(bytes)
}

/// Returns whether bytes begin as server-sent events do, or `None` if there are too few.
pub(super) fn starts_with_field(bytes: &[u8]) -> Option<bool> {
    if FIELDS.iter().any(|field| bytes.starts_with(field)) {
        return Some(true);
    }
    (!FIELDS.iter().any(|field| field.starts_with(bytes))).then_some(false)
}

/// Returns whether bytes are compressed. The label may be wrong, so text is not.
pub(super) fn is_compressed(bytes: &[u8], is_labelled: bool) -> bool {
    bytes.starts_with(GZIP_MAGIC) || is_labelled && !is_text(bytes)
}

/// Returns whether bytes can be shown.
fn is_text(bytes: &[u8]) -> bool {
    let is_shown = |char: char| !char.is_control() || char.is_ascii_whitespace();
    str::from_utf8(bytes).is_ok_and(|text| text.chars().all(is_shown))
}

/// Returns whether the trimmed data of an event ends a stream.
pub(super) fn is_done_marker(data: &[u8]) -> bool {
    let bare = data.strip_prefix(b"\"").and_then(|data| data.strip_suffix(b"\"")).unwrap_or(data);
    bare.trim_ascii().eq_ignore_ascii_case(b"[DONE]")
}

/// Returns whether bytes begin as JSON does, other than a number or a word.
pub(super) fn starts_as_json(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(b'{' | b'[' | b'"'))
}

/// Returns the length of the JSON value at the start of the bytes, or `None` if it is not closed.
pub(super) fn closed_length(json: &[u8]) -> Option<usize> {
    let mut values = serde_json::Deserializer::from_slice(json).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    Some(values.byte_offset())
}

/// Returns whether bytes are JSON that ends too early.
pub(super) fn is_cut(json: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(json).is_err_and(|error| error.is_eof())
}
