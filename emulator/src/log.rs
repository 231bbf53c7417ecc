//! Lines of output, of the function and the emulator.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A line of output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The source of the line.
    pub source: Source,
    /// The text without the line break. Invalid UTF-8 is replaced by U+FFFD.
    pub text: String,
}

/// The source of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Standard output of the function.
    Stdout,
    /// Standard error of the function.
    Stderr,
    /// The emulator: requests, starts and errors.
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

/// A callback for each line of output. The emulator's thread calls it and waits for it to return.
#[derive(Clone)]
pub struct Console(pub Arc<dyn Fn(&Line) + Send + Sync>);

impl Console {
    /// Calls `print` for each line.
    pub fn new(print: impl Fn(&Line) + Send + Sync + 'static) -> Self {
        Self(Arc::new(print))
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Console")
    }
}

/// Maximum number of lines kept. The oldest ones are dropped.
const MAX_LINES: usize = 10_000;

/// The last lines of an emulator, oldest first.
#[derive(Debug)]
pub(crate) struct Log {
    lines: Mutex<Lines>,
    console: Option<Console>,
}

#[derive(Debug, Default)]
struct Lines {
    kept: VecDeque<Line>,
    /// Number of all lines ever, so that a position stays valid after old lines are dropped.
    count: usize,
}

impl Log {
    pub(crate) fn new(console: Option<Console>) -> Self {
        Self { lines: Mutex::default(), console }
    }

    /// Adds a line of the emulator.
    pub(crate) fn platform(&self, text: impl Into<String>) {
        self.push(Source::Platform, text.into());
    }

    pub(crate) fn push(&self, source: Source, text: String) {
        let line = Line { source, text };
        if let Some(Console(print)) = &self.console {
            print(&line);
        }
        let mut lines = self.lines();
        if lines.kept.len() == MAX_LINES {
            lines.kept.pop_front();
        }
        lines.kept.push_back(line);
        lines.count += 1;
    }

    /// Returns the current end of the log, a position for [`Log::function_lines_since`].
    pub(crate) fn end(&self) -> usize {
        self.lines().count
    }

    /// Returns the function's lines after `position`.
    pub(crate) fn function_lines_since(&self, position: usize) -> Vec<String> {
        let lines = self.lines();
        let dropped = lines.count - lines.kept.len();
        lines
            .kept
            .iter()
            .skip(position.saturating_sub(dropped))
            .filter(|line| line.source != Source::Platform)
            .map(|line| line.text.clone())
            .collect()
    }

    pub(crate) fn all(&self) -> Vec<Line> {
        self.lines().kept.iter().cloned().collect()
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        // The lines are valid even after a panic: only complete lines are pushed.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
