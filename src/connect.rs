//! How bytes travel to the provider: names resolved only when a connection is opened, an egress proxy where one is set,
//! and TLS. This room, `tcp`, `tls`, `transport` and `traffic` alone know ureq's `unversioned` hooks, for which ureq is
//! pinned to its minor version.

use std::fmt;
use std::time::Duration;

use http::Uri;
use rustls::RootCertStore;
use ureq::config::Config;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::time::Instant;
use ureq::unversioned::transport::{
    ConnectProxyConnector, ConnectionDetails, Connector, NextTimeout, SocksConnector, Transport,
};
use ureq::{Agent, Error};

use crate::tcp::Tcp;
use crate::tls::Tls;
use crate::traffic::{Traffic, Watched};

/// Why no connection was opened.
#[derive(Debug)]
pub(crate) enum Unopened {
    /// The name has no address.
    Name(String),
    /// The proxy would not connect.
    Proxy(String),
    /// TLS failed: the certificate, or what the other side speaks.
    Tls(String),
    /// The other side, or the way to it.
    Connection(Error),
}

impl fmt::Display for Unopened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(host) => write!(f, "the name {host} cannot be resolved"),
            Self::Proxy(why) => write!(f, "the proxy does not connect: {why}"),
            Self::Tls(why) => write!(f, "TLS: {why}"),
            Self::Connection(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for Unopened {}

impl From<Unopened> for Error {
    fn from(unopened: Unopened) -> Self {
        Error::Other(Box::new(unopened))
    }
}

/// An agent that reaches the provider as the settings say.
pub(crate) fn agent(config: Config, roots: RootCertStore, traffic: Traffic) -> Agent {
    let connector =
        ().chain(SocksConnector::default())
            .chain(ConnectProxyConnector::default())
            .chain(Tcp)
            .chain(Tls::new(roots));
    Agent::with_parts(config, Open { connector, traffic }, Later)
}

/// Resolves nothing: ureq asks at every call, before it looks for a connection that is open already. [`Open`] asks when
/// it comes to that.
#[derive(Debug)]
struct Later;

impl Resolver for Later {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        Ok(self.empty())
    }
}

/// Resolves names in the time that is left, and says which one has no address.
#[derive(Debug, Default)]
struct Names(DefaultResolver);

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let unknown = |_| Unopened::Name(uri.host().unwrap_or_default().to_owned()).into();
        self.0.resolve(uri, config, timeout).map_err(unknown)
    }
}

/// Opens a connection: the name first, where it is ours to resolve, then what is chained, all in the time that is left.
#[derive(Debug)]
struct Open<C> {
    connector: C,
    traffic: Traffic,
}

impl<C: Connector<Out: Transport>> Connector for Open<C> {
    type Out = Watched<C::Out>;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<()>,
    ) -> Result<Option<Self::Out>, Error> {
        self.traffic.opens();
        let names = Names::default();
        let ours = details.config.proxy().is_none_or(|proxy| proxy.resolve_target());
        let addrs = match ours && details.addrs.is_empty() {
            true => names.resolve(details.uri, details.config, details.timeout)?,
            false => details.addrs.clone(),
        };
        let details = ConnectionDetails {
            uri: details.uri,
            addrs,
            config: details.config,
            request_level: details.request_level,
            resolver: &names,
            now: (details.current_time)(),
            timeout: left(details),
            current_time: details.current_time.clone(),
            run_connector: details.run_connector.clone(),
            register_shutdown: details.register_shutdown.clone(),
        };
        let transport = self.connector.connect(&details, chained).map_err(|error| match error {
            Error::Other(other) if other.is::<Unopened>() => Error::Other(other),
            Error::ConnectProxyFailed(why) => Unopened::Proxy(why).into(),
            other => Unopened::Connection(other).into(),
        })?;
        Ok(transport.map(|transport| Watched::new(transport, self.traffic.clone())))
    }
}

/// What is left of the time to connect.
pub(crate) fn left(details: &ConnectionDetails) -> NextTimeout {
    let mut timeout = details.timeout;
    if !timeout.after.is_not_happening() {
        let spent = match ((details.current_time)(), details.now) {
            (Instant::Exact(now), Instant::Exact(began)) => now.saturating_duration_since(began),
            _ => Duration::ZERO,
        };
        timeout.after = timeout.after.saturating_sub(spent).into();
    }
    timeout
}
