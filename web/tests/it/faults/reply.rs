//! What a caller got, read strictly.

use crate::support::{header, status};

/// How a connection ended for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The server closed it.
    Closed,
    /// It was reset.
    Reset,
    /// It was still open when the caller left.
    Open,
}

/// One reply, as far as it came.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// It ended as its head says that it ends.
    pub(crate) is_whole: bool,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        header(&self.head, name)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// The final replies among these bytes, in their order; the last one may be cut off. Bytes that are no reply are an error.
pub(crate) fn replies(mut bytes: &[u8], end: End) -> Result<Vec<Reply>, String> {
    let mut replies = Vec::new();
    while !bytes.is_empty() {
        if !bytes.starts_with(b"HTTP/1.") {
            return Err(format!("{} bytes are no reply: {:?}", bytes.len(), shown(bytes)));
        }
        let Some(length) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Err(format!("half a head: {:?}", shown(bytes)));
        };
        let head = String::from_utf8_lossy(&bytes[..length + 4]).into_owned();
        bytes = &bytes[length + 4..];
        let status = status(&head);
        // What is said before the reply is for the next hop alone.
        if status == 100 {
            continue;
        }
        let (body, is_whole, rest) =
            match (header(&head, "transfer-encoding"), header(&head, "content-length")) {
                _ if matches!(status, 101 | 204 | 304) => (Vec::new(), true, bytes),
                (Some(_), Some(_)) => return Err(format!("a length and chunks: {head}")),
                (Some(coding), None) if coding == "chunked" => unchunked(bytes)?,
                (Some(coding), None) => return Err(format!("coded as {coding}")),
                (None, Some(length)) => {
                    let length: usize =
                        length.parse().map_err(|_| format!("a length of {length}"))?;
                    let (body, rest) = bytes.split_at(length.min(bytes.len()));
                    (body.to_vec(), body.len() == length, rest)
                }
                (None, None) => (bytes.to_vec(), end == End::Closed, &bytes[bytes.len()..]),
            };
        bytes = rest;
        replies.push(Reply { status, head, body, is_whole });
    }
    Ok(replies)
}

/// The content of these chunks, whether the last one was among them, and what comes after it.
pub(crate) fn unchunked(mut bytes: &[u8]) -> Result<(Vec<u8>, bool, &[u8]), String> {
    let mut content = Vec::new();
    loop {
        let Some(line) = bytes.windows(2).position(|window| window == b"\r\n") else {
            return Ok((content, false, &[]));
        };
        let size = String::from_utf8_lossy(&bytes[..line]);
        let size = usize::from_str_radix(&size, 16).map_err(|_| format!("a chunk of {size:?}"))?;
        bytes = &bytes[line + 2..];
        let (chunk, rest) = bytes.split_at(size.min(bytes.len()));
        content.extend_from_slice(chunk);
        match rest {
            [b'\r', b'\n', rest @ ..] if size == 0 => return Ok((content, true, rest)),
            [b'\r', b'\n', rest @ ..] => bytes = rest,
            [] | [b'\r'] => return Ok((content, false, &[])),
            other => return Err(format!("no end of a chunk: {:?}", shown(other))),
        }
    }
}

/// The beginning of these bytes.
pub(crate) fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned()
}
