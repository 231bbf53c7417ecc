use std::net::Ipv6Addr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};
use std::{env, mem, thread};

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
        let authority = authority(&api, var("SCF_RUNTIME_API_PORT").as_deref())
            .context("read SCF_RUNTIME_API and SCF_RUNTIME_API_PORT")?;
        Ok(Runtime { api: Api::new(authority), patience: PATIENCE })
    }

    /// Takes an address such as `127.0.0.1:9001`. Nothing is sent yet.
    ///
    /// # Errors
    /// When it is no host with or without a port.
    pub fn new(address: &str) -> anyhow::Result<Runtime> {
        Ok(Runtime { api: Api::new(authority(address, None)?), patience: PATIENCE })
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
            Posted::Refused(status) => eprintln!("scf-runtime: POST {ERROR}: status {status}"),
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
                eprintln!("scf-runtime: {error:#}; trying again");
            }
            failing += pause + started.elapsed().min(pause);
            thread::sleep(pause);
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }
}

/// Reads `host`, `host:port`, or either after `http://`. An IPv6 address may lack its brackets.
/// The port that is given besides counts where the address has none.
fn authority(address: &str, port: Option<&str>) -> anyhow::Result<Authority> {
    let host = address.strip_prefix("http://").unwrap_or(address).trim_end_matches('/');
    let host = match host.parse::<Ipv6Addr>() {
        Ok(host) => format!("[{host}]"),
        Err(_) => host.to_owned(),
    };
    let parse = |text: &str| {
        let authority: Authority =
            text.parse().with_context(|| format!("{text:?} is no address"))?;
        let has_port = authority.as_str() != authority.host();
        ensure!(!has_port || authority.port_u16().is_some(), "{text:?} has a port that is none");
        Ok((authority, has_port))
    };
    match (parse(&host)?, port) {
        ((_, false), Some(port)) => Ok(parse(&format!("{host}:{port}"))?.0),
        ((authority, _), _) => Ok(authority),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(api: &str, port: &str, expected: Result<&str, &str>) {
        let runtime = Runtime::from_vars(|name| match name {
            "SCF_RUNTIME_API" => Some(api.to_owned()),
            "SCF_RUNTIME_API_PORT" => Some(port.to_owned()),
            _ => None,
        });
        match runtime {
            Ok(runtime) => assert_eq!(Ok(runtime.api.authority().as_str()), expected),
            Err(error) => assert_eq!(Err(format!("{error:#}").as_str()), expected),
        }
    }

    #[test]
    fn the_address_is_made_of_two_variables() {
        check("127.0.0.1", "9001", Ok("127.0.0.1:9001"));
        check("127.0.0.1", "", Ok("127.0.0.1"));
        check("127.0.0.1:9001", "", Ok("127.0.0.1:9001"));
        check("127.0.0.1:9001", "9002", Ok("127.0.0.1:9001"));
        check("http://runtime/", " 9001\n", Ok("runtime:9001"));
        check("::1", "9001", Ok("[::1]:9001"));
        check("[::1]", "9001", Ok("[::1]:9001"));
        check("[::1]:9001", "9002", Ok("[::1]:9001"));
    }

    #[test]
    fn a_bad_address_names_the_variables() {
        check("", "9001", Err("SCF_RUNTIME_API is not set"));
        let names = "read SCF_RUNTIME_API and SCF_RUNTIME_API_PORT";
        for (api, port, whole) in
            [("127.0.0.1", "many", "127.0.0.1:many"), ("a", "99999", "a:99999")]
        {
            check(api, port, Err(&format!("{names}: {whole:?} has a port that is none")));
        }
        check("a b", "", Err(&format!("{names}: \"a b\" is no address: invalid uri character")));
    }
}
