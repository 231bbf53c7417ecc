//! The function's processes.

use std::{
    future::pending,
    net::SocketAddr,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    process::Command,
    sync::watch,
    time::{Instant, sleep},
};

use crate::{
    environment,
    log::{Log, Source},
    package::{self, Package},
    pipe::Pipe,
    processes,
    settings::Function,
};

/// Time between two looks at the memory.
const MEMORY_INTERVAL: Duration = Duration::from_millis(100);

/// The processes of an instance. They form a process group, which is killed on drop.
pub(crate) struct Process {
    group: Pid,
    /// The instance's `HOSTNAME`, which marks all its processes.
    hostname: String,
    exit: watch::Receiver<Option<ExitStatus>>,
    stdout: Pipe,
    stderr: Pipe,
    /// Maximum memory found so far, in bytes.
    peak: AtomicU64,
    pub(crate) started: Instant,
    _package: Package,
}

impl Process {
    /// Starts the function. An event function gets the address of the runtime API.
    ///
    /// # Errors
    /// The reason why it cannot be started.
    pub(crate) fn start(
        function: &Function,
        api: Option<SocketAddr>,
        hostname: String,
        unpacked: PathBuf,
        log: &Arc<Log>,
    ) -> Result<Self, String> {
        let is_web = function.web_port().is_some();
        let package = package::open(&function.program, is_web, unpacked)?;
        let dir = function.dir.as_ref().unwrap_or(&package.dir);
        let mut child = Command::new(&package.program)
            .args(&function.args)
            .env_clear()
            .envs(environment::variables(function, api, dir, &hostname))
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| package::start_error(&package.program, &error))?;
        let started = Instant::now();
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let group = group.ok_or("process has no id")?;
        limit_files(group);
        let stdout = child.stdout.take().ok_or("process has no standard output")?;
        let stderr = child.stderr.take().ok_or("process has no standard error")?;
        let pipe_error = |error| format!("output of the process is unreadable: {error}");
        let stdout = Pipe::new(stdout, Source::Stdout, log.clone()).map_err(pipe_error)?;
        let stderr = Pipe::new(stderr, Source::Stderr, log.clone()).map_err(pipe_error)?;
        let (exited, exit) = watch::channel(None);
        tokio::spawn(async move {
            // Fails only if the process was reaped elsewhere, so it has exited.
            exited.send_replace(Some(child.wait().await.unwrap_or_default()));
        });
        let peak = AtomicU64::new(0);
        Ok(Self { group, hostname, exit, stdout, stderr, peak, started, _package: package })
    }

    pub(crate) fn id(&self) -> u32 {
        self.group.as_raw_nonzero().get().cast_unsigned()
    }

    /// Waits until the process has exited.
    pub(crate) async fn exited(&self) -> ExitStatus {
        let mut exit = self.exit.clone();
        let status = exit.wait_for(Option::is_some).await.ok().and_then(|status| *status);
        match status {
            Some(status) => status,
            // The task that waits has been dropped with the runtime.
            None => pending().await,
        }
    }

    /// Looks at the memory. Returns the maximum found so far, in bytes.
    pub(crate) fn memory(&self) -> Option<u64> {
        let memory = processes::memory(self.id()).unwrap_or_default();
        Some(self.peak.fetch_max(memory, Ordering::Relaxed).max(memory)).filter(|peak| *peak > 0)
    }

    /// Waits until the instance uses more memory than the limit. Returns the bytes.
    pub(crate) async fn out_of_memory(&self, limit_mb: u32) -> u64 {
        loop {
            sleep(MEMORY_INTERVAL).await;
            if let Some(memory) = self.memory_over(limit_mb) {
                return memory;
            }
        }
    }

    /// Looks at the memory. Returns the bytes if they are more than the limit.
    pub(crate) fn memory_over(&self, limit_mb: u32) -> Option<u64> {
        self.memory().filter(|memory| *memory > u64::from(limit_mb) << 20)
    }

    /// Waits until the log has everything that the function has printed so far.
    pub(crate) async fn drain_output(&self) {
        self.stdout.drain().await;
        self.stderr.drain().await;
    }

    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Kills the instance's processes and waits for their last output. There is no SIGTERM first:
    /// the platform documents none.
    pub(crate) async fn kill(&self) {
        self.signal(Signal::KILL);
        self.exited().await;
        processes::kill_marked(&self.hostname);
        self.stdout.finish().await;
        self.stderr.finish().await;
    }

    fn signal(&self, signal: Signal) {
        // Fails only if the group has no process left.
        let _ = kill_process_group(self.group, signal);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.exit.borrow().is_none() {
            self.signal(Signal::KILL);
        }
    }
}

/// Limits the number of open files (<https://cloud.tencent.com/document/product/583/11637>).
#[cfg(target_os = "linux")]
fn limit_files(process: Pid) {
    use rustix::process::{Resource, Rlimit, prlimit};
    let limit = Rlimit { current: Some(1024), maximum: Some(1024) };
    // Fails only if the process has ended, or if the limit is lower already.
    let _ = prlimit(Some(process), Resource::Nofile, limit);
}

#[cfg(not(target_os = "linux"))]
fn limit_files(_: Pid) {}
