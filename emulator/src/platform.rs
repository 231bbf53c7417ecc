//! Handles one event at a time and manages the instance.

use std::{
    future::pending,
    net::SocketAddr,
    process::ExitStatus,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use axum::body::Bytes;
use serde::de::IgnoredAny;
use serde_json::from_slice;
use tokio::{
    select,
    sync::{mpsc, oneshot},
    time::{Instant, sleep, sleep_until},
};

use crate::{
    invocation::{Failure, Invocation, MAX_BYTES, new_request_id},
    log::Log,
    process::Process,
    runtime_api::event_head,
    settings::{Function, Limits, Settings},
    state::{InstanceState, Outcome},
};

/// An event in the queue. `done` gets its result.
pub(crate) struct QueuedEvent {
    pub(crate) event: Bytes,
    pub(crate) done: oneshot::Sender<Invocation>,
}

/// The platform for one function with at most one instance.
pub(crate) struct Platform {
    function: Option<Function>,
    limits: Limits,
    freeze: bool,
    /// Address of the runtime API.
    api: SocketAddr,
    state: InstanceState,
    log: Arc<Log>,
    /// Id of the process for `Emulator::pid`, or 0 if there is none.
    pid: Arc<AtomicU32>,
    process: Option<Process>,
    /// Deadline of the instance's `ready`.
    ready_deadline: Instant,
    /// Position in the log at which the next invocation starts.
    log_start: usize,
}

impl Platform {
    pub(crate) fn new(
        settings: &Settings,
        api: SocketAddr,
        state: InstanceState,
        log: Arc<Log>,
        pid: Arc<AtomicU32>,
    ) -> Self {
        Self {
            function: settings.function.clone(),
            limits: settings.limits,
            freeze: settings.freeze,
            api,
            state,
            log,
            pid,
            process: None,
            ready_deadline: Instant::now(),
            log_start: 0,
        }
    }

    /// Starts the first instance before the first event, so that errors show at once.
    pub(crate) fn start_first_instance(&mut self) {
        if let Err(failure) = self.start_instance() {
            self.log.platform(format!("{}: {}", failure.status, failure.message));
        }
    }

    /// Starts an instance if there is none. It does not wait for `ready`.
    fn start_instance(&mut self) -> Result<(), Failure> {
        let Some(function) = &self.function else {
            if !self.state.is_ready() {
                self.ready_deadline = Instant::now() + self.limits.init;
            }
            return Ok(());
        };
        if self.process.is_some() {
            return Ok(());
        }
        self.state.reset();
        self.log_start = self.log.end();
        let process = Process::start(function, self.api, &self.log)
            .map_err(|error| Failure::not_started(&error))?;
        self.ready_deadline = Instant::now() + self.limits.init;
        self.pid.store(process.id(), Ordering::Relaxed);
        let program = function.program.display();
        self.log.platform(format!("started {program} as process {}", process.id()));
        self.process = Some(process);
        Ok(())
    }

    /// Handles events in the order of the queue, until all senders are dropped.
    pub(crate) async fn run(&mut self, mut queue: mpsc::UnboundedReceiver<QueuedEvent>) {
        loop {
            select! {
                biased;
                error = self.idle_failure() => self.discard_instance(&error).await,
                event = queue.recv() => {
                    let Some(QueuedEvent { event, done }) = event else { return };
                    // Skip the event if its client has disconnected.
                    if !done.is_closed() {
                        let _ = done.send(self.invoke(event).await);
                    }
                }
            }
        }
    }

    /// Waits until the idle instance fails. Returns the error message.
    async fn idle_failure(&mut self) -> String {
        if self.process.is_none() {
            return pending().await;
        }
        if let Err(failure) = self.wait_ready().await {
            return format!("{}: {}", failure.status, failure.message);
        }
        format!("process exited ({})", wait_for_exit(&mut self.process).await)
    }

    /// Ends an instance that failed between two events.
    async fn discard_instance(&mut self, error: &str) {
        self.end_instance().await;
        self.log.platform(format!("{error}; the next event starts a new instance"));
    }

    async fn invoke(&mut self, event: Bytes) -> Invocation {
        let request_id = new_request_id();
        let started = Instant::now();
        let reply = self.reply(&request_id, event).await;
        let duration = started.elapsed();
        match &reply {
            Err(failure) if failure.ends_instance() => self.end_instance().await,
            _ => self.drain_and_freeze().await,
        }
        if let Err(failure) = &reply {
            self.log_failure(&request_id, failure);
        }
        let log = self.log.function_lines_since(self.log_start);
        self.log_start = self.log.end();
        Invocation { request_id, reply, duration, log }
    }

    async fn reply(&mut self, request_id: &str, event: Bytes) -> Result<Vec<u8>, Failure> {
        if event.len() > MAX_BYTES {
            return Err(Failure::event_too_large());
        }
        from_slice::<IgnoredAny>(&event).map_err(|error| Failure::event_not_json(&error))?;
        let limit = self.limits.time;
        let head = event_head(request_id, self.limits.memory_mb, limit.as_millis());
        let mut warm = self.process.is_some() && self.state.is_ready();
        loop {
            self.start_instance()?;
            self.wait_ready().await?;
            if let Some(process) = self.process.as_ref().filter(|_| self.freeze) {
                process.thaw();
            }
            self.state.deliver(event.clone(), head.clone());
            select! {
                biased;
                outcome = self.state.outcome() => return match outcome {
                    Outcome::Response(reply) => Ok(reply.into()),
                    Outcome::ResponseTooLarge => Err(Failure::reply_too_large()),
                    Outcome::Error(report) => Err(Failure::function_error(report.into())),
                },
                status = wait_for_exit(&mut self.process) => {
                    let fetched = self.state.abandon();
                    if fetched || !warm {
                        return Err(Failure::exited(status));
                    }
                    // The warm instance exited between two events. Start another for this event.
                    self.discard_instance(&format!("process exited ({status})")).await;
                    warm = false;
                }
                () = sleep(limit) => {
                    return Err(Failure::timed_out(limit, self.state.abandon()));
                }
            }
        }
    }

    /// Waits until the instance is ready.
    async fn wait_ready(&mut self) -> Result<(), Failure> {
        select! {
            biased;
            () = self.state.wait_ready() => Ok(()),
            status = wait_for_exit(&mut self.process) => Err(Failure::exited_before_ready(status)),
            () = sleep_until(self.ready_deadline) => {
                Err(Failure::not_ready(self.limits.init, self.state.next_before_ready()))
            }
        }
    }

    /// Completes the log after an invocation, and freezes the instance.
    async fn drain_and_freeze(&mut self) {
        if let Some(process) = &mut self.process {
            process.drain_output().await;
            if self.freeze && self.state.is_ready() {
                process.freeze();
            }
        }
    }

    /// Kills the function's processes, if any, and waits for their exit.
    pub(crate) async fn end_instance(&mut self) {
        if let Some(process) = self.process.take() {
            self.pid.store(0, Ordering::Relaxed);
            process.kill().await;
        }
    }

    fn log_failure(&self, request_id: &str, failure: &Failure) {
        self.log.platform(format!("{request_id} failed: {}: {}", failure.status, failure.message));
        if let Some(report) = &failure.report {
            let report = String::from_utf8_lossy(report);
            self.log.platform(format!("function error: {report}"));
        }
    }
}

/// Waits for the exit of the process. Without a process, it never returns.
async fn wait_for_exit(process: &mut Option<Process>) -> ExitStatus {
    match process {
        Some(process) => process.wait().await,
        None => pending().await,
    }
}
