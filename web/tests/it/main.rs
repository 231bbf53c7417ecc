//! The Web function as a process: real sockets on both sides, and the bytes on them in the test.

mod ask;
mod egress;
// What a process holds is read as Linux tells it.
#[cfg(target_os = "linux")]
mod faults;
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
