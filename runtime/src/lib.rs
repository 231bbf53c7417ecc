//! A custom runtime for Tencent Cloud SCF in Rust: fetches events from the platform, calls a
//! handler, and posts the replies. `lambda_runtime` does the same for AWS Lambda.
//!
//! An instance handles one event at a time, so every call blocks. No async runtime is needed.
//!
//! A function behind an HTTP trigger:
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
//! A function for JSON events from the console, an SDK or a timer:
//!
//! ```no_run
//! #[derive(serde::Deserialize)]
//! struct Order {
//!     pieces: u32,
//! }
//!
//! fn main() -> anyhow::Result<()> {
//!     scf_runtime::run(|order: Order, _context| {
//!         anyhow::ensure!(order.pieces > 0, "order is empty");
//!         Ok(order.pieces * 3)
//!     })
//! }
//! ```
//!
//! # Entry points
//!
//! | | event | reply |
//! | --- | --- | --- |
//! | [`http::run`] | `http::Request<Vec<u8>>` | `http::Response` with a text or byte body |
//! | [`run`] | any `Deserialize` type | any `Serialize` type |
//! | [`run_bytes`] | bytes | bytes |
//!
//! [`http::handler`] and [`json`] turn the first two kinds of handler into a handler of bytes,
//! which a test can call without a platform. [`Runtime`] runs a handler of bytes against any
//! address. For full control over HTTP replies, combine [`run_bytes`], [`http::Event::read`] and
//! [`http::envelope`].
//!
//! # Guarantees
//!
//! - Each event gets one reply or one error report. The loop reports four errors and goes on: a
//!   handler error with its causes, a panic without its text, an event that cannot be
//!   deserialized, and a reply that cannot be built or that the platform rejects. With
//!   `panic = "abort"`, a panic ends the process.
//! - A temporary outage of the runtime API loses no event and no reply. After 60 seconds of
//!   failures the loop returns an error. End the process then, so that the platform starts a new
//!   instance.
//! - `SCF_RUNTIME_API` and `SCF_RUNTIME_API_PORT` are the only environment variables read. Proxy
//!   variables do not apply to the runtime API.
//! - The only output is a line on standard error when calls of the runtime API begin to fail. The
//!   process's panic hook prints panics.
//!
//! # Modules
//!
//! - `runtime`: the event loop, its retries and error reports
//! - `api`: the four calls of the runtime API
//! - `transport`: ureq's connections to the runtime API
//! - `address`: the address of the runtime API
//! - `context`: the context of an invocation
//! - [`http`]: HTTP events and replies

mod address;
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

/// Runs a handler that takes a deserialized JSON event and returns a serializable reply.
///
/// # Errors
/// Fails like [`run_bytes`].
pub fn run<E, A, H>(handler: H) -> anyhow::Result<()>
where
    E: DeserializeOwned,
    A: Serialize,
    H: FnMut(E, &Context) -> anyhow::Result<A>,
{
    run_bytes(json(handler))
}

/// Runs a handler that takes the event's bytes and returns the reply's bytes, both unchanged.
///
/// # Errors
/// Fails at once if `SCF_RUNTIME_API` is missing or invalid. Fails later if the runtime API fails
/// for 60 seconds. End the process then: the platform starts a new instance.
pub fn run_bytes<H>(handler: H) -> anyhow::Result<()>
where
    H: FnMut(Vec<u8>, &Context) -> anyhow::Result<Vec<u8>>,
{
    Runtime::from_env()?.run_bytes(handler)
}

/// Turns a handler of JSON values into a handler of bytes, for [`Runtime::run_bytes`] and tests.
///
/// # Errors
/// The returned handler fails if the event cannot be deserialized, `handler` fails, or the reply
/// cannot be serialized.
pub fn json<E, A, H>(mut handler: H) -> impl FnMut(Vec<u8>, &Context) -> anyhow::Result<Vec<u8>>
where
    E: DeserializeOwned,
    A: Serialize,
    H: FnMut(E, &Context) -> anyhow::Result<A>,
{
    move |event, context| {
        let event = serde_json::from_slice(&event).context("invalid event")?;
        let reply = handler(event, context)?;
        serde_json::to_vec(&reply).context("reply cannot be serialized")
    }
}
