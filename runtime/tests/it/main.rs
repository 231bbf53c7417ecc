//! Tests of the runtime against a canned runtime API on a real socket.

mod envelopes;
mod events;
mod handlers;
mod outages;
mod process;
mod properties;
mod support;
