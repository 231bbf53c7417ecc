//! Programs as child processes.
//!
//! ```
//! use testkit::process::{self, Process};
//!
//! let mut command = process::command("/bin/sh");
//! let process = Process::spawn(command.args(["-c", "echo ready; exec sleep 60"]));
//! assert_eq!(process.stdout.next(), "ready");
//! process.signal("TERM");
//! assert!(!process.wait().success());
//! ```

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use std::{fs, thread};

use crate::{WAIT_LIMIT, poll};

/// A command with an empty environment, no input, and both outputs piped.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A child process, which is killed with the value.
pub struct Process {
    child: Mutex<Child>,
    id: u32,
    /// The lines on standard output, if it is piped.
    pub stdout: Lines,
    /// The lines on standard error, if it is piped. They are shown with a test that fails.
    pub stderr: Lines,
}

impl Process {
    /// Starts the program and reads its piped outputs.
    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (stdout, stderr) = (Lines::default(), Lines::default());
        if let Some(pipe) = child.stdout.take() {
            stdout.read(pipe, |_| {});
        }
        if let Some(pipe) = child.stderr.take() {
            stderr.read(pipe, |line| eprintln!("{line}"));
        }
        Self { id: child.id(), child: Mutex::new(child), stdout, stderr }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Returns `false` once the process has ended.
    pub fn is_running(&self) -> bool {
        self.child.lock().unwrap().try_wait().is_ok_and(|status| status.is_none())
    }

    /// Waits for the end. Panics after [`WAIT_LIMIT`].
    #[track_caller]
    pub fn wait(&self) -> ExitStatus {
        assert!(poll(WAIT_LIMIT, || !self.is_running()), "the process does not end");
        self.child.lock().unwrap().wait().unwrap()
    }

    /// Ends the process at once.
    pub fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        let _ = child.kill();
        let _ = child.wait();
    }

    /// Sends a signal by its name, such as `TERM`.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        assert!(kill.args([&format!("-{name}"), &self.id.to_string()]).status().unwrap().success());
    }

    /// Stops the process, as the platform freezes an instance, and waits until it has stopped.
    #[track_caller]
    pub fn freeze(&self) {
        self.signal("STOP");
        wait_until_stopped(self.id);
    }

    /// Continues a stopped process.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    /// Waits for a line with all these strings on either output.
    ///
    /// # Errors
    ///
    /// All lines so far, if it does not come in time.
    pub fn wait_for_line(&self, limit: Duration, words: &[&str]) -> io::Result<()> {
        let is_match = |line: &String| words.iter().all(|word| line.contains(word));
        let has_come = || self.output().iter().any(is_match);
        match poll(limit, has_come) {
            true => Ok(()),
            false => Err(io::Error::other(format!("no line with {words:?}: {:?}", self.output()))),
        }
    }

    /// All lines so far, of both outputs.
    pub fn output(&self) -> Vec<String> {
        [self.stdout.all(), self.stderr.all()].concat()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits until a process that was sent `STOP` has stopped.
#[track_caller]
pub fn wait_until_stopped(id: u32) {
    let stat = format!("/proc/{id}/stat");
    let is_stopped = || fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") T "));
    assert!(poll(WAIT_LIMIT, is_stopped), "process {id} does not stop");
}

/// The lines that a process writes to one of its outputs.
#[derive(Clone, Default)]
pub struct Lines(Arc<(Mutex<Written>, Condvar)>);

#[derive(Default)]
struct Written {
    lines: Vec<String>,
    taken: usize,
    is_closed: bool,
}

