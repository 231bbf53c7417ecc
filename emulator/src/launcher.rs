//! Starts and ends the processes of a function.

use std::{
    env,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use crate::{
    control::Control,
    invocation::{Failure, Invocation, report_line},
    log::Log,
    process::Process,
    settings::{Function, Limits},
    watchdog::Watchdog,
};

/// What the instances of a function share.
#[derive(Debug)]
pub(crate) struct Launcher {
    pub(crate) limits: Limits,
    pub(crate) freeze: bool,
    pub(crate) log: Arc<Log>,
    pub(crate) control: Control,
    /// The start of the instances' `HOSTNAME`.
    mark: String,
    instances: AtomicU32,
    /// Ids of the instances' processes, in the order of their start.
    pids: Mutex<Vec<u32>>,
    /// Ends the processes if the emulator is killed.
    _watchdog: Option<Watchdog>,
}

impl Launcher {
    pub(crate) fn new(
        function: Option<&Function>,
        limits: Limits,
        freeze: bool,
        log: Arc<Log>,
        control: Control,
    ) -> Self {
        let mark = format!("scf-{:012x}-", fastrand::u64(..1 << 48));
        let watchdog = function.map(|_| Watchdog::start(&mark, &env::temp_dir().join(&mark)));
        if let Some(Err(error)) = &watchdog {
            log.platform(format!("kill -9 will leave the function running: {error}"));
        }
        Self {
            limits,
            freeze,
            log,
            control,
            mark,
            instances: AtomicU32::new(0),
            pids: Mutex::default(),
            _watchdog: watchdog.and_then(Result::ok),
        }
    }

    /// Starts an instance.
    pub(crate) fn start(
        &self,
        function: &Function,
        api: Option<SocketAddr>,
    ) -> Result<Process, Failure> {
        let number = self.instances.fetch_add(1, Ordering::Relaxed) + 1;
        let hostname = format!("{}{number}", self.mark);
        let unpacked: PathBuf = env::temp_dir().join(&hostname);
        let process = Process::start(function, api, hostname, unpacked, &self.log)
            .map_err(|error| Failure::not_started(&error))?;
        self.pids().push(process.id());
        let program = function.program.display();
        self.log.platform(format!("started {program} as process {}", process.id()));
        Ok(process)
    }

    /// Ends an instance.
    pub(crate) async fn end(&self, process: &Process) {
        self.pids().retain(|pid| *pid != process.id());
        process.kill().await;
    }

    /// Returns the id of the oldest process.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.pids().first().copied()
    }

    /// Logs the end of an invocation.
    pub(crate) fn report(&self, invocation: &Invocation) {
        let request_id = &invocation.request_id;
        if let Err(failure) = &invocation.reply {
            let Failure { status, message, report } = failure;
            self.log.platform(format!("{request_id} failed: {status}: {message}"));
            if let Some(report) = report {
                let report = String::from_utf8_lossy(report);
                self.log.platform(format!("function error: {report}"));
            }
        }
        self.log.platform(report_line(invocation, self.limits.memory_mb));
    }

    fn pids(&self) -> MutexGuard<'_, Vec<u32>> {
        // The list is valid even after a panic.
        self.pids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
