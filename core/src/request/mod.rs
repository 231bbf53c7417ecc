//! Requests to the question endpoint.
//!
//! [`AskRequest::from_request`] returns the question, or the response to a request that has none.

mod ask;
mod body;
mod message;
mod multipart;
mod own_path;
mod question;
mod without_model;

pub use ask::{AskRequest, RequestContext};
pub use own_path::{OwnFile, OwnPath};
pub use question::single;
