//! Tencent Cloud SCF on one's own machine, for custom runtimes in any language.
//!
//! The emulator starts a function as the platform does, serves the four calls of the runtime API to it,
//! turns each HTTP request into the event that a Function URL (or the API Gateway before it) would make,
//! and the reply into an HTTP response. What the platform's documents forbid is refused with a sentence.
//!
//! ```no_run
//! use scf_emulator::{Function, Settings};
//!
//! # fn main() -> anyhow::Result<()> {
//! let emulator = Settings::new(Function::new("./bootstrap")).start("127.0.0.1:0")?;
//! let invocation = emulator.invoke(r#"{"httpMethod": "GET"}"#);
//! println!("{} said {:?}", emulator.url(), invocation.reply);
//! # Ok(()) }
//! ```
//!
//! One way through the rooms: `gateway` (HTTP in) → `event` → `platform` (one invocation at a time) →
//! `exchange` ⇄ `runtime_api` ⇄ the function, which is a `process` → `reply` → HTTP out.
//! Everything runs on one thread of its own, so that callers need no async code.

mod emulator;
mod event;
mod exchange;
mod gateway;
mod guard;
mod http;
mod invocation;
mod output;
mod platform;
mod process;
mod reply;
mod runtime_api;
mod settings;

pub use emulator::Emulator;
pub use invocation::{Failure, Invocation};
pub use output::{Line, Source};
pub use settings::{Console, Function, Limits, Settings, Trigger};

/// The most that an event or a reply may hold, in bytes: 6 MB for synchronous invocations (583/11637).
pub const MAX_BYTES: usize = 6 * 1024 * 1024;
