//! The event function as a process, as the platform starts it: the real binary behind the local platform, asking a
//! provider that says byte by byte what it is told to.

mod support;

mod access;
mod answers;
mod connections;
mod egress;
mod events;
mod example;
mod failures;
mod faults;
mod log;
mod retries;
mod secrets;
mod settings;
mod terminal;
mod tidy;
mod time;
mod wire;
