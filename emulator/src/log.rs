//! Lines of output, of the function and the emulator.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, channel, sync_channel},
    },
    thread,
    time::{Duration, Instant},
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

/// A callback for each line of output. It runs on a thread of its own and may block: then lines
/// are dropped, and their number is printed later.
#[derive(Clone)]
pub struct Console {
    print: Arc<dyn Fn(&Line) + Send + Sync>,
    is_split: bool,
}

impl Console {
    /// Calls `print` for each line, in order.
    pub fn new(print: impl Fn(&Line) + Send + Sync + 'static) -> Self {
        Self { print: Arc::new(print), is_split: false }
    }

    /// Calls `print` on two threads: one for lines of standard output, one for the others. If one
    /// of them blocks, the other goes on.
    pub fn split(print: impl Fn(&Line) + Send + Sync + 'static) -> Self {
        Self { is_split: true, ..Self::new(print) }
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Console")
    }
}

/// Maximum number of lines kept, and of their bytes. The oldest ones are dropped.
const MAX_LINES: usize = 10_000;
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Maximum number of lines that wait for a [`Console`].
const MAX_QUEUED: usize = 2_000;

/// Time for the last lines on the console.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// The last lines of an emulator, oldest first.
#[derive(Debug)]
pub(crate) struct Log {
    lines: Mutex<Lines>,
    printers: Mutex<Vec<Printer>>,
}

#[derive(Debug, Default)]
struct Lines {
    kept: VecDeque<Arc<Line>>,
    bytes: usize,
    /// Number of all lines ever, so that a position stays valid after old lines are dropped.
    count: usize,
}

impl Log {
    pub(crate) fn new(console: Option<Console>) -> Self {
        let printers = console.iter().flat_map(|console| {
            let number = if console.is_split { 2 } else { 1 };
            (0..number).map(|_| Printer::start(console.print.clone()))
        });
        Self { lines: Mutex::default(), printers: Mutex::new(printers.collect()) }
    }

    /// Adds a line of the emulator.
    pub(crate) fn platform(&self, text: impl Into<String>) {
        self.push(Source::Platform, text.into());
    }

    pub(crate) fn push(&self, source: Source, text: String) {
        let line = Arc::new(Line { source, text });
        let mut lines = lock(&self.lines);
        match lock(&self.printers).as_slice() {
            [] => {}
            [stdout, _] if source == Source::Stdout => stdout.print(&line),
            [.., printer] => printer.print(&line),
        }
        lines.bytes += line.text.len();
        lines.kept.push_back(line);
        lines.count += 1;
        while lines.kept.len() > MAX_LINES || lines.bytes > MAX_BYTES {
            let dropped = lines.kept.pop_front();
            lines.bytes -= dropped.map_or(0, |line| line.text.len());
        }
    }

    /// Returns the current end of the log, a position for [`Log::function_lines_since`].
    pub(crate) fn end(&self) -> usize {
        lock(&self.lines).count
    }

    /// Returns the function's lines after `position`.
    pub(crate) fn function_lines_since(&self, position: usize) -> Vec<String> {
        let lines = lock(&self.lines);
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
        lock(&self.lines).kept.iter().map(|line| (**line).clone()).collect()
    }

    /// Waits until the console has all lines, for [`FLUSH_TIMEOUT`] at most. Later lines are not
    /// printed.
    pub(crate) fn flush(&self) {
        let deadline = Instant::now() + FLUSH_TIMEOUT;
        for printer in lock(&self.printers).drain(..) {
            drop(printer.queue);
            // Returns at the end of the printer, or at the deadline.
            let _ = printer.end.recv_timeout(deadline.saturating_duration_since(Instant::now()));
        }
    }
}

/// A thread that prints lines.
#[derive(Debug)]
struct Printer {
    queue: SyncSender<Arc<Line>>,
    /// Number of lines that the queue had no room for.
    dropped: Arc<AtomicUsize>,
    /// Disconnected at the end of the thread.
    end: Receiver<()>,
}

impl Printer {
    fn start(print: Arc<dyn Fn(&Line) + Send + Sync>) -> Self {
        let (queue, lines) = sync_channel::<Arc<Line>>(MAX_QUEUED);
        let (ended, end) = channel();
        let dropped = Arc::new(AtomicUsize::new(0));
        let counter = dropped.clone();
        thread::spawn(move || {
            for line in lines {
                print(&line);
                let dropped = counter.swap(0, Ordering::Relaxed);
                if dropped > 0 {
                    let text = format!("{dropped} lines not printed: the console is too slow");
                    print(&Line { source: Source::Platform, text });
                }
            }
            drop(ended);
        });
        Self { queue, dropped, end }
    }

    fn print(&self, line: &Arc<Line>) {
        if self.queue.try_send(line.clone()).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The values are valid even after a panic: only complete lines are pushed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
