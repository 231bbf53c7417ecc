//! The event loop, its retries and error reports.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};
use std::{env, thread};

use crate::address;
use crate::api::{Api, ERROR, Posted, RESPONSE};
use crate::context::Context;
use crate::error::Error;
use crate::failure::Failure;
use crate::reply::{MAX_REPLY, TooLarge};

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
    pub fn from_env() -> Result<Runtime, Error> {
        let authority = address::from_vars(|name| env::var(name).ok())?;
        Ok(Runtime { api: Api::new(authority), max_outage: MAX_OUTAGE })
    }

    /// Creates a runtime for an address such as `127.0.0.1:9001`. It does not connect yet.
    ///
    /// # Errors
    /// Fails if the address is not a valid `host` or `host:port`.
    pub fn new(address: &str) -> Result<Runtime, Error> {
        let authority = address::parse(address, None).map_err(Error::InvalidAddress)?;
        Ok(Runtime { api: Api::new(authority), max_outage: MAX_OUTAGE })
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
    pub fn run_bytes<E, H>(&self, mut handler: H) -> Result<(), Error>
    where
        E: Into<Failure>,
        H: FnMut(Vec<u8>, &Context) -> Result<Vec<u8>, E>,
    {
        self.run_unspanned(|event, context| {
            #[cfg(feature = "tracing")]
            let _span = context.span().entered();
            handler(event, context).map_err(Into::into)
        })
    }

    /// Runs the loop without a span around the handler.
    pub(crate) fn run_unspanned<H>(&self, mut handler: H) -> Result<(), Error>
    where
        H: FnMut(Vec<u8>, &Context) -> Result<Vec<u8>, Failure>,
    {
        self.retry(|| self.api.ready())?;
        let mut context = Context::of_instance();
        loop {
            let event = self.retry(|| self.api.next(&mut context))?;
            match catch_unwind(AssertUnwindSafe(|| handler(event, &context))) {
                Ok(Ok(reply)) => self.respond(&context, &reply)?,
                Ok(Err(failure)) => self.fail(&context, &failure)?,
                // The panic hook has printed it.
                Err(_panic) => self.report(&Failure::new("Panic", "the handler panicked"))?,
            }
            context.cold = false;
        }
    }

    /// Posts the reply until the platform accepts or rejects it. A repeated reply is safe: the
    /// platform ignores all but the first. `next` without a reply returns the same event again
    /// (<https://cloud.tencent.com/document/product/583/38130>).
    fn respond(&self, context: &Context, reply: &[u8]) -> Result<(), Error> {
        let size = reply.len();
        if size > MAX_REPLY {
            return self.fail(context, &TooLarge { size }.into_failure());
        }
        match self.retry(|| self.api.post(RESPONSE, reply))? {
            Posted::Accepted => Ok(()),
            Posted::Rejected(status) => {
                let message = format!("reply rejected by the platform: {status}");
                self.fail(context, &Failure::new("ReplyRejected", message))
            }
        }
    }

    /// Prints the failure of an invocation and reports it.
    fn fail(&self, context: &Context, failure: &Failure) -> Result<(), Error> {
        let Failure { error_type, error_message } = failure;
        let request_id = &context.request_id;
        eprintln!("scf-runtime: invocation {request_id} failed: {error_type}: {error_message}");
        self.report(failure)
    }

    /// Reports the failure of an invocation to the platform.
    fn report(&self, failure: &Failure) -> Result<(), Error> {
        let report = serde_json::to_vec(failure).expect("two strings are always JSON");
        match self.retry(|| self.api.post(ERROR, &report))? {
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
    fn retry<T>(&self, mut call: impl FnMut() -> Result<T, String>) -> Result<T, Error> {
        let mut delay = FIRST_DELAY;
        let mut outage = Duration::ZERO;
        loop {
            let started = Instant::now();
            let cause = match call() {
                Ok(value) => return Ok(value),
                Err(cause) => cause,
            };
            if outage >= self.max_outage {
                return Err(Error::Outage { address: self.api.authority().to_string(), cause });
            }
            if outage.is_zero() {
                eprintln!("scf-runtime: {cause}; trying again");
            }
            outage += delay + started.elapsed().min(delay);
            thread::sleep(delay);
            delay = MAX_DELAY.min(delay * 2);
        }
    }
}
