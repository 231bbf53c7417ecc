use std::io::Read;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, Response, StatusCode, Uri};
use ureq::{Agent, AsSendBody, Body};

use crate::{Context, transport};

/// Where an instance says that it is up (document 583/47274, as the other three).
pub(crate) const READY: &str = "/runtime/init/ready";
/// Where the next event is waited for.
pub(crate) const NEXT: &str = "/runtime/invocation/next";
/// Where a reply goes.
pub(crate) const RESPONSE: &str = "/runtime/invocation/response";
/// Where a failed invocation is reported.
pub(crate) const ERROR: &str = "/runtime/invocation/error";

/// More than the platform carries: events end at 6 MB (document 583/11637).
const MAX_BODY: u64 = 32 * 1024 * 1024;

/// What became of a post that the platform has answered.
pub(crate) enum Posted {
    Taken,
    Refused(StatusCode),
}

/// The four calls of the runtime API. Each is tried once.
pub(crate) struct Api {
    agent: Agent,
    authority: Authority,
}

impl Api {
    pub(crate) fn new(authority: Authority) -> Api {
        let config = Agent::config_builder()
            // The sandbox may set proxy variables. They are not meant for the platform.
            .proxy(None)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            // One connection for all calls. It is checked before each use, so that its age
            // does not matter.
            .max_idle_connections(1)
            .max_idle_age(Duration::MAX)
            .user_agent(concat!("scf-runtime/", env!("CARGO_PKG_VERSION")))
            .accept("")
            .build();
        Api { agent: transport::agent(config), authority }
    }

    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Says that the instance is up.
    pub(crate) fn ready(&self) -> anyhow::Result<()> {
        // The body's content does not matter, but an empty one has been refused.
        match self.post(READY, b" ")? {
            Posted::Taken => Ok(()),
            Posted::Refused(status) => Err(anyhow!("status {status}").context(READY)),
        }
    }

    /// Waits for the next event, for as long as it takes. An answer that is not 200, or not
    /// whole, is a failure, and the platform then hands the same event out again.
    pub(crate) fn next(&self) -> anyhow::Result<(Context, Vec<u8>)> {
        let call = || {
            let (head, body) = self.call(Method::GET, NEXT, ())?.into_parts();
            let context = Context::read(&head.headers);
            let event = read(body)?;
            ensure!(head.status == StatusCode::OK, "status {}", head.status);
            Ok((context, event))
        };
        call().with_context(|| format!("GET {NEXT}"))
    }

    /// Posts a reply or a report. Any answer but a 2xx or a 4xx is a failure.
    pub(crate) fn post(&self, path: &'static str, body: &[u8]) -> anyhow::Result<Posted> {
        let call = || {
            let response = self.call(Method::POST, path, body)?;
            let status = response.status();
            // The status says it all. What is behind it only has to be out of the way.
            let _ = read(response.into_body());
            match status {
                status if status.is_success() => Ok(Posted::Taken),
                status if status.is_client_error() => Ok(Posted::Refused(status)),
                status => Err(anyhow!("status {status}")),
            }
        };
        call().with_context(|| format!("POST {path}"))
    }

    fn call(
        &self,
        method: Method,
        path: &'static str,
        body: impl AsSendBody,
    ) -> anyhow::Result<Response<Body>> {
        let uri = Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(self.authority.clone())
            .path_and_query(PathAndQuery::from_static(path))
            .build()?;
        let request = Request::builder().method(method).uri(uri).body(body)?;
        Ok(self.agent.run(request)?)
    }
}

/// Reads to the very end: only then can the connection be used again.
fn read(body: Body) -> anyhow::Result<Vec<u8>> {
    let length = body.content_length().unwrap_or(0).min(MAX_BODY);
    let mut bytes = Vec::with_capacity(length as usize);
    body.into_with_config().limit(MAX_BODY).reader().read_to_end(&mut bytes)?;
    Ok(bytes)
}