impl Lines {
    fn read(&self, pipe: impl Read + Send + 'static, show: impl Fn(&str) + Send + 'static) {
        let lines = self.clone();
        thread::spawn(move || {
            let (written, changed) = &*lines.0;
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                show(&line);
                written.lock().unwrap().lines.push(line);
                changed.notify_all();
            }
            written.lock().unwrap().is_closed = true;
            changed.notify_all();
        });
    }

    /// Waits for the next line. Panics after [`WAIT_LIMIT`], and if the output ends before.
    #[track_caller]
    pub fn next(&self) -> String {
        let (written, changed) = &*self.0;
        let has_none =
            |written: &mut Written| written.taken == written.lines.len() && !written.is_closed;
        let waited = changed.wait_timeout_while(written.lock().unwrap(), WAIT_LIMIT, has_none);
        let mut written = waited.unwrap().0;
        written.taken += 1;
        written.lines.get(written.taken - 1).cloned().expect("one more line")
    }

    /// Takes the lines that `next` has not returned.
    pub fn rest(&self) -> Vec<String> {
        let mut written = self.0.0.lock().unwrap();
        let rest = written.lines[written.taken..].to_vec();
        written.taken = written.lines.len();
        rest
    }

    /// Waits for the end of the output and takes the lines that `next` has not returned.
    #[track_caller]
    pub fn until_end(&self) -> Vec<String> {
        let (written, changed) = &*self.0;
        let is_open = |written: &mut Written| !written.is_closed;
        let waited = changed.wait_timeout_while(written.lock().unwrap(), WAIT_LIMIT, is_open);
        let (written, waited) = waited.unwrap();
        assert!(!waited.timed_out(), "the output does not end");
        drop(written);
        self.rest()
    }

    /// All lines so far.
    pub fn all(&self) -> Vec<String> {
        self.0.0.lock().unwrap().lines.clone()
    }
}

/// The resources that a process holds (Linux).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resources {
    /// Threads.
    pub threads: usize,
    /// Open descriptors that are no sockets.
    pub files: usize,
    /// Open sockets.
    pub sockets: usize,
}

impl Resources {
    /// Counts those of a process.
    ///
    /// # Errors
    ///
    /// The process has ended.
    pub fn of(id: u32) -> io::Result<Self> {
        let links = fs::read_dir(format!("/proc/{id}/fd"))?.map(|fd| fs::read_link(fd?.path()));
        // A descriptor that was closed meanwhile does not count.
        let links: Vec<_> = links.flatten().collect();
        let is_socket = |link: &&std::path::PathBuf| link.to_string_lossy().starts_with("socket:");
        let sockets = links.iter().filter(is_socket).count();
        let threads = fs::read_dir(format!("/proc/{id}/task"))?.count();
        Ok(Self { threads, files: links.len() - sockets, sockets })
    }

    /// Waits until a process holds no more than this.
    ///
    /// # Errors
    ///
    /// The resources that the process holds instead, after [`WAIT_LIMIT`].
    pub fn wait_for_release(self, id: u32) -> io::Result<()> {
        self.wait(id, |held| {
            held.threads <= self.threads && held.descriptors() <= self.descriptors()
        })
    }

    /// Waits until a process holds exactly this.
    ///
    /// # Errors
    ///
    /// The resources that the process holds instead, after [`WAIT_LIMIT`].
    pub fn wait_until_equal(self, id: u32) -> io::Result<()> {
        self.wait(id, |held| held == self)
    }

    /// Files and sockets together.
    pub fn descriptors(self) -> usize {
        self.files + self.sockets
    }

    fn wait(self, id: u32, is_enough: impl Fn(Self) -> bool) -> io::Result<()> {
        let mut held = Self::of(id)?;
        let reached = poll(WAIT_LIMIT, || {
            held = Self::of(id).unwrap_or(held);
            is_enough(held)
        });
        match reached {
            true => Ok(()),
            false => Err(io::Error::other(format!("the process holds {held:?}, not {self:?}"))),
        }
    }
}

/// The memory of a process in kB: `VmHWM`, its peak, or `VmRSS`, the current size (Linux).
///
/// # Errors
///
/// The process has ended.
pub fn memory(id: u32, field: &str) -> io::Result<usize> {
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let digits = line.map(|line| line.trim_matches(|c: char| !c.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).ok_or(io::Error::other("no such field"))
}
