//! The event function as a process, as the platform starts it: the real binary behind the local platform, asking a
//! provider that says byte by byte what it is told to.

mod support;

mod answers;
mod events;
mod failures;
mod retries;
mod tidy;
mod time;
mod wire;
