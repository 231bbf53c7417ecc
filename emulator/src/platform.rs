//! Everything that runs on the emulator's thread: sockets, instances and their tasks.

use std::{
    fs::File,
    future::pending,
    io::{self, Read},
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Once},
};

use anyhow::{Context, anyhow};
use tokio::{
    net::TcpListener,
    select,
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    task::JoinSet,
};

use crate::{
    control::Controller,
    environment::dropped_names,
    guard::Guard,
    http_trigger::{Backend, HttpTrigger},
    instance::{Instance, QueuedEvent},
    launcher::Launcher,
    log::Log,
    pool::Pool,
    settings::{Function, Settings},
    state::InstanceState,
    web_function::WebFunction,
};

/// The platform, for other threads.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) address: SocketAddr,
    /// Address of the first instance's runtime API.
    pub(crate) api: SocketAddr,
    /// The queue of an event function.
    pub(crate) events: Option<mpsc::UnboundedSender<QueuedEvent>>,
    pub(crate) launcher: Arc<Launcher>,
    pub(crate) controller: Arc<Controller>,
}

/// The platform for one function.
pub(crate) struct Platform {
    listener: TcpListener,
    address: SocketAddr,
    trigger: HttpTrigger,
    instances: Instances,
    launcher: Arc<Launcher>,
    controller: Arc<Controller>,
    signals: Option<[Signal; 3]>,
}

/// The instances, before their tasks are started.
enum Instances {
    /// The instances of an event function, with the sockets of their runtime APIs.
    Event {
        instances: Vec<(Instance, TcpListener)>,
        api: SocketAddr,
        queue: mpsc::UnboundedReceiver<QueuedEvent>,
    },
    Web(Arc<WebFunction>),
}

impl Platform {
    /// Listens, and starts the first instance of an event function.
    pub(crate) async fn start(
        settings: Settings,
        addresses: &[SocketAddr],
    ) -> anyhow::Result<Self> {
        let Settings { function, limits, trigger, concurrency, freeze, .. } = settings;
        let listener = listen(addresses).await?;
        let address = listener.local_addr()?;
        let signals = settings.signals.then(termination_signals).transpose()?;
        let log = Arc::new(Log::new(settings.console));
        let controller = Arc::new(Controller::new());
        let control = controller.control();
        let launcher = Launcher::new(function.as_ref(), limits, freeze, log.clone(), control);
        let launcher = Arc::new(launcher);
        if let Some(function) = &function {
            let dropped = dropped_names(function);
            if !dropped.is_empty() {
                let names = dropped.join(", ");
                log.platform(format!("reserved variables that are not passed: {names}"));
            }
        }
        let query_hint = function.as_ref().is_some_and(is_script).then(|| Arc::new(Once::new()));
        let web =
            function.as_ref().and_then(|function| Some((function.clone(), function.web_port()?)));
        let (backend, instances) = match web {
            Some((function, port)) => {
                let web = WebFunction::new(launcher.clone(), function, port, concurrency);
                let web = Arc::new(web);
                (Backend::Web(web.clone()), Instances::Web(web))
            }
            None => {
                let number = if function.is_some() { concurrency } else { 1 };
                let mut instances = Vec::new();
                for _ in 0..number {
                    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
                    let socket = socket.await.context("runtime API cannot listen")?;
                    let api = socket.local_addr()?;
                    let state = InstanceState::default();
                    let instance = Instance::new(launcher.clone(), function.clone(), api, state);
                    instances.push((instance, socket));
                }
                let mut api = None;
                if let Some((first, socket)) = instances.first_mut() {
                    api = Some(socket.local_addr()?);
                    if function.is_some() {
                        first.start_early();
                    }
                }
                let (sender, queue) = mpsc::unbounded_channel();
                let api = api.context("no instance")?;
                (Backend::Event(sender), Instances::Event { instances, api, queue })
            }
        };
        let guard = Guard { hosts: settings.hosts, origins: settings.origins };
        let guard = address.ip().to_canonical().is_loopback().then(|| Arc::new(guard));
        let trigger = HttpTrigger { trigger, guard, backend, query_hint, log };
        Ok(Self { listener, address, trigger, instances, launcher, controller, signals })
    }

    pub(crate) fn handle(&self) -> Handle {
        let (api, events) = match (&self.instances, &self.trigger.backend) {
            (Instances::Event { api, .. }, Backend::Event(events)) => (*api, Some(events.clone())),
            _ => ((Ipv4Addr::LOCALHOST, 0).into(), None),
        };
        Handle {
            address: self.address,
            api,
            events,
            launcher: self.launcher.clone(),
            controller: self.controller.clone(),
        }
    }

    /// Runs until a signal, or until the controller stops the platform. Then each client gets a
    /// response, and all processes end.
    pub(crate) async fn run(self) {
        let Self { listener, trigger, instances, launcher, controller, signals, .. } = self;
        let control = controller.control();
        let mut tasks = JoinSet::new();
        tasks.spawn(trigger.serve(listener, control.clone()));
        match instances {
            Instances::Web(web) => {
                tasks.spawn(web.supervise());
            }
            Instances::Event { instances, queue, .. } => {
                let mut workers = Vec::new();
                for (instance, socket) in instances {
                    let api = instance.runtime_api().serve(socket, control.clone());
                    let mut stopped = control.clone();
                    // A runtime in this program may wait for an event forever.
                    tasks.spawn(
                        async move { select!(() = api => {}, () = stopped.stopped() => {}) },
                    );
                    workers.push(instance);
                }
                let pool = Pool::start(workers, queue, control.clone());
                tasks.spawn(pool.ended());
            }
        }
        let mut stopped = control;
        select! {
            () = stopped.stopped() => {}
            () = interrupted(signals) => controller.stop(),
        }
        tasks.join_all().await;
        launcher.log.flush();
    }
}

async fn listen(addresses: &[SocketAddr]) -> anyhow::Result<TcpListener> {
    TcpListener::bind(addresses).await.map_err(|error| {
        let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        let addresses = addresses.join(" or ");
        match error.kind() {
            io::ErrorKind::AddrInUse => {
                anyhow!("address {addresses} is already in use (choose another port)")
            }
            _ => anyhow!("address {addresses} cannot be used: {error}"),
        }
    })
}

/// Returns whether the function's program is a script.
fn is_script(function: &Function) -> bool {
    let mut start = [0; 2];
    let read = File::open(&function.program).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start == *b"#!"
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
