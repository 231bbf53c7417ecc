//! Question in, answer out: the chat side of a function, without a socket, a clock or an environment.
//!
//! Both functions take the same way through it; what differs is only how bytes travel.
//!
//! - [`settings`]: the variables, read once. [`base_url`], [`egress`] and [`secret`] are what some of them hold.
//! - [`route`]: from a request to the question in it, or to the reply that needs no model. It uses [`access`], [`query`],
//!   [`question`], [`shape`], [`link`] and [`page`]. [`rate`] counts what each address asks.
//! - [`attempts`]: which key and model a question is tried with, and when again.
//! - [`completion`] and [`stream`]: what the provider is sent and what its answer means; [`refusal`] where it gives none.
//! - [`reply`]: answers and failures as the caller gets them; [`failure`] has their sentences, in the languages of [`lang`].
//! - [`log`]: the line of a request.
//! - [`proxy`]: the reverse proxy beside it.
//!
//! Nothing in here opens a socket, reads the environment, asks a clock or spawns anything: bytes and values come in,
//! bytes and values go out. The types of the `http` crate are the currency.

pub mod access;
pub mod attempts;
pub mod base_url;
pub mod completion;
pub mod egress;
pub mod failure;
mod json;
pub mod lang;
pub mod link;
pub mod log;
pub mod page;
pub mod proxy;
pub mod query;
pub mod question;
pub mod rate;
pub mod refusal;
pub mod reply;
pub mod route;
pub mod secret;
pub mod settings;
pub mod shape;
pub mod stream;

pub use completion::Answer;
pub use failure::Failure;
pub use route::{Asked, Received};
pub use settings::Settings;
