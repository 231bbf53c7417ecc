//! Standard output and standard error.

use std::borrow::Cow;
use std::io::{self, ErrorKind, IsTerminal, Stdout, Write};

use super::error::Error;

/// Standard output. Each text appears at once.
pub(super) struct Output {
    stdout: Stdout,
    is_terminal: bool,
    /// Set if the last character was not a line feed.
    is_inside_line: bool,
}

impl Output {
    /// Takes standard output.
    pub(super) fn new() -> Self {
        let stdout = io::stdout();
        Self { is_terminal: stdout.is_terminal(), stdout, is_inside_line: false }
    }

    /// Writes a text, unchanged unless standard output is a terminal.
    ///
    /// # Errors
    /// [`Error::ClosedPipe`], or [`Error::Failed`] such as on a full disk.
    pub(super) fn write(&mut self, text: &str) -> Result<(), Error> {
        let Some(last) = text.chars().next_back() else { return Ok(()) };
        self.is_inside_line = last != '\n';
        let text = if self.is_terminal { printable(text) } else { text.into() };
        let mut stdout = self.stdout.lock();
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(write_error)
    }

    /// Ends the current line, if there is one.
    ///
    /// # Errors
    /// As [`Output::write`].
    pub(super) fn end_line(&mut self) -> Result<(), Error> {
        if self.is_inside_line { self.write("\n") } else { Ok(()) }
    }
}

fn write_error(error: io::Error) -> Error {
    match error.kind() {
        ErrorKind::BrokenPipe => Error::ClosedPipe,
        _ => Error::failed(
            format!("standard output cannot be written: {error}"),
            format!("无法写入标准输出：{error}"),
        ),
    }
}

/// Writes a line to standard error. There is no other place if that is closed.
pub(super) fn print_error(line: &str) {
    let _ = writeln!(io::stderr(), "ask: {}", single_line(line));
}

/// Returns a text in one line, without control characters.
pub(super) fn single_line(text: &str) -> String {
    printable(text).replace('\n', " ")
}

/// Replaces control characters: a text of others could move the cursor or read the clipboard.
fn printable(text: &str) -> Cow<'_, str> {
    let is_hidden = |char: char| char.is_control() && !matches!(char, '\n' | '\t');
    if !text.contains(is_hidden) {
        return text.into();
    }
    // A lone CR would overwrite the line. Dropping it keeps CRLF a line end.
    let chars = text.chars().filter(|char| *char != '\r');
    chars.map(|char| if is_hidden(char) { char::REPLACEMENT_CHARACTER } else { char }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_replaced() {
        assert_eq!(printable("a\tb\n你好"), "a\tb\n你好");
        assert_eq!(
            printable("a\r\nb\u{1b}]52;c;x\u{7}\u{9b}m"),
            "a\nb\u{fffd}]52;c;x\u{fffd}\u{fffd}m"
        );
    }
}
