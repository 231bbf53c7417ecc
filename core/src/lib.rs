//! The chat side of both functions: question in, answer out.
//!
//! Nothing in here opens a socket, reads the environment, asks a clock or spawns a thread. Bytes
//! and values come in, bytes and values go out, in the types of the [`http`] crate. Both functions
//! share it; they differ only in how bytes travel.
//!
//! # Map
//!
//! A folder uses those below it, never one above.
//!
//! - [`request`]: parses a request to the question endpoint.
//! - [`proxy`]: the reverse proxy: paths, headers, credentials and errors.
//! - [`access_log`]: the log line of a request.
//! - [`response`]: answers and failures in the client's format, and the page.
//! - [`access`]: tokens, signed links, origins, local host names and rate limits.
//! - [`completion`]: the upstream request, its reply, and retries.
//! - [`failure`]: codes, statuses and messages of everything that can go wrong.
//! - [`settings`]: the variables, read once.
//! - [`mod@format`], [`lang`], [`query`], [`json`]: small parts that everything uses.

mod accept;
pub mod access;
pub mod access_log;
pub mod completion;
pub mod failure;
pub mod format;
pub mod json;
pub mod lang;
mod path;
pub mod proxy;
pub mod query;
pub mod request;
pub mod response;
pub mod settings;

pub use completion::Answer;
pub use failure::Failure;
pub use format::Format;
pub use request::AskRequest;
pub use settings::Settings;
