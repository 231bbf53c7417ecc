//! The question: words of the command line, and standard input.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use ask_core::lang::{Lang, Localized};

use super::error::Error;
use super::output::print_error;

/// Maximum size of standard input, in bytes. No model takes more.
const MAX_INPUT: u64 = 16 << 20;

/// Time after which a line on standard error says that standard input has not ended.
const NOTICE_AFTER: Duration = Duration::from_secs(2);

/// Returns the question: the words, then what standard input holds.
///
/// With words, standard input is read only if it is a pipe or a file. A single `-` stands for all
/// of it. Returns `None` without words if there is nothing to read.
///
/// # Errors
/// If standard input cannot be read, or if there is no text in the words and in it.
pub(super) fn question(words: &[String], lang: Lang) -> Result<Option<String>, Error> {
    let reads_all = matches!(words, [dash] if dash == "-");
    let has_input = reads_all || is_pipe_or_file();
    let words = if reads_all { String::new() } else { words.join(" ") };
    if words.is_empty() && !has_input {
        return Ok(None);
    }
    let input = if has_input { read(lang)? } else { String::new() };
    let parts = [words.trim(), input.trim()].map(str::to_owned);
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    match parts.is_empty() {
        true => Err(Error::failed("the question is empty", "问题是空的")),
        false => Ok(Some(parts.join("\n\n"))),
    }
}

fn is_pipe_or_file() -> bool {
    let file = io::stdin().as_fd().try_clone_to_owned().map(File::from);
    let kind = file.and_then(|file| file.metadata()).map(|metadata| metadata.file_type());
    kind.is_ok_and(|kind| kind.is_fifo() || kind.is_file())
}

/// Reads standard input to its end.
fn read(lang: Lang) -> Result<String, Error> {
    let (ended, waiting) = mpsc::channel::<()>();
    if !io::stdin().is_terminal() {
        thread::spawn(move || {
            if waiting.recv_timeout(NOTICE_AFTER) == Err(RecvTimeoutError::Timeout) {
                print_error(waiting_line().get(lang));
            }
        });
    }
    let mut bytes = Vec::new();
    let read = io::stdin().lock().take(MAX_INPUT + 1).read_to_end(&mut bytes);
    drop(ended);
    let size = read.map_err(|error| {
        Error::failed(
            format!("standard input cannot be read: {error}"),
            format!("无法读取标准输入：{error}"),
        )
    })?;
    if size as u64 > MAX_INPUT {
        return Err(Error::failed("standard input is larger than 16 MB", "标准输入超过 16 MB"));
    }
    String::from_utf8(bytes)
        .map_err(|_| Error::failed("standard input is not UTF-8 text", "标准输入不是 UTF-8 文本"))
}

fn waiting_line() -> Localized {
    Localized::new(
        "waiting for the end of standard input (`</dev/null` asks without it)",
        "正在等待标准输入结束（如不需要，请加上 `</dev/null`）",
    )
}
