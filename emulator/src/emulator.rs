use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc as blocking,
    },
    thread::{self, JoinHandle},
    time::Duration,
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
    gateway::Gateway,
    guard::Guard,
    output::Log,
    platform::{Job, Platform, new_request_id},
    runtime_api::RuntimeApi,
};

/// A running platform. It ends, and the function with it, when this value is dropped.
///
/// The methods block and need no async runtime; they may be called from any thread.
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
    pub(crate) fn start(settings: Settings, addresses: Vec<SocketAddr>) -> anyhow::Result<Self> {
        let runtime =
            runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
        let Setup { listener, api_listener, signals } =
            runtime.block_on(Setup::new(&addresses, settings.signals))?;
        let address = listener.local_addr()?;
        let api = api_listener.local_addr()?;

        let log = Arc::new(Log::new(settings.console.clone()));
        let pid = Arc::new(AtomicU32::new(0));
        let runtime_api = RuntimeApi::new(log.clone());
        let (jobs, waiting) = mpsc::unbounded_channel();
        let mut platform = Platform::new(&settings, api, runtime_api.clone(), log.clone(), pid.clone());
        let guard = Guard { hosts: settings.hosts, origins: settings.origins };
        let gateway = Gateway {
            trigger: settings.trigger,
            guard: address.ip().to_canonical().is_loopback().then_some(guard),
            jobs: jobs.clone(),
            log: log.clone(),
        };

        let (stop, stopped) = oneshot::channel();
        let (started, is_started) = blocking::channel();
        let handle = runtime.handle().clone();
        let all = async move {
            platform.warm_up();
            let _ = started.send(());
            select! {
                _ = stopped => {}
                () = interrupted(signals) => {}
                () = platform.run(waiting) => {}
                _ = gateway.serve(listener) => {}
                _ = runtime_api.serve(api_listener) => {}
            }
            platform.end_instance().await;
        };
        let thread = thread::Builder::new()
            .name("scf-emulator".to_owned())
            .spawn(move || runtime.block_on(all))
            .context("start a thread")?;
        is_started.recv().context("start the platform")?;
        Ok(Self { address, api, jobs, log, pid, runtime: handle, stop: Some(stop), thread: Some(thread) })
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
        let event = event.into().into();
        if self.jobs.send(Job { event, done }).is_ok() {
            self.runtime.spawn(async move {
                if let Ok(invocation) = invocation.await {
                    let _ = answer.send(invocation);
                }
            });
        } else {
            drop(answer);
        }
        answered.recv().unwrap_or_else(|_| Invocation {
            request_id: new_request_id(),
            reply: Err(Failure::stopped()),
            duration: Duration::ZERO,
            log: Vec::new(),
        })
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

    /// Waits for SIGINT or SIGTERM, where [`Settings::signals`] is set, and ends the function then; else for ever.
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

/// What may fail, before there is a thread.
struct Setup {
    listener: TcpListener,
    api_listener: TcpListener,
    signals: Option<(Signal, Signal)>,
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
        let signals = match signals {
            true => Some((signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)),
            false => None,
        };
        Ok(Self { listener, api_listener, signals })
    }
}

async fn interrupted(signals: Option<(Signal, Signal)>) {
    match signals {
        Some((mut interrupt, mut terminate)) => {
            select! { _ = interrupt.recv() => {} _ = terminate.recv() => {} }
        }
        None => std::future::pending().await,
    }
}
