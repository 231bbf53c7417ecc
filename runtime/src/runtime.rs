use std::io::Write;
use std::net::Ipv6Addr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};
use std::{env, io, mem, thread};

use anyhow::{Context as _, ensure};
use http::uri::Authority;
use serde_json::json;

use crate::Context;
use crate::api::{Api, ERROR, Posted, RESPONSE};

/// The pause after a first failure of the runtime API. It doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How long nothing but failures is borne before the instance is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The event loop behind one runtime API.
///
/// [`run`](crate::run) and its like are this with the address from the environment. Take it
/// yourself to run a handler against another address, as in a test.
pub struct Runtime {
    api: Api,
    patience: Duration,
}

impl Runtime {
    /// Takes the address that the platform sets: `SCF_RUNTIME_API` and
    /// `SCF_RUNTIME_API_PORT`. The port may stand in the first already.
    ///
    /// # Errors
    /// When the first is missing or empty, or both do not make an address.
    pub fn from_env() -> anyhow::Result<Runtime> {
        Runtime::from_vars(|name| env::var(name).ok())
    }

    fn from_vars(var: impl Fn(&str) -> Option<String>) -> anyhow::Result<Runtime> {
        let var = |name| var(name).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
        let api = var("SCF_RUNTIME_API").context("SCF_RUNTIME_API is not set")?;
        let runtime = match (Runtime::new(&api), var("SCF_RUNTIME_API_PORT")) {
            (Ok(runtime), Some(port)) if runtime.api.authority().port().is_none() => {
                Runtime::new(&format!("{}:{port}", runtime.api.authority()))
            }
            (runtime, _) => runtime,
        };
        runtime.context("read SCF_RUNTIME_API and SCF_RUNTIME_API_PORT")
    }

    /// Takes an address such as `127.0.0.1:9001`. Nothing is sent yet.
    ///
    /// # Errors
    /// When it is no host with or without a port.
    pub fn new(address: &str) -> anyhow::Result<Runtime> {
        let authority = authority(address).with_context(|| format!("{address:?} is no address"))?;
        Ok(Runtime { api: Api::new(authority), patience: PATIENCE })
    }

    /// Sets how long nothing but failures of the runtime API is borne. The default is a minute.
    pub fn patience(self, patience: Duration) -> Runtime {
        Runtime { patience, ..self }
    }

    /// Runs the loop: tells the platform that the instance is up, then hands each event to the
    /// handler and its reply to the platform.
    ///
    /// # Errors
    /// It returns only when the runtime API has done nothing but fail for
    /// [`patience`](Runtime::patience). What the handler does never ends it.
    pub fn run_bytes<H>(&self, mut handler: H) -> anyhow::Result<()>
    where
        H: FnMut(Vec<u8>, &Context) -> anyhow::Result<Vec<u8>>,
    {
        self.persist(|| self.api.ready())?;
        let mut cold = true;
        loop {
            let (mut context, event) = self.persist(|| self.api.next())?;
            context.cold = mem::take(&mut cold);
            match catch_unwind(AssertUnwindSafe(|| handler(event, &context))) {
                Ok(Ok(reply)) => self.respond(&reply)?,
                Ok(Err(error)) => self.fail(&format!("{error:#}"))?,
                Err(_panic) => self.fail("the handler panicked")?,
            }
        }
    }

    /// Hands the reply over. The same reply is posted until the platform has answered: it takes
    /// the first and ignores later ones, whereas asking for `next` without having answered
    /// fetches the same event again (document 583/38130).
    fn respond(&self, reply: &[u8]) -> anyhow::Result<()> {
        match self.persist(|| self.api.post(RESPONSE, reply))? {
            Posted::Taken => Ok(()),
            Posted::Refused(status) => self.fail(&format!("the reply was refused: {status}")),
        }
    }

    /// Reports that the invocation failed.
    fn fail(&self, message: &str) -> anyhow::Result<()> {
        let report = json!({ "errorMessage": message }).to_string();
        match self.persist(|| self.api.post(ERROR, report.as_bytes()))? {
            Posted::Taken => {}
            Posted::Refused(status) => complain(&format!("POST {ERROR}: status {status}")),
        }
        Ok(())
    }

    /// Repeats a call of the runtime API until it succeeds, with pauses in between.
    ///
    /// Only pauses count against the patience, and of a call's own time as much as the pause
    /// after it: `next` may wait for hours and then break, and an instance that was frozen in a
    /// pause wakes up long after it.
    fn persist<T>(&self, call: impl Fn() -> anyhow::Result<T>) -> anyhow::Result<T> {
        let mut pause = FIRST_PAUSE;
        let mut failing = Duration::ZERO;
        loop {
            let started = Instant::now();
            let error = match call() {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            if failing >= self.patience {
                let address = self.api.authority();
                return Err(error.context(format!("the runtime API at {address} keeps failing")));
            }
            if failing.is_zero() {
                complain(&format!("{error:#}; trying again"));
            }
            failing += pause + started.elapsed().min(pause);
            thread::sleep(pause);
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }
}

/// Reads `host`, `host:port`, or either after `http://`. An IPv6 address may lack its brackets.
fn authority(address: &str) -> anyhow::Result<Authority> {
    let address = address.strip_prefix("http://").unwrap_or(address).trim_end_matches('/');
    let authority: Authority = match address.parse::<Ipv6Addr>() {
        Ok(address) => format!("[{address}]").parse()?,
        Err(_) => address.parse()?,
    };
    let bare = authority.as_str() == authority.host();
    ensure!(bare || authority.port_u16().is_some(), "the port is no port");
    Ok(authority)
}

/// Writes a line into the function's log. That there may be no log any more is no reason to end.
fn complain(line: &str) {
    let _ = writeln!(io::stderr(), "scf-runtime: {line}");
}
