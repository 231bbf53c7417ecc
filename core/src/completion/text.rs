//! The text of an answer, from the parts in which it arrives.

use std::mem;

use super::chunk::Part;

/// The text of an answer so far.
#[derive(Debug, Default)]
pub(super) struct AnswerText {
    /// The text that was not taken.
    text: String,
    /// The text that was taken before it.
    taken: TakenText,
    is_visible: bool,
    /// Set if the text is a refusal and not content.
    is_refusal: bool,
    /// Set if all of the text came in `message` members of a stream.
    is_from_messages: bool,
}

/// A `message` that does not go on with the text so far.
#[derive(Debug)]
pub(super) struct MessageMismatch;

impl AnswerText {
    /// Returns whether the text is not only white space.
    pub(super) fn is_visible(&self) -> bool {
        self.is_visible
    }

    /// Returns the length of the whole text, in bytes.
    pub(super) fn len(&self) -> usize {
        self.taken.len + self.text.len()
    }

    /// Takes the text that was added since the last call.
    pub(super) fn take(&mut self) -> String {
        self.taken.add(&self.text);
        mem::take(&mut self.text)
    }

    /// Returns the text that was not taken.
    pub(super) fn into_rest(self) -> String {
        self.text
    }

    /// Adds a part: its content, or its refusal if there is no content.
    pub(super) fn add_part(&mut self, part: Part) {
        // Some models send both. The one that came first goes on.
        let may_refuse = self.is_refusal || !self.is_visible;
        let refusal = part.refusal.non_empty().filter(|_| may_refuse);
        let content = part
            .content
            .non_empty()
            .filter(|content| !self.is_refusal && (refusal.is_none() || !is_blank(content)));
        let text = content.or_else(|| {
            self.is_refusal |= refusal.is_some();
            refusal
        });
        let Some(text) = text else { return };
        self.is_from_messages = false;
        self.is_visible |= !is_blank(&text);
        match self.text.is_empty() {
            // Without a copy: a whole answer can be large.
            true => self.text = text,
            false => self.text.push_str(&text),
        }
    }

    /// Adds a `message` of a stream. It repeats the text so far, or is the next piece.
    pub(super) fn add_message(&mut self, message: Part) -> Result<(), MessageMismatch> {
        let Some(text) = message.content.non_empty().or(message.refusal.non_empty()) else {
            return Ok(());
        };
        let may_be_piece = self.is_from_messages || self.len() == 0;
        let repeated = self.taken.strip_from(&text);
        let new = match repeated.and_then(|rest| rest.strip_prefix(self.text.as_str())) {
            Some(new) => new,
            None if may_be_piece => &text,
            None => return Err(MessageMismatch),
        };
        self.text.push_str(new);
        self.is_visible |= !is_blank(new);
        self.is_from_messages = may_be_piece;
        Ok(())
    }
}

/// The length and the hash of a text that was taken. A `message` may repeat it.
#[derive(Debug, Default)]
struct TakenText {
    len: usize,
    hash: u64,
}

impl TakenText {
    fn add(&mut self, text: &str) {
        self.len += text.len();
        self.hash = hash(self.hash, text);
    }

    /// Returns the rest of a text that begins with the taken one.
    fn strip_from<'a>(&self, text: &'a str) -> Option<&'a str> {
        let (start, rest) = text.split_at_checked(self.len)?;
        (hash(0, start) == self.hash).then_some(rest)
    }
}

/// Continues the FNV-1a hash of a text.
fn hash(hash: u64, text: &str) -> u64 {
    let add = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(hash, add)
}

fn is_blank(text: &str) -> bool {
    text.chars().all(char::is_whitespace)
}
