use std::{
    future::pending,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
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
    Failure, Invocation, Line, Settings,
    exchange::Exchange,
    gateway::Gateway,
    guard::Guard,
    output::Log,
    platform::{Job, Platform},
    runtime_api::RuntimeApi,
};

/// A running platform. It ends, and the function with it, when this value is dropped.
///
/// The methods block and need no async runtime; they may be called from any thread.
#[derive(Debug)]
pub struct Emulator {
    address: SocketAddr,
    api: SocketAddr,
    jobs: mpsc::UnboundedSender<Job>,
    log: Arc<Log>,
    pid: Arc<AtomicU32>,
    runtime: runtime::Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Emulator {
    /// Returns once the first instance is started and both addresses are open.
    pub(crate) fn start(settings: Settings, addresses: Vec<SocketAddr>) -> anyhow::Result<Self> {
        let log = Arc::new(Log::new(settings.console.clone()));
        let pid = Arc::new(AtomicU32::new(0));
        let (jobs, waiting) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let (started, start) = blocking::channel();
        let shared = (log.clone(), pid.clone(), jobs.clone());
        let live = async move {
            let (log, pid, jobs) = shared;
            let Setup { listener, api_listener, signals, address, api } =
                match Setup::new(&addresses, settings.signals).await {
                    Ok(setup) => setup,
                    Err(error) => return drop(started.send(Err(error))),
                };
            let exchange = Exchange::default();
            let runtime_api = RuntimeApi { exchange: exchange.clone(), log: log.clone() };
            let mut platform = Platform::new(&settings, api, exchange, log.clone(), pid);
            let guard = Guard { hosts: settings.hosts, origins: settings.origins };
            let guard = address.ip().to_canonical().is_loopback().then_some(guard);
            let gateway = Gateway { trigger: settings.trigger, guard, jobs, log };
            platform.warm_up();
            let _ = started.send(Ok((address, api)));
            select! {
                _ = stopped => {}
                () = interrupted(signals) => {}
                () = platform.run(waiting) => {}
                _ = gateway.serve(listener) => {}
                _ = runtime_api.serve(api_listener) => {}
            }
            platform.end_instance().await;
        };
        // On a thread of its own, because a runtime may neither run nor be dropped inside of another one.
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("start the runtime")?;
        let handle = runtime.handle().clone();
        let thread = thread::Builder::new().name("scf-emulator".to_owned());
        let thread = thread.spawn(move || runtime.block_on(live)).context("start a thread")?;
        let (address, api) = start.recv().context("start the platform")??;
        Ok(Self {
            address,
            api,
            jobs,
            log,
            pid,
            runtime: handle,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where HTTP requests become events: `http://127.0.0.1:9000`, without a slash at the end.
    pub fn url(&self) -> String {
        let ip = match self.address.ip() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        format!("http://{}", SocketAddr::new(ip, self.address.port()))
    }

    /// Where the function finds the runtime API. It is the function's alone; a loop in the caller's own program
    /// needs it ([`Settings::in_process`]).
    pub fn runtime_api(&self) -> SocketAddr {
        self.api
    }

    /// Has one event answered, as the console's test button does, and waits for it. Events wait for their turn
    /// behind those that came earlier.
    pub fn invoke(&self, event: impl Into<Vec<u8>>) -> Invocation {
        let (answer, answered) = blocking::channel();
        let (done, invocation) = oneshot::channel();
        // Where the platform has stopped, every sender is gone, and the last line says so.
        let _ = self.jobs.send(Job { event: event.into().into(), done });
        self.runtime.spawn(async move {
            if let Ok(invocation) = invocation.await {
                let _ = answer.send(invocation);
            }
        });
        answered.recv().unwrap_or_else(|_| Invocation::failed(Failure::stopped()))
    }

    /// The last 10,000 lines: the function's output and the platform's own. What the function printed before it
    /// replied is there when [`Emulator::invoke`] returns.
    pub fn logs(&self) -> Vec<Line> {
        self.log.all()
    }

    /// The id of the function's process, while there is one.
    pub fn pid(&self) -> Option<u32> {
        Some(self.pid.load(Ordering::Relaxed)).filter(|pid| *pid != 0)
    }

    /// Waits for SIGINT, SIGTERM or SIGHUP, where [`Settings::signals`] is set, and ends the function then; else for ever.
    pub fn wait(mut self) {
        self.join();
    }

    /// Ends the function and the platform, as dropping does.
    pub fn stop(self) {}

    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            // A panic on the emulator's thread has been printed, and everything is released all the same.
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

/// What may fail at the start.
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
                io::ErrorKind::AddrInUse => anyhow!("another program listens on {addresses}"),
                _ => anyhow!("cannot listen on {addresses}: {error}"),
            }
        })?;
        let api_listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("listen for the function")?;
        Ok(Self {
            address: listener.local_addr()?,
            api: api_listener.local_addr()?,
            listener,
            api_listener,
            signals: signals.then(ending_signals).transpose()?,
        })
    }
}

/// What ends a program by the user's wish: Ctrl-C, `kill`, and a terminal that is closed.
fn ending_signals() -> io::Result<[Signal; 3]> {
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
