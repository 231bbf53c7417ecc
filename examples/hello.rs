//! A complete SCF function on `scf-runtime`: it greets every HTTP request.
//!
//! Run it on the local platform:
//!
//! ```text
//! cargo build --example hello
//! cargo run -p scf-emulator -- target/debug/examples/hello
//! curl http://127.0.0.1:9000/
//! ```
//!
//! On SCF, its static build is the file `bootstrap` of a custom runtime.

use scf_runtime::Context;
use scf_runtime::http::{self, Request};

fn greet(request: Request<Vec<u8>>, context: &Context) -> String {
    format!("Hello from {}, {}\n", request.uri(), context.request_id)
}

fn main() -> Result<(), scf_runtime::Error> {
    http::run(greet)
}
