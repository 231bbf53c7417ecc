//! Starts and stops the platform, on a thread of its own.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs},
    sync::{Mutex, PoisonError, mpsc as blocking},
    thread::{self, JoinHandle},
};

use anyhow::Context;
use tokio::{runtime, sync::oneshot};

use crate::{
    instance::QueuedEvent,
    invocation::{Failure, Invocation, new_request_id},
    log::Line,
    platform::{Handle, Platform},
    settings::Settings,
};

impl Settings {
    /// Starts the emulator and the first instance, and listens for HTTP at `listen`. Port 0 means
    /// any free port.
    ///
    /// # Errors
    /// Fails if the address cannot be used, or if the limits or the function's variables break the
    /// platform's rules. A program that cannot be started is not an error: each event then fails
    /// with status 405.
    pub fn start(self, listen: impl ToSocketAddrs) -> anyhow::Result<Emulator> {
        self.validate()?;
        let addresses = listen.to_socket_addrs().context("invalid address")?.collect();
        Emulator::start(self, addresses)
    }
}

/// A running emulator. Dropping it ends the function.
///
/// The methods block, need no async runtime, and may be called from any thread.
#[derive(Debug)]
pub struct Emulator {
    platform: Handle,
    runtime: runtime::Handle,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Emulator {
    /// Returns after all sockets listen and the first instance is started.
    fn start(settings: Settings, addresses: Vec<SocketAddr>) -> anyhow::Result<Self> {
        // Its own thread: a tokio runtime must not run or be dropped inside another one.
        let tokio = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("tokio runtime cannot be started")?;
        let runtime = tokio.handle().clone();
        let (started, start) = blocking::channel();
        let run = async move {
            let platform = match Platform::start(settings, &addresses).await {
                Ok(platform) => platform,
                Err(error) => return drop(started.send(Err(error))),
            };
            // Fails only after a panic of the other thread.
            let _ = started.send(Ok(platform.handle()));
            platform.run().await;
        };
        let thread = thread::Builder::new().name("scf-emulator".to_owned());
        let thread =
            thread.spawn(move || tokio.block_on(run)).context("thread cannot be started")?;
        let platform = start.recv().context("emulator cannot be started")??;
        Ok(Self { platform, runtime, thread: Mutex::new(Some(thread)) })
    }

    /// Returns the URL at which HTTP requests become events, such as `http://127.0.0.1:9000`. It
    /// has no trailing slash.
    pub fn url(&self) -> String {
        let ip = match self.platform.address.ip() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        format!("http://{}", SocketAddr::new(ip, self.platform.address.port()))
    }

    /// Returns the address of the runtime API, for a runtime in your own program
    /// ([`Settings::in_process`]). A started function gets it as environment variables. A Web
    /// function has none: the port is 0.
    pub fn runtime_api(&self) -> SocketAddr {
        self.platform.api
    }

    /// Invokes the function with an event, as a test in the cloud console does, and waits for the
    /// result. A Web function takes no events (status 436).
    pub fn invoke(&self, event: impl Into<Vec<u8>>) -> Invocation {
        let request_id = new_request_id();
        let Some(events) = &self.platform.events else {
            return Invocation::failed(request_id, Failure::not_invocable());
        };
        let (sender, receiver) = blocking::channel();
        let (done, invocation) = oneshot::channel();
        let event = event.into().into();
        // If the platform has stopped, `receiver` fails below.
        let _ = events.send(QueuedEvent { request_id: request_id.clone(), event, done });
        self.runtime.spawn(async move {
            if let Ok(invocation) = invocation.await {
                let _ = sender.send(invocation);
            }
        });
        let stopped = |_| Invocation::failed(request_id, Failure::stopped());
        receiver.recv().unwrap_or_else(stopped)
    }

    /// Returns the last lines of the function and the emulator, 10,000 at most. When
    /// [`Emulator::invoke`] returns, they include everything that the function printed before its
    /// reply.
    pub fn logs(&self) -> Vec<Line> {
        self.platform.launcher.log.all()
    }

    /// Adds a line to the log and the console, beside the emulator's own lines.
    pub fn log(&self, text: impl Into<String>) {
        self.platform.launcher.log.platform(text);
    }

    /// Returns the id of the process of the oldest instance, or `None` if there is none.
    pub fn pid(&self) -> Option<u32> {
        self.platform.launcher.pid()
    }

    /// Ends all instances, and starts one from the current files. Invocations in progress fail
    /// with status 499.
    pub fn restart(&self) {
        self.platform.controller.restart();
    }

    /// Waits for SIGINT, SIGTERM or SIGHUP, and then ends the function. Without
    /// [`Settings::signals`], it never returns.
    pub fn wait(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // Fails only after a panic, which has been printed and has dropped everything.
            let _ = thread.join();
        }
    }

    /// Ends the function and the emulator, like dropping.
    pub fn stop(self) {}
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.platform.controller.stop();
        self.wait();
    }
}
