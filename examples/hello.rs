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

use http::Response;

fn main() -> anyhow::Result<()> {
    scf_runtime::http::run(|request, context| {
        let greeting = format!("Hello from {}, {}\n", request.uri(), context.request_id);
        Ok(Response::new(greeting))
    })
}
