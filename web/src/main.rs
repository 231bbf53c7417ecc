//! `ask-web`: the question endpoint with streamed answers, and a reverse proxy for OpenAI's API, as SCF's Web function or
//! on any machine.
//!
//! [`server`] takes connections and [`app`] decides what a request is for: [`ask`] asks the model, and [`tell`] tells the
//! answer as it is written; [`proxy`] forwards, and [`pass`] passes the reply on. Both reach the provider through
//! [`provider`], which keeps connections that [`connect`] opens, with [`tls`] where it is spoken, and say with
//! [`unanswered`] why there is no reply. [`caller`] watches the other end of each connection, [`body`] has what travels
//! in both directions, and [`exchange`] writes the line in the log; whoever sends no request that can be read gets the
//! reply in [`unserved`]. What is not about bytes on their way is in `ask-core`.

mod app;
mod ask;
mod body;
mod caller;
mod connect;
mod exchange;
mod pass;
mod provider;
mod proxy;
mod server;
mod tell;
mod tls;
mod unanswered;
mod unserved;

use std::alloc::System;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::{env, panic};

use anyhow::Context;
use ask_core::settings::Listen;
use ask_core::{Settings, log};
use spin::Yield;
use spin::mutex::SpinMutex;
use talc::TalcLock;
use talc::source::GlobalAllocSource;
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::app::App;
use crate::exchange::print;

// Requests allocate much, and musl's allocator is slow.
#[global_allocator]
static ALLOCATOR: TalcLock<SpinMutex<(), Yield>, GlobalAllocSource<System>> =
    TalcLock::new(GlobalAllocSource::with_block_size(System, 256 * 1024));

const HELP: &str = "\
ask-web: ask a chat model by URL with streamed answers, and a reverse proxy for OpenAI's API

Usage: ask-web            listens on $HOST:$PORT, 127.0.0.1:9000 where they are not set
       ask-web --help | --version

Settings come from the environment. OPENAI_API_KEY answers questions at / and /ask;
ASK_TOKEN lends that key to clients of the proxy at /v1.";

fn main() -> ExitCode {
    match env::args().nth(1).as_deref() {
        None => {}
        Some("--version" | "-V") => {
            println!("ask-web {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        Some("--help" | "-h") => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Some(_) => {
            eprintln!("{HELP}");
            return ExitCode::FAILURE;
        }
    }
    // A panic's text may hold what was asked or a key: where it was is all that anybody gets to see.
    panic::set_hook(Box::new(|info| match info.location() {
        Some(location) => eprintln!("panicked at {location}"),
        None => eprintln!("panicked"),
    }));
    match serve(Settings::read(|name| env::var_os(name))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ask-web: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Listens, says what the owner should know from the start, and serves until it is told to stop.
fn serve(mut settings: Settings) -> anyhow::Result<()> {
    // The limit stays what it is where it cannot be raised.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let on_scf = env::var_os("TENCENTCLOUD_RUNENV").is_some_and(|env| env == "SCF");
    let listen = listen(&mut settings);
    // One thread: an instance has a fraction of a processor, and a request is mostly waiting.
    let runtime =
        runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    let served = runtime.block_on(async {
        // Before the first connection, so that no stop goes amiss.
        let mut terminate = signal(SignalKind::terminate()).context("watch for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("watch for SIGINT")?;
        let host = listen.host.trim_start_matches('[').trim_end_matches(']');
        let listener = TcpListener::bind((host, listen.port))
            .await
            .with_context(|| format!("listen on {}:{}", listen.host, listen.port))?;
        let address = listener.local_addr().context("read the address")?;
        // Not by the name in `HOST`: `127.1` and a line in /etc/hosts are this machine, too.
        let local = address.ip().to_canonical().is_loopback();
        let app = Arc::new(App::new(settings, local, on_scf));
        announce(&app.settings, address);
        let stop = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        server::run(listener, app, stop).await;
        Ok(())
    });
    // A name that is being looked up is not waited for.
    runtime.shutdown_background();
    served
}

/// Where to listen. Where the port cannot be read, the server comes up at the usual one and says what is wrong.
fn listen(settings: &mut Settings) -> Listen {
    settings.listen.clone().unwrap_or_else(|fault| {
        settings.faults.push(fault);
        let host = env::var("HOST").ok().filter(|host| !host.is_empty());
        let usual = Listen::default();
        Listen { host: host.unwrap_or(usual.host), port: usual.port }
    })
}

fn announce(settings: &Settings, address: SocketAddr) {
    eprintln!("ask-web {} listens on http://{address}", env!("CARGO_PKG_VERSION"));
    if let Some(fault) = settings.fault() {
        print(&log::fault(&fault));
    }
    if settings.is_open() {
        print(&log::open());
    }
}
