//! The event function as a process, as the platform starts it: the real binary behind the local
//! platform, with a stand-in for the upstream.
//!
//! `ASK_PACKAGE` names a folder with the unpacked zip to test instead of cargo's binary.

mod support;

mod access;
mod answers;
mod connections;
mod egress;
mod events;
mod example;
mod failures;
mod faults;
mod formats;
mod log;
#[cfg(not(feature = "terminal"))]
mod packaged;
mod retries;
mod secrets;
mod settings;
mod tidy;
mod time;
mod tls;
mod wire;
