//! What the function prints, and what the platform has to say about it.

use std::{
    collections::VecDeque,
    fmt, io,
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    sync::watch,
    task::JoinHandle,
    time::timeout,
};

use crate::Console;

/// One line of output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Who wrote it.
    pub source: Source,
    /// The line without its end. Bytes that are not UTF-8 are replaced.
    pub text: String,
}

/// Who wrote a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The function, on its standard output.
    Stdout,
    /// The function, on its standard error.
    Stderr,
    /// The emulator: requests, starts, refusals.
    Platform,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.source {
            Source::Platform => write!(f, "[scf] {}", self.text),
            Source::Stdout | Source::Stderr => f.write_str(&self.text),
        }
    }
}

/// Lines that are kept. Older ones go.
const KEPT: usize = 10_000;

/// One log message of the platform (its document on the log structure), in bytes. A longer line is broken there.
const MAX_LINE: usize = 8 * 1024;

/// The lines of one emulator, oldest first.
#[derive(Debug)]
pub(crate) struct Log {
    lines: Mutex<Lines>,
    console: Option<Console>,
}

#[derive(Debug, Default)]
struct Lines {
    kept: VecDeque<Line>,
    /// How many came in all, so that a place in the log stays meaningful after older lines went.
    count: usize,
}

impl Log {
    pub(crate) fn new(console: Option<Console>) -> Self {
        Self { lines: Mutex::default(), console }
    }

    /// Adds a line of the platform's own.
    pub(crate) fn say(&self, text: impl Into<String>) {
        self.push(Source::Platform, text.into());
    }

    fn push(&self, source: Source, text: String) {
        let line = Line { source, text };
        if let Some(Console(print)) = &self.console {
            print(&line);
        }
        let mut lines = self.lines();
        if lines.kept.len() == KEPT {
            lines.kept.pop_front();
        }
        lines.kept.push_back(line);
        lines.count += 1;
    }

    /// The present end of the log, for [`Log::printed_since`].
    pub(crate) fn end(&self) -> usize {
        self.lines().count
    }

    /// What the function printed after `mark`.
    pub(crate) fn printed_since(&self, mark: usize) -> Vec<String> {
        let lines = self.lines();
        let gone = lines.count - lines.kept.len();
        lines
            .kept
            .iter()
            .skip(mark.saturating_sub(gone))
            .filter(|line| line.source != Source::Platform)
            .map(|line| line.text.clone())
            .collect()
    }

    pub(crate) fn all(&self) -> Vec<Line> {
        self.lines().kept.iter().cloned().collect()
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        // Whoever panicked here left whole lines behind.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The reading end of one of the function's output streams. A task reads it, all the time.
pub(crate) struct Pipe {
    /// The same pipe again, only to ask how much is in it.
    probe: OwnedFd,
    /// Bytes read so far.
    read: watch::Receiver<usize>,
    reader: JoinHandle<()>,
}

impl Pipe {
    pub(crate) fn new(
        pipe: impl AsyncRead + AsFd + Unpin + Send + 'static,
        source: Source,
        log: Arc<Log>,
    ) -> io::Result<Self> {
        let probe = pipe.as_fd().try_clone_to_owned()?;
        let (sender, read) = watch::channel(0);
        let reader = tokio::spawn(read_lines(pipe, source, log, sender));
        Ok(Self { probe, read, reader })
    }

    /// Waits until everything is in the log that is in the pipe now.
    ///
    /// The reader counts what it has read without an await in between, and shares this thread: bytes are either in
    /// the pipe or counted.
    pub(crate) async fn drained(&mut self) {
        let in_pipe = rustix::io::ioctl_fionread(&self.probe).unwrap_or(0);
        let target = *self.read.borrow() + usize::try_from(in_pipe).unwrap_or(0);
        // An error means that the reader came to the end: then, too, all is read.
        let _ = self.read.wait_for(|read| *read >= target).await;
    }

    /// Waits for the end of the stream, the last line included. A process that has left the function's group may
    /// hold it open: it is not waited for.
    pub(crate) async fn ended(&mut self) {
        let _ = timeout(Duration::from_secs(1), &mut self.reader).await;
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn read_lines(
    mut pipe: impl AsyncRead + Unpin,
    source: Source,
    log: Arc<Log>,
    read: watch::Sender<usize>,
) {
    let mut buffer = vec![0; MAX_LINE];
    let mut filled = 0;
    // A broken pipe is the end of the output like any other.
    while let Ok(bytes @ 1..) = pipe.read(&mut buffer[filled..]).await {
        filled += bytes;
        let mut start = 0;
        while let Some(length) = buffer[start..filled].iter().position(|byte| *byte == b'\n') {
            log.push(source, text(&buffer[start..start + length]));
            start += length + 1;
        }
        if start == 0 && filled == MAX_LINE {
            log.push(source, text(&buffer));
            start = filled;
        }
        buffer.copy_within(start..filled, 0);
        filled -= start;
        read.send_modify(|read| *read += bytes);
    }
    if filled > 0 {
        log.push(source, text(&buffer[..filled]));
    }
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned()
}
