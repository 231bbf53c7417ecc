//! Chat completions: the upstream request, its reply, and when to try again.
//!
//! - [`request`] builds the request of an attempt.
//! - [`Decoder`] decides what the reply is, from its bytes: an answer, a stream or an error.
//! - [`UpstreamError`] is the failure of an attempt without a reply.
//! - [`AttemptError`] is any failed attempt; [`Retry`] chooses the next one.
//! - [`events`] splits a stream into its events.

mod answer;
mod chunk;
mod cooldowns;
mod decoder;
mod error;
pub mod events;
mod message;
mod request;
mod retry;
mod text;
mod upstream_error;

pub use answer::{Answer, CompletionInfo};
pub use cooldowns::Cooldowns;
pub use decoder::{Decoder, End};
pub use error::{AttemptError, parse_retry_after};
pub use message::{Content, ImageUrl, Message, Part, Role};
pub use request::request;
pub use retry::{CurrentTime, Retry, budget};
pub use upstream_error::{ConnectError, UpstreamError, check_response_head};
