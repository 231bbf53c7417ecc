//! Server-sent events, from bytes that are cut anywhere.
//!
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation>

/// Reads events. Comments and fields other than `event` and `data` are skipped.
#[derive(Debug, Default)]
pub struct EventReader {
    lines: Lines,
    event: Event,
}

/// An event with data.
#[derive(Debug, Default, PartialEq)]
pub struct Event {
    /// The value of `event`, empty by default.
    pub name: String,
    /// The values of `data`, joined by line feeds.
    pub data: Vec<u8>,
}

impl EventReader {
    /// Returns the next complete event in the bytes and removes its bytes. Keeps the rest.
    pub fn next(&mut self, bytes: &mut &[u8]) -> Option<Event> {
        while let Some(line) = self.lines.next(bytes) {
            if let Some(event) = self.line(&line) {
                return Some(event);
            }
        }
        None
    }

    /// Returns the last event if no empty line followed it.
    pub fn finish(mut self) -> Option<Event> {
        let partial = std::mem::take(&mut self.lines.partial);
        self.line(&partial).or_else(|| self.take())
    }

    /// Returns the number of bytes kept.
    pub(super) fn len(&self) -> usize {
        self.lines.partial.len() + self.event.data.len()
    }

    fn line(&mut self, line: &[u8]) -> Option<Event> {
        if line.is_empty() {
            return self.take();
        }
        let value = |rest: &[u8]| rest.strip_prefix(b" ").unwrap_or(rest).to_vec();
        if let Some(rest) = line.strip_prefix(b"data:") {
            if !self.event.data.is_empty() {
                self.event.data.push(b'\n');
            }
            self.event.data.extend_from_slice(rest.strip_prefix(b" ").unwrap_or(rest));
        } else if let Some(rest) = line.strip_prefix(b"event:") {
            self.event.name = String::from_utf8(value(rest)).unwrap_or_default();
        }
        None
    }

    /// Ends the event. Returns `None` if it has no data.
    fn take(&mut self) -> Option<Event> {
        let event = std::mem::take(&mut self.event);
        (!event.data.is_empty()).then_some(event)
    }
}

/// Splits bytes into lines that end in LF, CRLF or CR.
#[derive(Debug, Default)]
struct Lines {
    /// The start of a line whose end has not arrived.
    partial: Vec<u8>,
    /// Set if the last line ended in CR. A following LF belongs to that end.
    after_cr: bool,
}

impl Lines {
    fn next(&mut self, bytes: &mut &[u8]) -> Option<Vec<u8>> {
        if self.after_cr && !bytes.is_empty() {
            self.after_cr = false;
            *bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        match bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            Some(end) => {
                self.partial.extend_from_slice(&bytes[..end]);
                self.after_cr = bytes[end] == b'\r';
                *bytes = &bytes[end + 1..];
                Some(std::mem::take(&mut self.partial))
            }
            None => {
                self.partial.extend_from_slice(bytes);
                *bytes = &[];
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(stream: &[u8], size: usize) -> Vec<(String, String)> {
        let mut reader = EventReader::default();
        let mut events = Vec::new();
        for mut bytes in stream.chunks(size) {
            while let Some(event) = reader.next(&mut bytes) {
                events.push(event);
            }
        }
        events.extend(reader.finish());
        events
            .into_iter()
            .map(|event| (event.name, String::from_utf8(event.data).unwrap()))
            .collect()
    }

    #[test]
    fn events_are_the_same_in_any_cut() {
        let stream =
            ": comment\r\n\r\nid: 1\nevent: x\ndata:a\ndata: b\n\ndata: 你\r\rretry: 1\n\ndata: c";
        let expected =
            [("x", "a\nb"), ("", "你"), ("", "c")].map(|(name, data)| (name.into(), data.into()));
        for size in 1..stream.len() {
            assert_eq!(events(stream.as_bytes(), size), expected, "cut into {size}");
        }
    }
}
