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
//! - `settings`: the function and how to run it
//! - `emulator`: starts and stops everything below, on one thread
//! - `http_trigger`: HTTP requests become events (`event`), replies become responses (`reply`)
//! - `platform`: handles one event at a time and manages the instance
//! - `process`: the function's processes and their output (`pipe`)
//! - `runtime_api`: the four calls of the function
//! - `state`: events and replies between `platform` and `runtime_api`
//! - `invocation`: the result of an event
//! - `guard`: rejects requests of other sites' pages
//! - `http`: reads bodies and serves connections, for both servers
//! - `log`: lines of output, of the function and the emulator

mod emulator;
mod event;
mod guard;
mod http;
mod http_trigger;
mod invocation;
mod log;
mod pipe;
mod platform;
mod process;
mod reply;
mod runtime_api;
mod settings;
mod state;

pub use emulator::Emulator;
pub use invocation::{Failure, Invocation, MAX_BYTES};
pub use log::{Console, Line, Source};
pub use settings::{Function, Limits, Settings, Trigger};
