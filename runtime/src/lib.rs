//! The custom runtime of Tencent Cloud SCF for Rust: it fetches events from the platform, hands
//! them to a handler, and brings the replies back. To SCF what `lambda_runtime` is to AWS.
//!
//! An instance works on one event at a time, so everything here blocks. There is no async runtime
//! to start, and none in the dependency tree.
//!
//! A whole function behind an HTTP trigger:
//!
//! ```no_run
//! use http::Response;
//!
//! fn main() -> anyhow::Result<()> {
//!     scf_runtime::http::run(|request, context| {
//!         let greeting = format!("Hello from {}, {}\n", request.uri(), context.request_id);
//!         Ok(Response::new(greeting))
//!     })
//! }
//! ```
//!
//! And one for events of its own, which the console, an SDK or a timer sends:
//!
//! ```no_run
//! #[derive(serde::Deserialize)]
//! struct Order {
//!     pieces: u32,
//! }
//!
//! fn main() -> anyhow::Result<()> {
//!     scf_runtime::run(|order: Order, _context| {
//!         anyhow::ensure!(order.pieces > 0, "an order of nothing");
//!         Ok(order.pieces * 3)
//!     })
//! }
//! ```
//!
//! # Map
//!
//! | | takes | gives |
//! | --- | --- | --- |
//! | [`http::run`] | `http::Request<Vec<u8>>` | `http::Response` of text or bytes |
//! | [`run`] | what implements `Deserialize` | what implements `Serialize` |
//! | [`run_bytes`] | the event's bytes | the reply's bytes |
//!
//! The first two are [`http::handler`] and [`json`], which make of a handler one of bytes, under
//! the third. A test can call such a handler without any platform, and [`Runtime`] runs it
//! against another address than the environment's. Who has more to say to an HTTP caller than
//! [`http::run`] does, as to one whose event is none of HTTP, takes [`run_bytes`],
//! [`http::Event::read`] and [`http::envelope`].
//!
//! # What holds
//!
//! - One event gets one reply, or one report to the platform that the invocation failed. There
//!   are four: the handler's error, with its causes; a panic, without its text; an event that
//!   does not decode; a reply that cannot be written or that the platform refuses. None ends the
//!   loop. (A panic ends the process all the same where the profile says `panic = "abort"`.)
//! - An event is never lost, and a reply never given up, because the runtime API was away for a
//!   moment. The loop ends when it has done nothing but fail for a minute; the process should
//!   then end, too, so that the platform starts a new instance.
//! - Of the environment, `SCF_RUNTIME_API` and `SCF_RUNTIME_API_PORT` are read, and nothing else.
//!   Proxy variables are not meant for the platform.
//! - Nothing is logged but trouble with the runtime API: a line on standard error when it begins.
//!   A panic's text goes where the process's panic hook sends it, by default into the log.

mod api;
mod context;
pub mod http;
mod runtime;
mod transport;

pub use context::Context;
pub use runtime::Runtime;

use anyhow::Context as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Runs a handler of any event and any answer that serde knows, for as long as the platform
/// keeps the instance.
///
/// An event that is not what the handler takes, and an answer that cannot be written as JSON,
/// are reported to the platform as failed invocations, as are the handler's errors and panics.
/// None of them ends the loop.
///
/// # Errors
/// As [`run_bytes`].
pub fn run<E, A, H>(handler: H) -> anyhow::Result<()>
where
    E: DeserializeOwned,
    A: Serialize,
    H: FnMut(E, &Context) -> anyhow::Result<A>,
{
    run_bytes(json(handler))
}

/// Runs a handler of bytes: the event as it came, and the reply as it is to go. The other two
/// are built on it.
///
/// # Errors
/// At once where the environment names no runtime API; later only when the runtime API has done
/// nothing but fail for about a minute. End the process then: the platform starts a new instance.
pub fn run_bytes<H>(handler: H) -> anyhow::Result<()>
where
    H: FnMut(Vec<u8>, &Context) -> anyhow::Result<Vec<u8>>,
{
    Runtime::from_env()?.run_bytes(handler)
}

/// Makes a handler of values one of bytes, which [`Runtime::run_bytes`] runs and a test can call.
pub fn json<E, A, H>(mut handler: H) -> impl FnMut(Vec<u8>, &Context) -> anyhow::Result<Vec<u8>>
where
    E: DeserializeOwned,
    A: Serialize,
    H: FnMut(E, &Context) -> anyhow::Result<A>,
{
    move |event, context| {
        let event = serde_json::from_slice(&event).context("read the event")?;
        let answer = handler(event, context)?;
        serde_json::to_vec(&answer).context("write the answer")
    }
}
