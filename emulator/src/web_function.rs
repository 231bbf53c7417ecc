//! A Web function: an HTTP server behind the emulator.

use std::{
    future::pending,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    net::TcpStream,
    select,
    sync::{Mutex, Semaphore, SemaphorePermit, watch},
    time::{Instant, sleep},
};

use crate::{
    invocation::{CANCELED, Failure},
    launcher::Launcher,
    process::Process,
    settings::Function,
};

/// Address at which the emulator connects to the function. A server that listens on 127.0.0.1 is
/// not reached there, as on the platform.
#[cfg(target_os = "linux")]
const FUNCTION_IP: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// Other systems have no second loopback address.
#[cfg(not(target_os = "linux"))]
const FUNCTION_IP: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Time between two attempts to connect to the function at its start.
const PROBE_INTERVAL: Duration = Duration::from_millis(10);

/// Time for the port to become free after the end of an instance.
const PORT_TIMEOUT: Duration = Duration::from_secs(1);

/// The one instance of a Web function, and the requests in it.
pub(crate) struct WebFunction {
    pub(crate) launcher: Arc<Launcher>,
    pub(crate) function: Function,
    pub(crate) address: SocketAddr,
    requests: Semaphore,
    instance: Mutex<Option<Arc<WebInstance>>>,
}

/// An instance that listens.
pub(crate) struct WebInstance {
    pub(crate) process: Process,
    /// The time from the start of the process until it listened, until a request reports it.
    cold_start: Mutex<Option<Duration>>,
    busy: AtomicUsize,
    /// Position in the log at which the next invocation starts.
    log_start: AtomicUsize,
    /// The failure that ended the instance.
    failure: watch::Sender<Option<Failure>>,
}

impl WebFunction {
    pub(crate) fn new(
        launcher: Arc<Launcher>,
        function: Function,
        port: u16,
        concurrency: usize,
    ) -> Self {
        Self {
            launcher,
            function,
            address: (FUNCTION_IP, port).into(),
            requests: Semaphore::new(concurrency),
            instance: Mutex::default(),
        }
    }

    /// Starts the instance, and another one after each restart, so that errors show at once.
    /// Ends it when the platform stops.
    pub(crate) async fn supervise(self: Arc<Self>) {
        let mut control = self.launcher.control.current();
        while !control.is_stopped() {
            if let Err(failure) = self.instance().await
                && failure.status != CANCELED
            {
                let Failure { status, message, .. } = failure;
                self.launcher.log.platform(format!("{status}: {message}"));
            }
            let failure = control.changed().await;
            let instance = self.instance.lock().await.clone();
            if let Some(instance) = instance {
                self.end(&instance, &failure).await;
            }
        }
    }

    /// Waits for the place of a request.
    pub(crate) async fn place(&self) -> SemaphorePermit<'_> {
        match self.requests.acquire().await {
            Ok(permit) => permit,
            // The semaphore is never closed.
            Err(_) => pending().await,
        }
    }

    /// Returns the instance, and starts one if there is none.
    pub(crate) async fn instance(self: &Arc<Self>) -> Result<Arc<WebInstance>, Failure> {
        let mut place = self.instance.lock().await;
        if let Some(instance) = &*place {
            return Ok(instance.clone());
        }
        let mut control = self.launcher.control.current();
        if control.is_stopped() {
            return Err(Failure::stopped());
        }
        self.wait_for_free_port().await?;
        let log_start = self.launcher.log.end();
        let process = self.launcher.start(&self.function, None)?;
        let result = select! {
            biased;
            failure = control.changed() => Err(failure),
            status = process.exited() => {
                process.drain_output().await;
                let log = self.launcher.log.function_lines_since(log_start);
                Err(Failure::exited_before_ready(status, &log))
            }
            () = self.listens() => Ok(()),
            () = sleep(self.launcher.limits.init) => Err(self.not_listening().await),
        };
        if let Err(failure) = result {
            self.launcher.end(&process).await;
            return Err(failure);
        }
        let instance = Arc::new(WebInstance {
            cold_start: Mutex::new(Some(process.started.elapsed())),
            process,
            busy: AtomicUsize::new(0),
            log_start: AtomicUsize::new(log_start),
            failure: watch::Sender::new(None),
        });
        *place = Some(instance.clone());
        tokio::spawn(self.clone().watch_exit(instance.clone()));
        Ok(instance)
    }

    /// Ends an instance that exits by itself.
    async fn watch_exit(self: Arc<Self>, instance: Arc<WebInstance>) {
        let status = instance.process.exited().await;
        if instance.failure.borrow().is_some() {
            return;
        }
        if instance.busy.load(Ordering::Relaxed) == 0 {
            let next = "the next request starts a new instance";
            self.launcher.log.platform(format!("process exited ({status}); {next}"));
        }
        self.end(&instance, &Failure::exited(status)).await;
    }

    /// Ends an instance. Its requests in progress fail.
    pub(crate) async fn end(&self, instance: &Arc<WebInstance>, failure: &Failure) {
        let mut place = self.instance.lock().await;
        if place.as_ref().is_some_and(|current| Arc::ptr_eq(current, instance)) {
            instance.failure.send_replace(Some(failure.clone()));
            self.launcher.end(&instance.process).await;
            *place = None;
        }
    }

    /// Waits until the last instance has left the port. Another program may hold it.
    async fn wait_for_free_port(&self) -> Result<(), Failure> {
        let port = self.address.port();
        let deadline = Instant::now() + PORT_TIMEOUT;
        while let Err(error) = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)) {
            if Instant::now() > deadline {
                let cause = format!("port {port} cannot be used: {error}");
                return Err(Failure::not_listening(&cause));
            }
            sleep(PROBE_INTERVAL).await;
        }
        Ok(())
    }

    /// Waits until the function listens.
    async fn listens(&self) {
        while TcpStream::connect(self.address).await.is_err() {
            sleep(PROBE_INTERVAL).await;
        }
    }

    async fn not_listening(&self) -> Failure {
        let port = self.address.port();
        let seconds = self.launcher.limits.init.as_secs_f64();
        let hint = match TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
            Ok(_) => format!(", only on 127.0.0.1:{port}, which the platform does not reach"),
            Err(_) => String::new(),
        };
        Failure::not_listening(&format!(
            "nothing listens on 0.0.0.0:{port} after {seconds} seconds{hint}"
        ))
    }
}

impl WebInstance {
    /// Waits until the instance has ended. Returns the failure.
    pub(crate) async fn failed(&self) -> Failure {
        let mut failure = self.failure.subscribe();
        match failure.wait_for(Option::is_some).await.map(|failure| failure.clone()) {
            Ok(Some(failure)) => failure,
            // `self` owns the sender, and the value is set.
            Ok(None) | Err(_) => pending().await,
        }
    }

    /// Starts a request. Returns the time of a cold start, for the first request.
    pub(crate) async fn start_request(&self) -> Option<Duration> {
        if self.busy.fetch_add(1, Ordering::Relaxed) == 0 {
            self.process.thaw();
        }
        self.cold_start.lock().await.take()
    }

    /// Ends a request. Returns whether the instance is idle now.
    pub(crate) fn end_request(&self) -> bool {
        self.busy.fetch_sub(1, Ordering::Relaxed) == 1
    }

    /// Returns the position in the log after the last invocation, and sets it to `end`.
    pub(crate) fn log_start(&self, end: usize) -> usize {
        self.log_start.swap(end, Ordering::Relaxed)
    }
}
