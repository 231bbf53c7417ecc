//! An asynchronous handler: waits for two things at a time.
//!
//! ```text
//! cargo add scf-runtime -F tokio
//! cargo add tokio -F macros,rt-multi-thread,time
//! ```

use std::time::Duration;

use scf_runtime::{Context, Failure};
use tokio::time::sleep;

/// Waits for the longer of two times, in milliseconds, and returns it.
async fn handler((a, b): (u64, u64), context: &Context) -> Result<u64, Failure> {
    let wait = |millis| sleep(Duration::from_millis(millis));
    let too_short = |remaining| remaining < Duration::from_millis(a.max(b));
    if context.remaining().is_some_and(too_short) {
        return Err("the time limit is too short".into());
    }
    tokio::join!(wait(a), wait(b));
    Ok(a.max(b))
}

#[tokio::main]
async fn main() -> Result<(), scf_runtime::Error> {
    scf_runtime::run_async(handler).await
}
