//! An instance of an event function: it handles one event at a time.

use std::{
    future::pending,
    net::SocketAddr,
    process::ExitStatus,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use serde::de::IgnoredAny;
use serde_json::from_slice;
use tokio::{
    select,
    sync::{mpsc, oneshot},
    time::{Instant, sleep, sleep_until},
};

use crate::{
    control::Control,
    invocation::{Failure, Invocation, MAX_BYTES},
    launcher::Launcher,
    process::Process,
    runtime_api::{RuntimeApi, event_head},
    settings::Function,
    state::{InstanceState, Outcome},
};

/// An event in the queue. `done` gets its result.
pub(crate) struct QueuedEvent {
    pub(crate) request_id: String,
    pub(crate) event: Bytes,
    pub(crate) done: oneshot::Sender<Invocation>,
}

/// A place for an instance. After a failure, the next event starts another instance in it.
pub(crate) struct Instance {
    launcher: Arc<Launcher>,
    function: Option<Function>,
    control: Control,
    state: InstanceState,
    /// Address of the runtime API.
    api: SocketAddr,
    process: Option<Process>,
    /// Starts before its first event, so that errors show at once.
    starts_early: bool,
    /// Set while the instance has a process.
    is_running: Arc<AtomicBool>,
    /// Deadline of the instance's `ready`.
    ready_deadline: Instant,
    /// The process has started, and `ready` has not been seen.
    is_starting: bool,
    /// The time from the start of the process to `ready`, until an invocation reports it.
    cold_start: Option<Duration>,
    /// Position in the log at which the next invocation starts.
    log_start: usize,
}

impl Instance {
    pub(crate) fn new(
        launcher: Arc<Launcher>,
        function: Option<Function>,
        api: SocketAddr,
        state: InstanceState,
    ) -> Self {
        Self {
            control: launcher.control.clone(),
            launcher,
            function,
            state,
            api,
            process: None,
            starts_early: false,
            is_running: Arc::default(),
            ready_deadline: Instant::now(),
            is_starting: false,
            cold_start: None,
            log_start: 0,
        }
    }

    /// Returns the server of the instance's runtime API.
    pub(crate) fn runtime_api(&self) -> RuntimeApi {
        RuntimeApi { state: self.state.clone(), log: self.launcher.log.clone() }
    }

    pub(crate) fn is_running(&self) -> Arc<AtomicBool> {
        self.is_running.clone()
    }

    /// Starts the process before the first event, now and after a restart. Errors are logged.
    pub(crate) fn start_early(&mut self) {
        self.starts_early = true;
        if let Err(failure) = self.start() {
            self.launcher.log.platform(format!("{}: {}", failure.status, failure.message));
        }
    }

    /// Starts the process if there is none. It does not wait for `ready`.
    fn start(&mut self) -> Result<(), Failure> {
        let Some(function) = &self.function else {
            if !self.state.is_ready() {
                self.ready_deadline = Instant::now() + self.launcher.limits.init;
            }
            return Ok(());
        };
        if self.process.is_some() {
            return Ok(());
        }
        self.state.reset();
        self.log_start = self.launcher.log.end();
        let process = self.launcher.start(function, Some(self.api))?;
        self.ready_deadline = process.started + self.launcher.limits.init;
        self.process = Some(process);
        self.is_starting = true;
        self.cold_start = None;
        self.is_running.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Handles events until the platform stops. `idle` is called after each event.
    pub(crate) async fn run(mut self, mut events: mpsc::Receiver<QueuedEvent>, idle: impl Fn()) {
        while !self.control.is_stopped() {
            let mut control = self.control.clone();
            select! {
                biased;
                failure = control.changed() => {
                    self.control = control;
                    self.end().await;
                    if self.starts_early && failure == Failure::restarted() {
                        self.start_early();
                    }
                }
                error = self.idle_failure() => self.discard(&error).await,
                event = events.recv() => {
                    let Some(QueuedEvent { request_id, event, done }) = event else { break };
                    let _ = done.send(self.invoke(request_id, event).await);
                    idle();
                }
            }
        }
        self.end().await;
    }

    /// Waits until the idle instance fails. Returns the error message.
    async fn idle_failure(&mut self) -> String {
        if self.process.is_none() {
            return pending().await;
        }
        if let Err(failure) = self.wait_ready().await {
            return format!("{}: {}", failure.status, failure.message);
        }
        format!("process exited ({})", wait_for_exit(self.process.as_ref()).await)
    }

    /// Ends an instance that failed between two events.
    async fn discard(&mut self, error: &str) {
        self.end().await;
        self.launcher.log.platform(format!("{error}; the next event starts a new instance"));
    }

    async fn invoke(&mut self, request_id: String, event: Bytes) -> Invocation {
        let mut delivered = None;
        let mut reply = self.reply(&request_id, event, &mut delivered).await;
        let duration = delivered.map_or(Duration::ZERO, |delivered: Instant| delivered.elapsed());
        let limit_mb = self.launcher.limits.memory_mb;
        let memory = self.process.as_ref().and_then(Process::memory);
        if let Some(used) = self.process.as_ref().and_then(|it| it.memory_over(limit_mb))
            && reply.is_ok()
        {
            reply = Err(Failure::out_of_memory(used, limit_mb));
        }
        let cold_start = self.cold_start.take();
        match &reply {
            Err(failure) if failure.ends_instance() => self.end().await,
            _ => self.drain_and_freeze().await,
        }
        let log = self.launcher.log.function_lines_since(self.log_start);
        self.log_start = self.launcher.log.end();
        let invocation = Invocation { request_id, reply, duration, cold_start, memory, log };
        self.launcher.report(&invocation);
        invocation
    }

    /// Delivers the event and waits for the reply. `delivered` is set to the time of the delivery.
    async fn reply(
        &mut self,
        request_id: &str,
        event: Bytes,
        delivered: &mut Option<Instant>,
    ) -> Result<Vec<u8>, Failure> {
        if event.len() > MAX_BYTES {
            return Err(Failure::event_too_large());
        }
        from_slice::<IgnoredAny>(&event).map_err(|error| Failure::event_not_json(&error))?;
        let limits = self.launcher.limits;
        let head = event_head(request_id, limits.memory_mb, limits.time.as_millis());
        let mut control = self.control.clone();
        loop {
            let is_warm = self.process.is_some() && self.state.is_ready();
            self.start()?;
            select! {
                biased;
                ready = self.wait_ready() => ready?,
                failure = control.changed() => return Err(failure),
            }
            if let Some(process) = self.process.as_ref().filter(|_| self.launcher.freeze) {
                process.thaw();
            }
            *delivered = Some(Instant::now());
            match self.deliver(&event, &head, &mut control).await {
                // The warm instance exited between two events. Start another for this event.
                Err(Undelivered::Exited(status)) if is_warm => {
                    self.discard(&format!("process exited ({status})")).await;
                }
                Err(Undelivered::Exited(status)) => return Err(Failure::exited(status)),
                Err(Undelivered::Failed(failure)) => return Err(failure),
                Ok(reply) => return Ok(reply),
            }
        }
    }

    async fn deliver(
        &self,
        event: &Bytes,
        head: &HeaderMap,
        control: &mut Control,
    ) -> Result<Vec<u8>, Undelivered> {
        let limits = self.launcher.limits;
        self.state.deliver(event.clone(), head.clone());
        let failure = select! {
            biased;
            outcome = self.state.outcome() => match outcome {
                Outcome::Response(reply) => return Ok(reply),
                Outcome::ResponseTooLarge => Failure::reply_too_large(),
                Outcome::Error(report) => Failure::function_error(report),
            },
            status = wait_for_exit(self.process.as_ref()) => {
                if !self.state.abandon() {
                    return Err(Undelivered::Exited(status));
                }
                Failure::exited(status)
            }
            used = out_of_memory(self.process.as_ref(), limits.memory_mb) => {
                Failure::out_of_memory(used, limits.memory_mb)
            }
            () = sleep(limits.time) => Failure::timed_out(limits.time, self.state.abandon()),
            failure = control.changed() => failure,
        };
        self.state.abandon();
        Err(Undelivered::Failed(failure))
    }

    /// Waits until the instance is ready.
    async fn wait_ready(&mut self) -> Result<(), Failure> {
        select! {
            biased;
            () = self.state.wait_ready() => {
                if let Some(process) = self.process.as_ref().filter(|_| self.is_starting) {
                    self.is_starting = false;
                    self.cold_start = Some(process.started.elapsed());
                }
                Ok(())
            }
            status = wait_for_exit(self.process.as_ref()) => {
                if let Some(process) = &self.process {
                    process.drain_output().await;
                }
                let log = self.launcher.log.function_lines_since(self.log_start);
                Err(Failure::exited_before_ready(status, &log))
            }
            () = sleep_until(self.ready_deadline) => {
                Err(Failure::not_ready(self.launcher.limits.init, &self.state.ready_hint()))
            }
        }
    }

    /// Completes the log after an invocation, and freezes the instance.
    async fn drain_and_freeze(&mut self) {
        if let Some(process) = &self.process {
            process.drain_output().await;
            if self.launcher.freeze && self.state.is_ready() {
                process.freeze();
            }
        }
    }

    /// Ends the instance's processes, if any.
    async fn end(&mut self) {
        if let Some(process) = self.process.take() {
            self.launcher.end(&process).await;
            self.is_running.store(false, Ordering::Relaxed);
        }
    }
}

/// The reason why an event has no reply.
enum Undelivered {
    /// The process exited before it fetched the event.
    Exited(ExitStatus),
    Failed(Failure),
}

/// Waits for the exit of the process. Without a process, it never returns.
async fn wait_for_exit(process: Option<&Process>) -> ExitStatus {
    match process {
        Some(process) => process.exited().await,
        None => pending().await,
    }
}

async fn out_of_memory(process: Option<&Process>, limit_mb: u32) -> u64 {
    match process {
        Some(process) => process.out_of_memory(limit_mb).await,
        None => pending().await,
    }
}
