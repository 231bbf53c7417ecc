//! What is said to whoever cannot be served: to one whose request cannot be read, hyper would say no more than a status.

use ask_core::log::Line;
use ask_core::proxy::Failure;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Response};

use crate::app::App;
use crate::exchange::{print, random_id};
use crate::proxy::{caller, failed};

/// The reply, as it is written on the socket before that is closed. The line for it is in the log by then.
pub(crate) fn reply(app: &App, failure: &Failure) -> Vec<u8> {
    let request_id = random_id();
    let mut reply = failed(&caller(app, &HeaderMap::new(), request_id.clone()), failure);
    let length = reply.body().len().into();
    reply.headers_mut().insert(CONTENT_LENGTH, length);
    let mut line = Line { request_id, ..Line::default() };
    line.replied(&reply);
    print(&line.write(&app.mask));
    written(&reply)
}

fn written(reply: &Response<Vec<u8>>) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {}\r\n", reply.status()).into_bytes();
    for (name, value) in reply.headers() {
        bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    bytes.extend(b"connection: close\r\n\r\n");
    bytes.extend(reply.body());
    bytes
}

/// Whether this is what hyper writes by itself where it cannot read a head. No reply of ours is without headers of ours.
pub(crate) fn is_hypers(bytes: &[u8]) -> bool {
    let statuses = ["400 Bad Request", "431 Request Header Fields Too Large"].map(str::as_bytes);
    let version = b"HTTP/1.1 ".len();
    let Some(reply) = bytes.get(version..) else { return false };
    let rest = statuses.iter().find_map(|status| reply.strip_prefix(*status));
    rest.is_some_and(|rest| {
        rest.starts_with(b"\r\nconnection: close\r\ncontent-length: 0\r\ndate: ")
    })
}
