//! Starts and stops the platform, on a thread of its own.

use std::{
    future::pending,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc as blocking,
    },
    thread::{self, JoinHandle},
};

use anyhow::{Context, anyhow};
use tokio::{
    net::TcpListener,
    runtime, select,
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, oneshot},
};

use crate::{
    guard::Guard,
    http_trigger::HttpTrigger,
    invocation::{Failure, Invocation},
    log::{Line, Log},
    platform::{Platform, QueuedEvent},
    runtime_api::RuntimeApi,
    settings::Settings,
    state::InstanceState,
};

impl Settings {
    /// Starts the emulator and the first instance, and listens for HTTP at `listen`. Port 0 means
    /// any free port.
    ///
    /// # Errors
    /// Fails if the address cannot be used, or if the function's variables break the platform's
    /// rules. A program that cannot be started is not an error: each event then fails with status
    /// 405.
    pub fn start(self, listen: impl ToSocketAddrs) -> anyhow::Result<Emulator> {
        if let Some(function) = &self.function {
            function.validate()?;
        }
        let addresses = listen.to_socket_addrs().context("invalid address")?.collect();
        Emulator::start(self, addresses)
    }
}

/// A running emulator. Dropping it ends the function.
///
/// The methods block, need no async runtime, and may be called from any thread.
#[derive(Debug)]
pub struct Emulator {
    address: SocketAddr,
    api: SocketAddr,
    queue: mpsc::UnboundedSender<QueuedEvent>,
    log: Arc<Log>,
    pid: Arc<AtomicU32>,
    runtime: runtime::Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Emulator {
    /// Returns after both sockets listen and the first instance is started.
    fn start(settings: Settings, addresses: Vec<SocketAddr>) -> anyhow::Result<Self> {
        let log = Arc::new(Log::new(settings.console.clone()));
        let pid = Arc::new(AtomicU32::new(0));
        let (queue, events) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let (started, start) = blocking::channel();
        let shared = (log.clone(), pid.clone(), queue.clone());
        let run = async move {
            let (log, pid, queue) = shared;
            let Setup { listener, api_listener, signals, address, api } =
                match Setup::new(&addresses, settings.signals).await {
                    Ok(setup) => setup,
                    Err(error) => return drop(started.send(Err(error))),
                };
            let state = InstanceState::default();
            let runtime_api = RuntimeApi { state: state.clone(), log: log.clone() };
            let mut platform = Platform::new(&settings, api, state, log.clone(), pid);
            let guard = Guard { hosts: settings.hosts, origins: settings.origins };
            let guard = address.ip().to_canonical().is_loopback().then_some(guard);
            let trigger = HttpTrigger { trigger: settings.trigger, guard, queue, log };
            platform.start_first_instance();
            let _ = started.send(Ok((address, api)));
            select! {
                _ = stopped => {}
                () = interrupted(signals) => {}
                () = platform.run(events) => {}
                _ = trigger.serve(listener) => {}
                _ = runtime_api.serve(api_listener) => {}
            }
            platform.end_instance().await;
        };
        // Its own thread: a tokio runtime must not run or be dropped inside another one.
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("tokio runtime cannot be started")?;
        let handle = runtime.handle().clone();
        let thread = thread::Builder::new().name("scf-emulator".to_owned());
        let thread =
            thread.spawn(move || runtime.block_on(run)).context("thread cannot be started")?;
        let (address, api) = start.recv().context("emulator cannot be started")??;
        Ok(Self {
            address,
            api,
            queue,
            log,
            pid,
            runtime: handle,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Returns the URL at which HTTP requests become events, such as `http://127.0.0.1:9000`. It
    /// has no trailing slash.
    pub fn url(&self) -> String {
        let ip = match self.address.ip() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        format!("http://{}", SocketAddr::new(ip, self.address.port()))
    }

    /// Returns the address of the runtime API, for a runtime in your own program
    /// ([`Settings::in_process`]). A started function gets it as environment variables.
    pub fn runtime_api(&self) -> SocketAddr {
        self.api
    }

    /// Invokes the function with an event, as a test in the cloud console does, and waits for the
    /// result. Events are handled one at a time, in order.
    pub fn invoke(&self, event: impl Into<Vec<u8>>) -> Invocation {
        let (sender, receiver) = blocking::channel();
        let (done, invocation) = oneshot::channel();
        // If the platform has stopped, `receiver` fails below.
        let _ = self.queue.send(QueuedEvent { event: event.into().into(), done });
        self.runtime.spawn(async move {
            if let Ok(invocation) = invocation.await {
                let _ = sender.send(invocation);
            }
        });
        receiver.recv().unwrap_or_else(|_| Invocation::failed(Failure::stopped()))
    }

    /// Returns the last 10,000 lines of the function and the emulator. When [`Emulator::invoke`]
    /// returns, they include everything that the function printed before its reply.
    pub fn logs(&self) -> Vec<Line> {
        self.log.all()
    }

    /// Returns the id of the function's process, or `None` if there is none.
    pub fn pid(&self) -> Option<u32> {
        Some(self.pid.load(Ordering::Relaxed)).filter(|pid| *pid != 0)
    }

    /// Waits for SIGINT, SIGTERM or SIGHUP, and then ends the function. Without
    /// [`Settings::signals`], it never returns.
    pub fn wait(mut self) {
        self.join();
    }

    /// Ends the function and the emulator, like dropping.
    pub fn stop(self) {}

    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            // Fails only after a panic, which has been printed and has dropped everything.
            let _ = thread.join();
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.stop.take();
        self.join();
    }
}

/// The sockets and signal handlers, whose setup may fail.
struct Setup {
    listener: TcpListener,
    api_listener: TcpListener,
    address: SocketAddr,
    api: SocketAddr,
    signals: Option<[Signal; 3]>,
}

impl Setup {
    async fn new(addresses: &[SocketAddr], signals: bool) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(addresses).await.map_err(|error| {
            let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
            let addresses = addresses.join(" or ");
            match error.kind() {
                io::ErrorKind::AddrInUse => {
                    anyhow!("address {addresses} is already in use (choose another port)")
                }
                _ => anyhow!("address {addresses} cannot be used: {error}"),
            }
        })?;
        let api_listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("runtime API cannot listen")?;
        Ok(Self {
            address: listener.local_addr()?,
            api: api_listener.local_addr()?,
            listener,
            api_listener,
            signals: signals.then(termination_signals).transpose()?,
        })
    }
}

/// Returns the signals of Ctrl-C, `kill`, and a closed terminal.
fn termination_signals() -> io::Result<[Signal; 3]> {
    Ok([
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
        signal(SignalKind::hangup())?,
    ])
}

async fn interrupted(signals: Option<[Signal; 3]>) {
    match signals {
        Some([mut interrupt, mut terminate, mut hangup]) => select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        },
        None => pending().await,
    }
}
