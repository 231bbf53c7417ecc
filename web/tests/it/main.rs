//! The Web function as a process: real sockets on both sides, and the bytes on them in the test.

mod ask;
mod egress;
mod forward;
mod framing;
mod keys;
mod leave;
mod secrets;
mod server;
mod stream;
mod support;
mod tls;
mod upgrade;
