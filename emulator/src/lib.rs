//! Emulates Tencent Cloud SCF on one's own machine, for custom runtimes in any language.
//!
//! The emulator starts a function as the platform does and serves the runtime API to it. Each
//! HTTP request becomes the event of a Function URL or of the former API Gateway, and each reply
//! an HTTP response. What the platform's documents forbid is rejected with an error message.
//!
//! ```no_run
//! use scf_emulator::{Function, Settings};
//!
//! # fn main() -> anyhow::Result<()> {
//! let emulator = Settings::new(Function::new("./bootstrap")).start("127.0.0.1:0")?;
//! let invocation = emulator.invoke(r#"{"httpMethod": "GET"}"#);
//! println!("{} replied {:?}", emulator.url(), invocation.reply);
//! # Ok(()) }
//! ```
//!
//! # Modules
//!
//! - `settings`: the function and how to run it; `package`: its code
//! - `emulator`: the handle; `platform`: everything on the emulator's thread; `control`: stop and
//!   restart
//! - `http_trigger`: the server for clients; `guard` rejects requests of other sites' pages,
//!   `access_line` logs each request
//! - event functions: HTTP requests become events (`event`), replies become responses (`reply`);
//!   `cloud_api` invokes as tccli and the SDKs do; `pool` distributes events among `instance`s;
//!   `runtime_api` serves the four calls of the function; `state` is between the two
//! - Web functions: `web_function` is the instance, `web_proxy` passes requests on, with
//!   `web_headers`
//! - `launcher` starts `process`es with their `environment`, and ends them, even if the emulator is
//!   killed (`watchdog`); `processes` reads `/proc`; `pipe` reads their output
//! - `invocation`: the result of an event, and its report line
//! - `server`, `body` and `buffer`: HTTP for both servers; `log`: lines of output

mod access_line;
mod body;
mod buffer;
mod cloud_api;
mod control;
mod emulator;
mod environment;
mod event;
mod guard;
mod http_trigger;
mod instance;
mod invocation;
mod launcher;
mod log;
mod package;
mod pipe;
mod platform;
mod pool;
mod process;
mod processes;
mod reply;
mod runtime_api;
mod server;
mod settings;
mod state;
mod watchdog;
mod web_function;
mod web_headers;
mod web_proxy;

pub use emulator::Emulator;
pub use invocation::{Failure, Invocation, MAX_BYTES};
pub use log::{Console, Line, Source};
pub use settings::{Function, Kind, Limits, Settings, Trigger};
