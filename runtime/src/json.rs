//! JSON events and replies.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::context::Context;
use crate::failure::Failure;

/// Turns a handler of JSON values into a handler of bytes, for
/// [`Runtime::run_bytes`](crate::Runtime::run_bytes) and tests.
///
/// # Errors
/// The returned handler fails if the event cannot be deserialized, `handler` fails, or the reply
/// cannot be serialized.
pub fn json<T, A, E, H>(mut handler: H) -> impl FnMut(Vec<u8>, &Context) -> Result<Vec<u8>, Failure>
where
    T: DeserializeOwned,
    A: Serialize,
    E: Into<Failure>,
    H: FnMut(T, &Context) -> Result<A, E>,
{
    move |event, context| to_reply(&handler(from_event(&event)?, context).map_err(Into::into)?)
}

pub(crate) fn from_event<T: DeserializeOwned>(event: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(event)
        .map_err(|error| Failure::new("InvalidEvent", format!("invalid event: {error}")))
}

pub(crate) fn to_reply(reply: &impl Serialize) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(reply).map_err(|error| {
        Failure::new("InvalidReply", format!("reply cannot be serialized: {error}"))
    })
}
