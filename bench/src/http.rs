//! As much HTTP/1.1 as a fast counterpart needs: whole requests in, whole replies out, each in one write.

use std::io::{self, Read, Write};

/// A connection on which one request after the other comes in.
pub(crate) struct Connection<S> {
    stream: S,
    buffer: Vec<u8>,
    /// How much of the buffer is the request that was read last.
    used: usize,
}

impl<S: Read + Write> Connection<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, buffer: Vec::with_capacity(16 * 1024), used: 0 }
    }

    /// Reads a request to its end and returns its first line and its body; nothing where the peer has closed.
    pub(crate) fn request(&mut self) -> io::Result<Option<(&str, &[u8])>> {
        self.buffer.drain(..self.used);
        self.used = 0;
        let head = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break at + 4;
            }
            if self.more()? == 0 {
                return Ok(None);
            }
        };
        let text = String::from_utf8_lossy(&self.buffer[..head]).to_ascii_lowercase();
        let header =
            |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        self.used = match (header("content-length:"), header("transfer-encoding:")) {
            (Some(length), _) => head + length.parse::<usize>().map_err(io::Error::other)?,
            (None, Some(_)) => loop {
                // One request at a time: the last chunk ends what has been read.
                if self.buffer.ends_with(b"\r\n0\r\n\r\n") {
                    break self.buffer.len();
                }
                if self.more()? == 0 {
                    return Ok(None);
                }
            },
            (None, None) => head,
        };
        while self.buffer.len() < self.used {
            if self.more()? == 0 {
                return Ok(None);
            }
        }
        let line = self.buffer.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let line = std::str::from_utf8(line).map_err(io::Error::other)?;
        Ok(Some((line, &self.buffer[head..self.used])))
    }

    /// Sends a reply that is ready to go.
    pub(crate) fn reply(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    fn more(&mut self) -> io::Result<usize> {
        let mut bytes = [0; 16 * 1024];
        let read = self.stream.read(&mut bytes)?;
        self.buffer.extend_from_slice(&bytes[..read]);
        Ok(read)
    }
}

/// A reply with a JSON body and, in whole lines, more headers.
pub(crate) fn reply(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// Where some bytes begin in others.
pub(crate) fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
