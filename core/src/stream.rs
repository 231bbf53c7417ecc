//! A provider's stream of server-sent events, piece by piece.

use http::StatusCode;

use crate::completion::{About, Answer, Completion, nothing_to_show};
use crate::failure::Failure;
use crate::json;
use crate::lang::Sentence;
use crate::refusal::{self, Refusal};
use crate::secret::Mask;

/// An event larger than this is not one, in bytes.
const LARGEST_EVENT: usize = 8 << 20;

/// Reads a streamed answer as its bytes come, cut anywhere.
#[derive(Debug, Default)]
pub struct Stream {
    mask: Mask,
    lines: Lines,
    /// The data of the event that is being read.
    event: Vec<u8>,
    /// The model declined instead of answering.
    refusal: bool,
    has_text: bool,
    ended: bool,
    about: About,
}

impl Stream {
    /// A stream of which nothing has come. The mask goes over the provider's error messages.
    pub fn new(mask: Mask) -> Self {
        Self { mask, ..Self::default() }
    }

    /// Takes the bytes that have come and gives the text in them, in order; it is empty where there is none yet.
    pub fn push(&mut self, bytes: &[u8]) -> Result<String, Refusal> {
        let mut text = String::new();
        let mut rest = bytes;
        while let Some((line, after)) = self.lines.next(rest) {
            rest = after;
            self.line(&line, &mut text)?;
        }
        match self.lines.partial.len() + self.event.len() > LARGEST_EVENT {
            true => Err(broke_off()),
            false => Ok(text),
        }
    }

    /// Whether the provider said that the answer is whole: what comes after does not matter.
    pub fn is_done(&self) -> bool {
        self.ended
    }

    /// What the provider has said of the answer by now.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// What has arrived by now as the answer: time has run out.
    pub fn so_far(&self, text: String) -> Answer {
        Answer {
            text,
            about: About { finish_reason: Some("deadline".into()), ..self.about.clone() },
        }
    }

    /// Ends the stream: the provider has closed it. Gives the text of a last event that was not ended by an empty line,
    /// and what was said of the answer. Fails where it broke off, or where there was nothing to show.
    pub fn end(mut self) -> Result<Answer, Refusal> {
        let mut text = String::new();
        let partial = std::mem::take(&mut self.lines.partial);
        self.line(&partial, &mut text)?;
        self.dispatch(&mut text)?;
        if !self.ended && self.about.finish_reason.is_none() {
            return Err(broke_off());
        }
        if !self.has_text {
            return Err(nothing_to_show(self.about.finish_reason.as_deref()).into());
        }
        Ok(Answer { text, about: self.about })
    }

    fn line(&mut self, line: &[u8], text: &mut String) -> Result<(), Refusal> {
        if line.is_empty() {
            return self.dispatch(text);
        }
        if let Some(data) = line.strip_prefix(b"data:") {
            if !self.event.is_empty() {
                self.event.push(b'\n');
            }
            self.event.extend_from_slice(data.strip_prefix(b" ").unwrap_or(data));
        }
        // Comments and other fields say nothing that is needed.
        Ok(())
    }

    /// An event is whole.
    fn dispatch(&mut self, text: &mut String) -> Result<(), Refusal> {
        let event = std::mem::take(&mut self.event);
        if event.is_empty() || self.ended {
            return Ok(());
        }
        if event == b"[DONE]" {
            self.ended = true;
            return Ok(());
        }
        let Ok(completion) = json::read::<Completion>(&event) else {
            return Err(self.no_piece(&event));
        };
        let content = completion.content(&self.mask)?;
        self.about.model = self.about.model.take().or(content.about.model);
        self.about.finish_reason = content.about.finish_reason.or(self.about.finish_reason.take());
        self.about.usage = content.about.usage.or(self.about.usage.take());
        // Some models name both; what was begun goes on.
        let piece = match content.text.filter(|piece| !piece.is_empty()) {
            Some(piece) if !self.refusal => Some(piece),
            _ => {
                let refusal = content
                    .refusal
                    .filter(|piece| !piece.is_empty() && (self.refusal || !self.has_text));
                self.refusal |= refusal.is_some();
                refusal
            }
        };
        if let Some(piece) = piece {
            self.has_text |= !piece.trim().is_empty();
            text.push_str(&piece);
        }
        Ok(())
    }

    /// An event that is no piece of a completion may be an error, in whatever form.
    fn no_piece(&self, event: &[u8]) -> Refusal {
        match json::read(event) {
            Ok(error) => refusal::of_error(StatusCode::OK, &error, &self.mask),
            Err(_) => {
                let said = Sentence::new(
                    "its stream is not of chat completions",
                    "它的流不是 chat completion",
                );
                Failure::UpstreamFailed(said).into()
            }
        }
    }
}

