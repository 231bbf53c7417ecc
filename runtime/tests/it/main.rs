//! Tests of the runtime against a canned runtime API on a real socket, and of its examples on the
//! local platform.

#[cfg(feature = "tokio")]
mod asynchronous;
mod envelopes;
mod events;
#[cfg(feature = "events")]
mod events_of_triggers;
mod examples;
mod handlers;
mod http;
mod outages;
mod process;
mod properties;
#[cfg(feature = "tower")]
mod services;
mod support;
#[cfg(feature = "tracing")]
mod tracing_spans;
