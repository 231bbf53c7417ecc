//! The Web function as a process: real sockets on both sides, with the bytes on them in the test.
//!
//! `ASK_WEB_PACKAGE` names a folder with the unpacked zip to test instead of cargo's binary.
//! `ASK_WEB_EMULATOR` names the local platform's binary, which then runs the function.

mod ask;
mod ask_stream;
mod connections;
mod echo;
mod egress;
// The resources of a process are read from Linux's /proc.
#[cfg(target_os = "linux")]
mod faults;
mod forward;
mod framing;
mod keys;
mod leave;
#[cfg(target_os = "linux")]
mod load;
mod origins;
mod secrets;
mod server;
mod settings;
mod smuggling;
#[cfg(target_os = "linux")]
mod stop;
mod stream;
mod support;
mod targets;
mod tls;
mod upgrade;
