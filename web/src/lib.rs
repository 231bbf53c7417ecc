//! `ask-web`: streamed answers and a reverse proxy for OpenAI's API, as SCF's Web function or on
//! any machine.
//!
//! # Map
//!
//! A module uses those below it.
//!
//! - [`run`]: reads arguments and settings, and serves until a signal.
//! - `server`: accepts connections, stops gracefully.
//! - `router`: routes a request to `ask`, `proxy` or the health check.
//! - `ask/`: the question endpoint; `proxy/`: the reverse proxy.
//! - `access_log`: one line per request.
//! - `state`: what requests share.
//! - `upstream/`: connections to the upstream.
//! - `downstream/`: connections of clients.
//!
//! Everything that is not I/O is in [`ask_core`].

mod access_log;
mod ask;
mod downstream;
mod proxy;
mod router;
mod server;
mod state;
mod upstream;

use std::env;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use ask_core::Settings;
use ask_core::access_log::{open_line, setting_error_line};
use ask_core::settings::Listen;
use ask_host::print_line;
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};

use state::AppState;

const HELP: &str = "\
ask-web: ask a chat model by URL with streamed answers, and a reverse proxy for OpenAI's API

Usage: ask-web            listens on $HOST:$PORT, 127.0.0.1:9000 by default
       ask-web --help | --version

Settings are environment variables. OPENAI_API_KEY answers questions at / and /ask;
ASK_TOKEN lets clients of the proxy at /v1 use that key.";

/// Runs the program `ask-web` with the arguments and the environment of this process.
pub fn run() -> ExitCode {
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
    ask_host::hide_panic_messages("ask-web");
    match serve(Settings::read(|name| env::var_os(name))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ask-web: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Listens, logs invalid settings, and serves until SIGTERM or SIGINT.
fn serve(mut settings: Settings) -> anyhow::Result<()> {
    // Without permission, the limit stays as it is.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let on_scf = env::var_os("TENCENTCLOUD_RUNENV").is_some_and(|env| env == "SCF");
    let listen = listen(&mut settings);
    // One thread: an instance has a fraction of a processor, and requests mostly wait.
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let served = runtime.block_on(async {
        // Before the first connection, so that no signal is missed.
        let mut terminate = signal(SignalKind::terminate()).context("handling SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("handling SIGINT")?;
        let host = listen.host.trim_start_matches('[').trim_end_matches(']');
        let listener = TcpListener::bind((host, listen.port))
            .await
            .with_context(|| format!("listening on {}:{}", listen.host, listen.port))?;
        let address = listener.local_addr().context("reading the address")?;
        // By the address, not by `HOST`: `127.1` and names in /etc/hosts are local too.
        let local = address.ip().to_canonical().is_loopback();
        let state = Arc::new(AppState::new(settings, local, on_scf));
        log_start(&state.settings, address);
        let stop = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        server::run(listener, state, stop).await;
        Ok(())
    });
    // Does not wait for a host lookup in progress.
    runtime.shutdown_background();
    served
}

/// Returns the address to listen on. With an invalid port, the server uses the default and reports
/// the error.
fn listen(settings: &mut Settings) -> Listen {
    settings.listen.clone().unwrap_or_else(|error| {
        settings.errors.push(error);
        let host = env::var("HOST").ok().filter(|host| !host.is_empty());
        let default = Listen::default();
        Listen { host: host.unwrap_or(default.host), port: default.port }
    })
}

fn log_start(settings: &Settings, address: SocketAddr) {
    eprintln!("ask-web {} listening on http://{address}", env!("CARGO_PKG_VERSION"));
    if let Some(error) = settings.error() {
        print_line(&setting_error_line(&error));
    }
    if settings.is_open() {
        print_line(&open_line());
    }
}
