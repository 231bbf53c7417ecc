//! The upstream over ureq: one request at a time, each with a deadline.
//!
//! Only this folder uses ureq's `unversioned` hooks, for which ureq is pinned to its minor
//! version.
//!
//! - `connect` opens connections, with `tcp`, `socks` and `tls`.
//! - `transport` sends a request in one piece, `counters` tells what arrived.
//! - `error` maps ureq's errors.

mod connect;
mod counters;
mod error;
mod socks;
mod tcp;
mod timeout;
mod tls;
mod transport;

use std::io::Read;
use std::time::{Duration, Instant};

use ask_core::completion::{
    Answer, AttemptError, Decoder, End, UpstreamError, check_response_head,
};
use ask_core::lang::Localized;
use ask_core::settings::{ProxyScheme, ProxyUrl, Redactor, SettingError};
use ask_core::{Failure, Settings};
use ask_host::tls::root_store;
use http::{Request, response};
use ureq::{Agent, BodyReader, Error, Proxy, ProxyProtocol};

use counters::ConnectionCounters;
use error::{is_timeout, request_error};

/// Timeout for opening a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that was idle for longer is not reused. While the instance is frozen, it does not
/// learn that the upstream has closed a connection.
const MAX_IDLE: Duration = Duration::from_secs(30);

/// Size of the input buffer, in bytes. The head of a response must fit into it.
const INPUT_BUFFER: usize = 64 * 1024;

/// Size of the output buffer, in bytes.
const OUTPUT_BUFFER: usize = 16 * 1024;

/// Size of the pieces in which a body is read, in bytes.
pub(crate) const READ_BUFFER: usize = 16 * 1024;

/// The client of the upstream, with its open connection.
pub(crate) struct UpstreamClient {
    agent: Agent,
    counters: ConnectionCounters,
    redactor: Redactor,
}

impl UpstreamClient {
    /// Loads the trusted roots and chooses the proxy. Sends nothing.
    ///
    /// # Errors
    /// If `SSL_CERT_FILE` or the proxy is invalid.
    pub(crate) fn new(settings: &Settings) -> Result<Self, SettingError> {
        let roots = root_store(settings.cert_file.as_deref())?;
        let config = Agent::config_builder()
            .proxy(settings.proxy.as_ref().map(proxy).transpose()?)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .max_idle_age(MAX_IDLE)
            .input_buffer_size(INPUT_BUFFER)
            .output_buffer_size(OUTPUT_BUFFER)
            .build();
        let counters = ConnectionCounters::default();
        let agent = connect::agent(config, roots, counters.clone());
        Ok(Self { agent, counters, redactor: settings.redactor() })
    }

    /// Makes one attempt at an answer. `request` builds the request, again if a connection of an
    /// earlier request turns out to be closed.
    ///
    /// With `partial`, the text at the deadline is the answer.
    ///
    /// # Errors
    /// If there is no complete answer.
    pub(crate) fn complete(
        &self,
        request: impl Fn() -> Result<Request<Vec<u8>>, Failure>,
        partial: bool,
        deadline: Instant,
    ) -> Result<Answer, AttemptError> {
        let mut response = self.send(request, deadline)?;
        let mut decoder = self.decoder(&response.head);
        let mut bytes = [0; READ_BUFFER];
        let end = loop {
            if decoder.is_done() {
                break End::Eof;
            }
            match response.read(&mut bytes) {
                Ok(0) => break End::Eof,
                Ok(read) => decoder.decode(&bytes[..read])?,
                Err(BodyError::Truncated) => break End::Truncated,
                Err(BodyError::Timeout) => return decoder.time_out(partial),
            }
        };
        decoder.finish(end)
    }

    /// Creates the decoder of a response with this head.
    pub(crate) fn decoder(&self, head: &response::Parts) -> Decoder {
        Decoder::new(head.status, &head.headers, self.redactor.clone())
    }

    /// Sends a request and waits for the head of the response. A reused connection that turns out
    /// to be closed costs a new one, not a failed answer: `request` then builds the request again.
    ///
    /// # Errors
    /// If `request` fails, or if there is no response.
    pub(crate) fn send(
        &self,
        request: impl Fn() -> Result<Request<Vec<u8>>, Failure>,
        deadline: Instant,
    ) -> Result<UpstreamResponse, RequestError> {
        let (opened, received) = (self.counters.opened(), self.counters.received());
        let send = || {
            let remaining = deadline.saturating_duration_since(Instant::now());
            let request = self.agent.configure_request(request()?);
            let request = request.timeout_global(Some(remaining)).build();
            Ok::<_, Failure>(self.agent.run(request))
        };
        let received_any = || self.counters.received() != received;
        let response = match send()? {
            Err(Error::Io(_)) if self.counters.opened() == opened && !received_any() => send()?,
            response => response,
        };
        let response = response.map_err(|error| request_error(error, deadline, received_any()))?;
        let (head, body) = response.into_parts();
        check_response_head(&head.headers)?;
        Ok(UpstreamResponse { head, body: body.into_reader(), deadline })
    }
}

/// A request without a response.
pub(crate) enum RequestError {
    /// The request could not be built.
    Request(Failure),
    /// The upstream did not respond.
    Upstream(UpstreamError),
}

impl From<Failure> for RequestError {
    fn from(failure: Failure) -> Self {
        Self::Request(failure)
    }
}

impl From<UpstreamError> for RequestError {
    fn from(error: UpstreamError) -> Self {
        Self::Upstream(error)
    }
}

impl From<RequestError> for AttemptError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Request(failure) => failure.into(),
            RequestError::Upstream(error) => error.into(),
        }
    }
}

/// A response whose body is read piece by piece.
pub(crate) struct UpstreamResponse {
    pub(crate) head: response::Parts,
    body: BodyReader<'static>,
    deadline: Instant,
}

/// The reason why a body ended early.
pub(crate) enum BodyError {
    /// The connection was closed or reset.
    Truncated,
    /// The deadline passed.
    Timeout,
}

impl UpstreamResponse {
    /// Reads the next bytes of the body. Returns 0 at its end.
    ///
    /// # Errors
    /// If the body ends before its end.
    pub(crate) fn read(&mut self, bytes: &mut [u8]) -> Result<usize, BodyError> {
        self.body.read(bytes).map_err(|error| match is_timeout(error, self.deadline) {
            true => BodyError::Timeout,
            false => BodyError::Truncated,
        })
    }
}

/// Returns the proxy in ureq's form.
fn proxy(url: &ProxyUrl) -> Result<Proxy, SettingError> {
    let protocol = match url.scheme {
        ProxyScheme::Http => ProxyProtocol::Http,
        ProxyScheme::Socks5 => ProxyProtocol::Socks5,
        ProxyScheme::Socks5h => ProxyProtocol::Socks5h,
    };
    let mut proxy = Proxy::builder(protocol)
        .host(&url.host)
        .port(url.port)
        .resolve_target(url.scheme == ProxyScheme::Socks5);
    if let Some((user, password)) = &url.credentials {
        proxy = proxy.username(user.expose()).password(password.expose());
    }
    let problem = || Localized::new("cannot be used", "无法使用");
    proxy.build().map_err(|_| SettingError::invalid("HTTPS_PROXY", problem()))
}
