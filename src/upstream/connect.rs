//! Opening connections: the host name, the egress proxy, TCP and TLS.

use ask_core::completion::ConnectError;
use http::Uri;
use rustls::RootCertStore;
use ureq::config::Config;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    ConnectProxyConnector, ConnectionDetails, Connector, NextTimeout, SocksConnector, Transport,
};
use ureq::{Agent, Error, Proxy};

use super::counters::{ConnectionCounters, CountedTransport};
use super::error::Connecting;
use super::socks::StepwiseConnector;
use super::tcp::TcpConnector;
use super::timeout::remaining_timeout;
use super::tls::TlsConnector;

/// Creates an agent that connects as the settings say.
pub(super) fn agent(config: Config, roots: RootCertStore, counters: ConnectionCounters) -> Agent {
    let connector =
        ().chain(SocksConnector::default())
            .chain(StepwiseConnector)
            .chain(ConnectProxyConnector::default())
            .chain(TcpConnector)
            .chain(TlsConnector::new(roots));
    Agent::with_parts(config, UpstreamConnector { connector, counters }, LazyResolver)
}

/// Resolves nothing. ureq resolves at every call, before it looks for an open connection.
/// [`UpstreamConnector`] resolves if a connection has to be opened.
#[derive(Debug)]
struct LazyResolver;

impl Resolver for LazyResolver {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        Ok(self.empty())
    }
}

/// Resolves host names. An error names the host.
#[derive(Debug, Default)]
struct HostResolver(DefaultResolver);

impl Resolver for HostResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let name = || ConnectError::Name(uri.host().unwrap_or_default().to_owned());
        self.0.resolve(uri, config, timeout).map_err(|_| Connecting(name()).into())
    }
}

/// Opens a connection: resolves the host, unless the proxy does, then runs the chain.
#[derive(Debug)]
struct UpstreamConnector<C> {
    connector: C,
    counters: ConnectionCounters,
}

impl<C: Connector<Out: Transport>> Connector for UpstreamConnector<C> {
    type Out = CountedTransport<C::Out>;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<()>,
    ) -> Result<Option<Self::Out>, Error> {
        self.counters.count_opened();
        let resolver = HostResolver::default();
        let proxy = details.config.proxy();
        let resolves = proxy.is_none_or(|proxy| proxy.resolve_target());
        let addrs = match resolves && details.addrs.is_empty() {
            true => resolver.resolve(details.uri, details.config, details.timeout)?,
            false => details.addrs.clone(),
        };
        let details = ConnectionDetails {
            uri: details.uri,
            addrs,
            config: details.config,
            request_level: details.request_level,
            resolver: &resolver,
            now: (details.current_time)(),
            timeout: remaining_timeout(details),
            current_time: details.current_time.clone(),
            run_connector: details.run_connector.clone(),
            register_shutdown: details.register_shutdown.clone(),
        };
        let transport = self
            .connector
            .connect(&details, chained)
            .map_err(|error| Error::from(Connecting(connect_error(error, proxy))))?;
        Ok(transport.map(|transport| CountedTransport::new(transport, self.counters.clone())))
    }
}

fn connect_error(error: Error, proxy: Option<&Proxy>) -> ConnectError {
    let address = proxy.map(|proxy| format!("{}:{}", proxy.host(), proxy.port()));
    match (error, address) {
        (Error::Other(other), address) => match (other.downcast::<Connecting>(), address) {
            // ureq connects to an HTTP proxy as to any host.
            (Ok(error), Some(address)) => match error.0 {
                ConnectError::Io(kind) => ConnectError::ProxyUnreachable(address, kind),
                other => other,
            },
            (Ok(error), None) => error.0,
            (Err(other), _) => ConnectError::Tls(other.to_string()),
        },
        (Error::ConnectProxyFailed(reason), Some(address)) => {
            ConnectError::ProxyRefused(address, reason)
        }
        (Error::Timeout(_), _) => ConnectError::TimedOut,
        (Error::Io(error), Some(address)) => ConnectError::ProxyUnreachable(address, error.kind()),
        (Error::Io(error), None) => ConnectError::Io(error.kind()),
        (other, Some(address)) => ConnectError::ProxyRefused(address, other.to_string()),
        (_, None) => ConnectError::Io(std::io::ErrorKind::Other),
    }
}
