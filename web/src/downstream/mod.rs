//! The client's side: its connection, its request body, and the body of the response.

mod body;
mod connection;
mod request_info;

pub(crate) use body::{BodyError, ClientBody, ReplyBody};
pub(crate) use connection::{ClientHandle, PEER_CLOSED, RequestGuard};
pub(crate) use request_info::{CallStats, RequestInfo};
