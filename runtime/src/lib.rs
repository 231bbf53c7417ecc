//! A custom runtime for Tencent Cloud SCF in Rust: fetches events from the platform, calls a
//! handler, and posts the replies. `lambda_runtime` does the same for AWS Lambda.
//!
//! An instance handles one event at a time, so every call blocks. No async runtime is needed.
//!
//! # A first function
//!
//! ```sh
//! cargo new hello && cd hello
//! cargo add scf-runtime
//! ```
//!
//! The handler of a function behind an HTTP trigger takes a request and returns anything that is
//! a response ([`http::IntoResponse`]):
//!
//! ```no_run
//! use scf_runtime::Context;
//! use scf_runtime::http::{self, Request, RequestExt};
//!
//! fn handler(request: Request<Vec<u8>>, _: &Context) -> String {
//!     let name = request.query("name").unwrap_or("world".to_owned());
//!     format!("Hello, {name}!\n")
//! }
//!
//! fn main() -> Result<(), scf_runtime::Error> {
//!     http::run(handler)
//! }
//! ```
//!
//! The handler of JSON events, from the console, an SDK or a trigger, takes any type that serde
//! deserializes and returns any type that serde serializes (`cargo add serde -F derive`):
//!
//! ```no_run
//! use scf_runtime::{Context, Failure};
//!
//! #[derive(serde::Deserialize)]
//! struct Order {
//!     pieces: u32,
//! }
//!
//! fn handler(order: Order, _: &Context) -> Result<u32, Failure> {
//!     if order.pieces == 0 {
//!         return Err(Failure::new("EmptyOrder", "order is empty"));
//!     }
//!     Ok(order.pieces * 3)
//! }
//!
//! fn main() -> Result<(), scf_runtime::Error> {
//!     scf_runtime::run(handler)
//! }
//! ```
//!
//! | entry point | event | reply |
//! | --- | --- | --- |
//! | [`http::run`] | `http::Request<Vec<u8>>` | [`http::IntoResponse`] |
//! | [`run`] | any `Deserialize` type | any `Serialize` type |
//! | [`run_bytes`] | bytes | bytes |
//!
//! A handler may be a closure, if it names its error: `Ok::<_, Failure>(reply)`. It is called once
//! for each event and may change what it captures, such as a client or a cache: state lives as
//! long as the instance. [`Context`] has the request id, the time left ([`Context::remaining`]) and
//! what the platform says of the function.
//!
//! # Errors
//!
//! A handler may fail with any error that has a message: it converts to [`Failure`]. The loop
//! prints it once on standard error with the request id, reports it to the platform as
//! `{"errorType": "…", "errorMessage": "…"}`, and goes on.
//!
//! | what happens | what is reported | the instance and its state |
//! | --- | --- | --- |
//! | the handler returns an error | the error | stay |
//! | the handler panics | `Panic`, without the text | stay |
//! | it panics, with `panic = "abort"` | nothing | end |
//! | the time limit passes | nothing: the platform ends the process | end |
//! | the reply is larger than 6 MB | `ReplyTooLarge` | stay |
//! | the event cannot be deserialized | `InvalidEvent` | stay |
//! | the event is not an HTTP request, in `http::run` | nothing: the reply is a 400 | stay |
//!
//! The client of a failed HTTP request gets the platform's own error and status, which may quote
//! the last lines of the function's output: a printed error, and the text of a panic, which the
//! panic hook prints. Return a response for any error that the client should read.
//!
//! [`Error`] is the reason for which the loop itself ended. `main` returns it: the process ends,
//! and the platform starts a new instance.
//!
//! # Test it
//!
//! A handler is a plain function: call it with [`Context::for_test`]. [`http::handler`] and
//! [`json`] turn it into a handler of bytes, to test it with the event that the platform sends:
//!
//! ```
//! use scf_runtime::Context;
//! use scf_runtime::http::{self, Request};
//!
//! fn handler(request: Request<Vec<u8>>, _: &Context) -> String {
//!     format!("Hello from {}", request.uri())
//! }
//!
//! assert_eq!(handler(Request::new(Vec::new()), &Context::for_test()), "Hello from /");
//!
//! let event = br#"{"httpMethod": "GET", "path": "/a", "queryString": {"b": "c"}}"#;
//! let reply = http::handler(handler)(event.to_vec(), &Context::for_test())?;
//! assert!(String::from_utf8(reply)?.contains("Hello from /a?b=c"));
//! # Ok::<(), scf_runtime::Failure>(())
//! ```
//!
//! `scf-emulator`, beside this crate in its repository, runs the whole function on your own
//! machine, with the platform's events, limits and errors. Its time limit is 60 seconds, and
//! `--time-limit 3` is the platform's own:
//!
//! ```sh
//! cargo install --path emulator
//! cargo build && scf-emulator target/debug/hello
//! curl 'http://127.0.0.1:9000/?name=you'
//! ```
//!
//! # Deploy it
//!
//! ```sh
//! rustup target add x86_64-unknown-linux-musl
//! cargo build --release --target x86_64-unknown-linux-musl
//! cp target/x86_64-unknown-linux-musl/release/hello bootstrap
//! zip hello.zip bootstrap
//! ```
//!
//! Create an **event function** with the runtime `CustomRuntime` and upload the zip. Keep the
//! executable bit, as `zip` does: without it, the platform reports that `bootstrap` does not
//! exist. Raise the function's time limit: the default is 3 seconds. Add a Function URL for HTTP.
//! The platform runs x86-64, and a musl target needs no library of its image, whose glibc is old.
//!
//! `scf-deploy hello.zip`, also beside this crate, creates the function and its URL by command.
//!
//! # Features
//!
//! None is on by default.
//!
//! | feature | |
//! | --- | --- |
//! | `tokio` | `run_async`, `http::run_async`: asynchronous handlers, under `#[tokio::main]` or any other executor |
//! | `tower` | `http::run_service`: a tower service as it is, such as an axum `Router` |
//! | `events` | the module `events`: types for timer, COS, CKafka, CLS and TDMQ |
//! | `tracing` | a span `invocation` around each call of the handler, with `request_id` and `cold` |
//! | `transport` | 7 system calls for an event instead of 18; Unix only, and only with ureq 3.5 |
//!
//! Do not call `run` from an asynchronous function: it blocks its thread. Use `run_async`.
//!
//! # Limits of the platform
//!
//! - No streaming: the platform takes the reply of an event function as a whole. For a stream,
//!   deploy a Web function, which is an HTTP server and needs no runtime.
//! - No concurrency within an instance: the next event comes after the reply. The platform starts
//!   more instances instead. The process is frozen between events, and so are its threads.
//! - Events and replies end at 6 MB ([`MAX_REPLY`]). A larger reply is a failed invocation.
//! - The platform logs the first 8 KB of each reply of an event function.
//! - No shutdown signal is documented. Finish what has to be done before the reply.
//!
//! # Guarantees
//!
//! - Each event gets one reply or one error report, unless the process ends before. The loop
//!   reports four errors and goes on: an error of the handler, a panic, an event that cannot be
//!   deserialized, and a reply that cannot be built or that the platform rejects.
//! - A temporary outage of the runtime API loses no event and no reply. After 60 seconds of
//!   failures the loop returns [`Error::Outage`].
//! - It reads no environment variables but `SCF_RUNTIME_API`, `SCF_RUNTIME_API_PORT` and those of
//!   [`Context`]. Proxy variables do not apply to the runtime API.
//! - It prints failed invocations, and a line when calls of the runtime API begin to fail, both on
//!   standard error. The process's panic hook prints panics.
//!
//! # Modules
//!
//! For readers of the source:
//!
//! - `runtime`: the event loop, its retries and error reports
//! - `asynchronous`: the event loop for asynchronous handlers
//! - `api`: the four calls of the runtime API
//! - `transport`: the connections of the feature `transport`
//! - `address`: the address of the runtime API
//! - `context`: the context of an invocation
//! - `error`, `failure`: why the loop ended, and why an invocation failed
//! - `json`, `reply`: JSON events and replies, and the maximum size of a reply
//! - [`http`]: HTTP events and replies
//! - `events`: the events of other triggers

