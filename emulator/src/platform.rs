//! One invocation after the other, and the instance that answers them.

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
    Failure, Function, Invocation, Limits, MAX_BYTES, Settings,
    exchange::{Exchange, Outcome},
    invocation::new_request_id,
    output::Log,
    process::Process,
    runtime_api::event_head,
};

/// An event that waits for its turn.
pub(crate) struct Job {
    pub(crate) event: Bytes,
    pub(crate) done: oneshot::Sender<Invocation>,
}

/// The platform's side of one function with at most one instance.
pub(crate) struct Platform {
    function: Option<Function>,
    limits: Limits,
    freeze: bool,
    address: SocketAddr,
    exchange: Exchange,
    log: Arc<Log>,
    /// The process's id for whoever asks; 0 for none.
    pid: Arc<AtomicU32>,
    process: Option<Process>,
    /// Until when the instance must be ready.
    ready_by: Instant,
    /// Where in the log the next invocation begins.
    mark: usize,
}

impl Platform {
    pub(crate) fn new(
        settings: &Settings,
        address: SocketAddr,
        exchange: Exchange,
        log: Arc<Log>,
        pid: Arc<AtomicU32>,
    ) -> Self {
        Self {
            function: settings.function.clone(),
            limits: settings.limits,
            freeze: settings.freeze,
            address,
            exchange,
            log,
            pid,
            process: None,
            ready_by: Instant::now(),
            mark: 0,
        }
    }

    /// Starts the first instance before the first event, so that a mistake shows at once.
    pub(crate) fn warm_up(&mut self) {
        if let Err(failure) = self.start_instance() {
            self.log.say(format!("{}: {}", failure.status, failure.message));
        }
    }

    /// Starts an instance where there is none, without waiting until it is ready.
    fn start_instance(&mut self) -> Result<(), Failure> {
        let Some(function) = &self.function else {
            if !self.exchange.is_ready() {
                self.ready_by = Instant::now() + self.limits.init;
            }
            return Ok(());
        };
        if self.process.is_some() {
            return Ok(());
        }
        self.exchange.reset();
        self.mark = self.log.end();
        let process = Process::start(function, self.address, &self.log)
            .map_err(|cause| Failure::not_started(&cause))?;
        self.ready_by = Instant::now() + self.limits.init;
        self.pid.store(process.id(), Ordering::Relaxed);
        self.log.say(format!("started {} as process {}", function.program.display(), process.id()));
        self.process = Some(process);
        Ok(())
    }

    /// Answers events in the order in which they come, until nobody can send any more.
    pub(crate) async fn run(&mut self, mut jobs: mpsc::UnboundedReceiver<Job>) {
        loop {
            select! {
                biased;
                cause = self.broken() => self.retire(&cause).await,
                job = jobs.recv() => {
                    let Some(job) = job else { return };
                    // Nobody waits any more for what was asked by a caller who left.
                    if !job.done.is_closed() {
                        let _ = job.done.send(self.invoke(job.event).await);
                    }
                }
            }
        }
    }

    /// Waits until the idle instance is of no use any more.
    async fn broken(&mut self) -> String {
        if self.process.is_none() {
            return pending().await;
        }
        if let Err(failure) = self.ready().await {
            return format!("{}: {}", failure.status, failure.message);
        }
        format!("the process ended with {}", exit_of(&mut self.process).await)
    }

    /// Does away with an instance that broke between two events.
    async fn retire(&mut self, cause: &str) {
        self.end_instance().await;
        self.log.say(format!("{cause}; the next event starts a new instance"));
    }

    async fn invoke(&mut self, event: Bytes) -> Invocation {
        let request_id = new_request_id();
        let began = Instant::now();
        let reply = self.answer(&request_id, event).await;
        let duration = began.elapsed();
        match &reply {
            Err(failure) if failure.ends_instance() => self.end_instance().await,
            _ => self.rest().await,
        }
        if let Err(failure) = &reply {
            self.report(&request_id, failure);
        }
        let log = self.log.printed_since(self.mark);
        self.mark = self.log.end();
        Invocation { request_id, reply, duration, log }
    }

    async fn answer(&mut self, request_id: &str, event: Bytes) -> Result<Vec<u8>, Failure> {
        if event.len() > MAX_BYTES {
            return Err(Failure::event_too_large());
        }
        from_slice::<IgnoredAny>(&event).map_err(|error| Failure::event_not_json(&error))?;
        let limit = self.limits.time;
        let head = event_head(request_id, self.limits.memory_mb, limit.as_millis());
        let mut warm = self.process.is_some() && self.exchange.is_ready();
        loop {
            self.start_instance()?;
            self.ready().await?;
            if let Some(process) = self.process.as_ref().filter(|_| self.freeze) {
                process.thaw();
            }
            self.exchange.deliver(event.clone(), head.clone());
            select! {
                biased;
                outcome = self.exchange.outcome() => return match outcome {
                    Outcome::Response(reply) => Ok(reply.into()),
                    Outcome::ResponseTooLarge => Err(Failure::reply_too_large()),
                    Outcome::Error(report) => Err(Failure::function_error(report.into())),
                },
                status = exit_of(&mut self.process) => {
                    let fetched = self.exchange.abandon();
                    if fetched || !warm {
                        return Err(Failure::exited(status));
                    }
                    // A warm instance that left without a look at the event: it did so between two events, and the
                    // next instance gets this one.
                    self.retire(&format!("the process ended with {status}")).await;
                    warm = false;
                }
                () = sleep(limit) => return Err(Failure::timed_out(limit, self.exchange.abandon())),
            }
        }
    }

    /// Waits until the present instance is ready.
    async fn ready(&mut self) -> Result<(), Failure> {
        select! {
            biased;
            () = self.exchange.ready() => Ok(()),
            status = exit_of(&mut self.process) => Err(Failure::exited_before_ready(status)),
            () = sleep_until(self.ready_by) => Err(Failure::never_ready(self.limits.init, self.exchange.asked_early())),
        }
    }

    /// After a reply: the log is complete, and the instance sleeps.
    async fn rest(&mut self) {
        if let Some(process) = &mut self.process {
            process.drained().await;
            if self.freeze && self.exchange.is_ready() {
                process.freeze();
            }
        }
    }

    /// Ends the function's processes, if there are any, and waits until they are gone.
    pub(crate) async fn end_instance(&mut self) {
        if let Some(process) = self.process.take() {
            self.pid.store(0, Ordering::Relaxed);
            process.end().await;
        }
    }

    fn report(&self, request_id: &str, failure: &Failure) {
        self.log.say(format!("{request_id} failed: {}: {}", failure.status, failure.message));
        if let Some(report) = &failure.report {
            self.log.say(format!("the function reports: {}", String::from_utf8_lossy(report)));
        }
    }
}

/// Waits for the end of the process; for ever where the function runs in the caller's own.
async fn exit_of(process: &mut Option<Process>) -> ExitStatus {
    match process {
        Some(process) => process.exited().await,
        None => pending().await,
    }
}