/// The stream ended before the answer did. No text can follow, and what came may have been shown.
pub fn broke_off() -> Refusal {
    Failure::UpstreamFailed(Sentence::new("it broke off in the middle", "它中途断开了")).into()
}

/// Cuts bytes into lines that end in LF, CR LF or CR.
#[derive(Debug, Default)]
struct Lines {
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
    /// The last line ended in CR: an LF right after it belongs to that end.
    after_cr: bool,
}

impl Lines {
    /// The next whole line and what comes after it. Keeps what is no whole line.
    fn next<'a>(&mut self, mut bytes: &'a [u8]) -> Option<(Vec<u8>, &'a [u8])> {
        if std::mem::take(&mut self.after_cr) {
            if bytes.is_empty() {
                self.after_cr = true;
                return None;
            }
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        match bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            Some(end) => {
                self.partial.extend_from_slice(&bytes[..end]);
                self.after_cr = bytes[end] == b'\r';
                Some((std::mem::take(&mut self.partial), &bytes[end + 1..]))
            }
            None => {
                self.partial.extend_from_slice(bytes);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole text and what was said of it, read in pieces of `size` bytes.
    fn read_in(stream: &str, size: usize) -> Result<(String, About), Failure> {
        let mut reader = Stream::new(Mask::default());
        let mut text = String::new();
        for bytes in stream.as_bytes().chunks(size) {
            text.push_str(&reader.push(bytes).map_err(|refusal| refusal.failure)?);
        }
        let end = reader.end().map_err(|refusal| refusal.failure)?;
        Ok((text + &end.text, end.about))
    }

    /// Whatever the cut, the same comes out.
    #[track_caller]
    fn read(stream: &str) -> Result<(String, About), Failure> {
        let whole = read_in(stream, usize::MAX >> 1);
        for size in 1..12 {
            assert_eq!(read_in(stream, size), whole, "cut into {size}");
        }
        whole
    }

    #[test]
    fn pieces_are_joined_and_everything_around_them_is_borne() {
        let stream = concat!(
            ": keep-alive\r\n\r\n",
            "data:{\"model\":\"m\",\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":null,\"reasoning_content\":\"hm\"}}]}\r\n\r\n",
            "event: x\nid: 1\ndata: {\"choices\":[{\"delta\":{\"content\":\"你\"}}]}\n\n",
            "data: {\"choices\":[{\"delta\":{\"content\":\"好😀\"}}]}\r\r",
            "data: {\"choices\":[{\"delta\":\ndata: {\"content\":\"!\"},\"finish_reason\":\"stop\"}]}\n\n",
            "data: {\"choices\":[],\"usage\":{\"total_tokens\":3}}\n\n",
            "data: {\"choices\":null}\n\n",
            "data: [DONE]\n\n",
        );
        let (text, about) = read(stream).unwrap();
        assert_eq!(text, "你好😀!");
        assert_eq!(
            (about.model.as_deref(), about.finish_reason.as_deref()),
            (Some("m"), Some("stop"))
        );
        assert_eq!(about.usage.unwrap()["total_tokens"], 3);
    }

    #[test]
    fn without_done_the_finish_reason_decides() {
        let piece = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
        let last = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}]}";
        assert_eq!(read(&format!("{piece}{last}")).unwrap().0, "a");
        assert_eq!(read(&format!("{piece}data: [DONE]")).unwrap().0, "a");
        assert_eq!(read(piece).unwrap_err().code(), "upstream_failed");
        assert_eq!(read("").unwrap_err().code(), "upstream_failed");
    }

    #[test]
    fn a_refusal_is_the_answer_and_nothing_is_a_failure() {
        let refusal =
            "data: {\"choices\":[{\"delta\":{\"refusal\":\"I can't.\"}}]}\n\ndata: [DONE]\n\n";
        assert_eq!(read(refusal).unwrap().0, "I can't.");
        assert_eq!(read("data: [DONE]\n\n").unwrap_err().code(), "answer_empty");
        let filtered =
            "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"content_filter\"}]}\n\n";
        assert_eq!(read(filtered).unwrap_err().code(), "answer_filtered");
    }

    #[test]
    fn an_error_as_an_event_is_that_error() {
        for (event, code) in [
            (r#"{"error":{"message":"x","code":"rate_limit_exceeded"}}"#, "upstream_busy"),
            (r#"{"error":{"message":"overloaded"}}"#, "upstream_failed"),
            (r#"{"error":"x"}"#, "upstream_failed"),
            (r#"nonsense"#, "upstream_failed"),
            (r#"["x"]"#, "upstream_failed"),
        ] {
            assert_eq!(read(&format!("data: {event}\n\n")).unwrap_err().code(), code, "{event}");
        }
    }
}
