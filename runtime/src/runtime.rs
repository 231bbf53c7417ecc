//! The event loop, its retries and error reports.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};
use std::{env, mem, thread};

use serde_json::json;

use crate::address;
use crate::api::{Api, ERROR, Posted, RESPONSE};
use crate::context::Context;

/// Delay before the first retry of a call. It doubles with each retry, up to `MAX_DELAY`.
const FIRST_DELAY: Duration = Duration::from_millis(50);
const MAX_DELAY: Duration = Duration::from_secs(2);

/// Default of [`Runtime::max_outage`].
const MAX_OUTAGE: Duration = Duration::from_secs(60);

/// The event loop against one runtime API.
///
/// [`run_bytes`](Runtime::run_bytes) after [`from_env`](Runtime::from_env) is what a function
/// needs. Use [`new`](Runtime::new) to run a handler against another address, as in a test.
pub struct Runtime {
    api: Api,
    max_outage: Duration,
}

impl Runtime {
    /// Creates a runtime for the address in `SCF_RUNTIME_API` and `SCF_RUNTIME_API_PORT`, which
    /// the platform sets. The first may include the port.
    ///
    /// # Errors
    /// Fails if `SCF_RUNTIME_API` is missing or empty, or if either variable is invalid.
    pub fn from_env() -> anyhow::Result<Runtime> {
        let authority = address::from_vars(|name| env::var(name).ok())?;
        Ok(Runtime { api: Api::new(authority), max_outage: MAX_OUTAGE })
    }

    /// Creates a runtime for an address such as `127.0.0.1:9001`. It does not connect yet.
    ///
    /// # Errors
    /// Fails if the address is not a valid `host` or `host:port`.
    pub fn new(address: &str) -> anyhow::Result<Runtime> {
        Ok(Runtime { api: Api::new(address::parse(address, None)?), max_outage: MAX_OUTAGE })
    }

    /// Sets the maximum time of consecutive failures of the runtime API. The default is 60
    /// seconds.
    pub fn max_outage(self, max_outage: Duration) -> Runtime {
        Runtime { max_outage, ..self }
    }

    /// Runs the loop: reports that the instance is ready, then passes each event to the handler
    /// and its reply to the platform.
    ///
    /// # Errors
    /// Returns only if the runtime API fails for longer than
    /// [`max_outage`](Runtime::max_outage). Errors and panics of the handler do not end the loop.
    pub fn run_bytes<H>(&self, mut handler: H) -> anyhow::Result<()>
    where
        H: FnMut(Vec<u8>, &Context) -> anyhow::Result<Vec<u8>>,
    {
        self.retry(|| self.api.ready())?;
        let mut cold = true;
        loop {
            let (mut context, event) = self.retry(|| self.api.next())?;
            context.cold = mem::take(&mut cold);
            match catch_unwind(AssertUnwindSafe(|| handler(event, &context))) {
                Ok(Ok(reply)) => self.respond(&reply)?,
                Ok(Err(error)) => self.fail(&format!("{error:#}"))?,
                Err(_panic) => self.fail("the handler panicked")?,
            }
        }
    }

    /// Posts the reply until the platform accepts or rejects it. A repeated reply is safe: the
    /// platform ignores all but the first. `next` without a reply returns the same event again
    /// (<https://cloud.tencent.com/document/product/583/38130>).
    fn respond(&self, reply: &[u8]) -> anyhow::Result<()> {
        match self.retry(|| self.api.post(RESPONSE, reply))? {
            Posted::Accepted => Ok(()),
            Posted::Rejected(status) => {
                self.fail(&format!("reply rejected by the platform: {status}"))
            }
        }
    }

    /// Reports a failed invocation.
    fn fail(&self, message: &str) -> anyhow::Result<()> {
        let report = json!({ "errorMessage": message }).to_string();
        match self.retry(|| self.api.post(ERROR, report.as_bytes()))? {
            Posted::Accepted => {}
            Posted::Rejected(status) => eprintln!("scf-runtime: POST {ERROR}: status {status}"),
        }
        Ok(())
    }

    /// Retries a call of the runtime API until it succeeds.
    ///
    /// The outage is the sum of all delays, plus each failed call's own time up to the delay after
    /// it. Elapsed time would be wrong: `next` may wait for hours before it fails, and a frozen
    /// instance may resume hours after a delay began.
    fn retry<T>(&self, call: impl Fn() -> anyhow::Result<T>) -> anyhow::Result<T> {
        let mut delay = FIRST_DELAY;
        let mut outage = Duration::ZERO;
        loop {
            let started = Instant::now();
            let error = match call() {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            if outage >= self.max_outage {
                let address = self.api.authority();
                return Err(error.context(format!("the runtime API at {address} keeps failing")));
            }
            if outage.is_zero() {
                eprintln!("scf-runtime: {error:#}; trying again");
            }
            outage += delay + started.elapsed().min(delay);
            thread::sleep(delay);
            delay = MAX_DELAY.min(delay * 2);
        }
    }
}
