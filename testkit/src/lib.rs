//! Stand-ins for both sides of a function, for the tests and the benchmark of this workspace.
//! In no package.
//!
//! Everything runs on real sockets and threads, without an async runtime. Nothing sleeps to get an
//! order of events: a [`Gate`] holds a stand-in until the test releases it, and waits end after
//! [`WAIT_LIMIT`]. A failed expectation panics.
//!
//! # Map
//!
//! The other side of the program under test:
//! - [`Upstream`]: an HTTP server that replies by a script and records its requests ([`upstream`])
//! - [`chat`]: the replies of an upstream for chat completions, as bytes
//! - [`Listener`]: a listening socket whose connections the test serves itself
//! - [`Endpoint`]: serves each connection on a thread; refuses, stalls, disconnects on demand
//! - [`RuntimeApi`]: the platform's four runtime calls, and their faults ([`runtime_api`])
//! - [`Proxy`]: an egress proxy, HTTP `CONNECT` or SOCKS5
//! - `Authority` (feature `tls`): certificates, chains, and TLS servers that use them
//!
//! The bytes on the wire:
//! - [`Head`], [`Request`], [`Response`], and functions that write them ([`http`])
//! - [`Wire`]: an end of a raw connection: head, chunk, length, EOF
//!
//! The program under test, and the test itself:
//! - [`Process`]: a program as a child process, with its output ([`process`])
//! - [`Resources`]: the threads, files and sockets of a process, as Linux lists them
//! - [`free_port`]: a port for a program that cannot choose one
//! - [`Gate`]: holds a stand-in until the test opens it
//! - [`all_pairs`], [`run_table`], [`each`]: rows of a table ([`table`])
//! - [`Scratch`]: a file that is removed with the value
//! - [`assert_no_fragment`]: expects no part of a secret in a text
//!
//! ```
//! use testkit::{Upstream, Wire, chat};
//!
//! let upstream = Upstream::always(chat::completion("Yes."));
//! let mut client = Wire::connect(upstream.address());
//! client.send("POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}");
//! assert_eq!(client.response().json()["choices"][0]["message"]["content"], "Yes.");
//! assert_eq!(upstream.request().target(), "/v1/chat/completions");
//! ```

pub mod chat;
mod endpoint;
mod gate;
pub mod http;
mod listener;
pub mod process;
mod proxy;
pub mod runtime_api;
mod runtime_fault;
mod scratch;
mod secrets;
pub mod table;
#[cfg(feature = "tls")]
mod tls;
pub mod upstream;
mod wire;

use std::time::{Duration, Instant};

pub use endpoint::{Disconnect, Endpoint, splice};
pub use gate::Gate;
pub use http::End;
pub use http::{Head, Request, Response};
pub use listener::{Listener, free_port};
pub use process::{Process, Resources};
pub use proxy::Proxy;
pub use runtime_api::RuntimeApi;
pub use scratch::Scratch;
pub use secrets::assert_no_fragment;
pub use table::{all_pairs, each, run_table};
#[cfg(feature = "tls")]
pub use tls::{Authority, accept as accept_tls};
pub use upstream::{Turn, Upstream};
pub use wire::Wire;

/// Maximum wait for an event that a test expects.
pub const WAIT_LIMIT: Duration = Duration::from_secs(20);

/// Polls for a state that no event announces. Returns `false` if it is not reached in time.
pub fn poll(limit: Duration, mut reached: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    while !reached() {
        if began.elapsed() > limit {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    true
}
