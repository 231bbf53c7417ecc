//! Server-sent events, from bytes that are cut anywhere.
//!
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation>

/// Maximum size of the ignored lines that are kept, in bytes.
const MAX_IGNORED: usize = 4096;

/// Reads events. Comments and fields other than `event` and `data` are ignored. A line of JSON
/// without a field counts as data of its own: upstreams report errors so.
#[derive(Debug, Default)]
pub struct EventReader {
    lines: Lines,
    event: Event,
    /// The start of the ignored lines.
    ignored: Vec<u8>,
}

/// An event with data, or with the name of an error.
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

    /// Returns the last event if no empty line followed it, and the start of the ignored lines.
    pub fn finish(mut self) -> (Option<Event>, Vec<u8>) {
        let partial = std::mem::take(&mut self.lines.partial);
        let last = self.line(&partial).or_else(|| self.take());
        (last, self.ignored)
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
        } else if line.starts_with(b"{") || line.starts_with(b"[") {
            return Some(Event { name: String::new(), data: line.to_vec() });
        } else if !line.starts_with(b":") {
            let rest = MAX_IGNORED.saturating_sub(self.ignored.len());
            self.ignored.extend_from_slice(&line[..line.len().min(rest)]);
            self.ignored.push(b'\n');
        }
        None
    }

    /// Ends the event. Returns `None` if it has no data, unless it is an error.
    fn take(&mut self) -> Option<Event> {
        let event = std::mem::take(&mut self.event);
        (!event.data.is_empty() || event.is_error()).then_some(event)
    }
}

impl Event {
    /// Returns whether the name is that of an error.
    pub(super) fn is_error(&self) -> bool {
        let name = self.name.to_ascii_lowercase();
        name.contains("error") || name.contains("fail")
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
        events.extend(reader.finish().0);
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
