//! The custom runtime of Tencent Cloud SCF: a handler behind the event loop.

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
