//! What is measured, as a process on a core of its own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The two cores: ours, where load and counterparts run, and that of what is measured.
#[derive(Clone, Copy)]
pub(crate) struct Cores {
    ours: usize,
    theirs: usize,
}

impl Cores {
    /// Takes the first and the last core that we may use, and moves to the first.
    pub(crate) fn take() -> anyhow::Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let ours = cores.next().context("no core")?;
        let cores = Self { ours, theirs: cores.next_back().unwrap_or(ours) };
        stay_on(ours)?;
        Ok(cores)
    }

    /// Starts a process on its core, with what it says in a file, and notes when that was.
    pub(crate) fn start(self, command: &mut Command, log: &Path) -> anyhow::Result<Process> {
        let log = File::create(log)?;
        command.stdout(log.try_clone()?).stderr(log);
        // A process is born on its parent's core.
        stay_on(self.theirs)?;
        let started = Instant::now();
        let child = command.spawn();
        stay_on(self.ours)?;
        let child = child.with_context(|| format!("start {:?}", command.get_program()))?;
        Ok(Process { child, started })
    }
}

fn stay_on(core: usize) -> anyhow::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    Ok(sched_setaffinity(None, &cores)?)
}

/// A process, which ends with this value.
pub(crate) struct Process {
    child: Child,
    pub(crate) started: Instant,
}

impl Process {
    /// Ends what this process traces, and waits until it has written all it saw.
    pub(crate) fn end_traced(mut self) -> anyhow::Result<()> {
        let traced =
            fs::read_to_string(self.proc().join(format!("task/{}/children", self.child.id())))?;
        Command::new("kill").arg("-KILL").args(traced.split_whitespace()).status()?;
        self.child.wait()?;
        Ok(())
    }

    /// The process among the kernel's files.
    fn proc(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}", self.child.id()))
    }

    /// The CPU time of all its threads so far.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let mut nanos = 0;
        for thread in fs::read_dir(self.proc().join("task"))? {
            let text = fs::read_to_string(thread?.path().join("schedstat"))?;
            nanos += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanos))
    }

    /// How many descriptors (`fd`) or threads (`task`) it has.
    pub(crate) fn count(&self, which: &str) -> anyhow::Result<usize> {
        Ok(fs::read_dir(self.proc().join(which))?.count())
    }

    /// Its memory, in kilobytes: `VmHWM`, the most it ever had, or `VmRSS`, what it has.
    pub(crate) fn memory(&self, which: &str) -> anyhow::Result<f64> {
        let status = fs::read_to_string(self.proc().join("status"))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(which))
            .context("no memory in status")?;
        Ok(line.trim_matches(|c: char| !c.is_ascii_digit()).parse()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