#![cfg_attr(docsrs, feature(doc_cfg))]

/// Compiles the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod address;
mod api;
#[cfg(feature = "tokio")]
mod asynchronous;
mod context;
mod error;
#[cfg(feature = "events")]
pub mod events;
mod failure;
pub mod http;
mod json;
mod reply;
mod runtime;
#[cfg(all(feature = "transport", unix))]
mod transport;

pub use context::Context;
pub use error::Error;
pub use failure::Failure;
pub use json::json;
pub use reply::MAX_REPLY;
pub use runtime::Runtime;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Runs a handler that takes a deserialized JSON event and returns a serializable reply.
///
/// # Errors
/// Fails like [`run_bytes`].
pub fn run<T, A, E, H>(handler: H) -> Result<(), Error>
where
    T: DeserializeOwned,
    A: Serialize,
    E: Into<Failure>,
    H: FnMut(T, &Context) -> Result<A, E>,
{
    run_bytes(json(handler))
}

/// Runs a handler that takes the event's bytes and returns the reply's bytes, both unchanged.
///
/// # Errors
/// Fails at once if `SCF_RUNTIME_API` is missing or invalid. Fails later if the runtime API fails
/// for 60 seconds. End the process then: the platform starts a new instance.
pub fn run_bytes<E, H>(handler: H) -> Result<(), Error>
where
    E: Into<Failure>,
    H: FnMut(Vec<u8>, &Context) -> Result<Vec<u8>, E>,
{
    Runtime::from_env()?.run_bytes(handler)
}

/// Runs an asynchronous handler of JSON events. It is like [`run`] in all else.
///
/// ```no_run
/// use scf_runtime::{Context, Failure};
///
/// async fn handler(seconds: u64, _: &Context) -> Result<u64, Failure> {
///     tokio::time::sleep(std::time::Duration::from_secs(seconds)).await;
///     Ok(seconds)
/// }
///
/// #[tokio::main]
/// async fn main() -> Result<(), scf_runtime::Error> {
///     scf_runtime::run_async(handler).await
/// }
/// ```
///
/// The calls of the runtime API block a thread of their own, as
/// [`run_bytes_async`](Runtime::run_bytes_async) describes.
///
/// # Errors
/// Fails like [`run_bytes`].
#[cfg(feature = "tokio")]
pub async fn run_async<T, A, E, H>(mut handler: H) -> Result<(), Error>
where
    T: DeserializeOwned,
    A: Serialize,
    E: Into<Failure>,
    H: AsyncFnMut(T, &Context) -> Result<A, E>,
{
    let handler = async |event: Vec<u8>, context: &Context| {
        let reply = handler(json::from_event(&event)?, context).await;
        json::to_reply(&reply.map_err(Into::into)?)
    };
    Runtime::from_env()?.run_bytes_async(handler).await
}
