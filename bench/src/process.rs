//! A measured process, on a core of its own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use testkit::process::{Resources, memory};

/// The two cores: one for load and stand-ins, one for the measured process.
#[derive(Clone, Copy)]
pub(crate) struct Cores {
    ours: usize,
    theirs: usize,
}

impl Cores {
    /// Takes the first and the last core of this process, and moves to the first.
    pub(crate) fn take() -> anyhow::Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let ours = cores.next().context("no core")?;
        let cores = Self { ours, theirs: cores.next_back().unwrap_or(ours) };
        stay_on(ours)?;
        Ok(cores)
    }

    /// Starts a process on its core, with its output in a file.
    pub(crate) fn start(self, command: &mut Command, log: &Path) -> anyhow::Result<Process> {
        let log = File::create(log)?;
        command.stdout(log.try_clone()?).stderr(log);
        // A process inherits its parent's core.
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

/// A process, which is killed with the value.
pub(crate) struct Process {
    child: Child,
    pub(crate) started: Instant,
}

impl Process {
    /// Ends the processes that this one traces, and waits until it has written their calls.
    pub(crate) fn end_traced(mut self) -> anyhow::Result<()> {
        let traced =
            fs::read_to_string(self.proc().join(format!("task/{}/children", self.child.id())))?;
        Command::new("kill").arg("-KILL").args(traced.split_whitespace()).status()?;
        self.child.wait()?;
        Ok(())
    }

    /// The folder of the process in /proc.
    fn proc(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}", self.child.id()))
    }

    /// The CPU time of all threads so far.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let mut nanos = 0;
        for thread in fs::read_dir(self.proc().join("task"))? {
            let text = fs::read_to_string(thread?.path().join("schedstat"))?;
            nanos += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanos))
    }

    /// The descriptors and threads.
    pub(crate) fn resources(&self) -> anyhow::Result<Resources> {
        Ok(Resources::of(self.child.id())?)
    }

    /// The memory in kB: `VmHWM`, its peak, or `VmRSS`, the current size.
    pub(crate) fn memory(&self, field: &str) -> anyhow::Result<f64> {
        Ok(memory(self.child.id(), field)? as f64)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
