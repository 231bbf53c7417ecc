//! The surroundings that both functions share: trust roots, panics, output, random numbers and
//! memory.
//!
//! - [`tls`]: the configuration of TLS, and what a failed handshake means.
//! - `crypto`: the cryptography of TLS.
//! - [`hide_panic_messages`]: keeps panic messages out of the log.
//! - [`print_line`]: writes a line to standard output.
//! - [`random`], [`random_id`]: random numbers.
//! - `allocator`: the allocator of the packaged binaries.

#[cfg(target_env = "musl")]
mod allocator;
mod crypto;
pub mod tls;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io::Write;
use std::panic;

#[cfg(target_env = "musl")]
pub use allocator::{Allocator, allocator};

/// Prints only the place of a panic. Its message may hold a question or a key.
pub fn hide_panic_messages(program: &'static str) {
    panic::set_hook(Box::new(move |info| match info.location() {
        Some(location) => eprintln!("{program}: panicked at {location}"),
        None => eprintln!("{program}: panicked"),
    }));
}

/// Writes a line to standard output, in one piece. Ignores errors: a response is worth more than
/// its log line.
pub fn print_line(line: &[u8]) {
    let _ = std::io::stdout().lock().write_all(line);
}

/// Returns a random number, from the keys that the standard library creates for hash maps.
///
/// It is for request ids and jitter, not for secrets.
pub fn random() -> u64 {
    RandomState::new().hash_one(())
}

/// Returns the id of a request that has none: 32 hexadecimal digits.
pub fn random_id() -> String {
    format!("{:016x}{:016x}", random(), random())
}
