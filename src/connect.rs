//! How bytes travel to the provider: names resolved only when a connection is opened, an egress proxy where one is set,
//! and TLS with the bundled roots. This room and `transport` alone know ureq's `unversioned` hooks, for which ureq is
//! pinned to its minor version.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::Uri;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use ureq::config::Config;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::time::Instant;
use ureq::unversioned::transport::{
    Buffers, ConnectProxyConnector, ConnectionDetails, Connector, NextTimeout, SocksConnector, TcpConnector,
    Transport, TransportAdapter,
};
use ureq::{Agent, Error};

use ask_core::settings::Fault;

use crate::transport::{Connection, Stream};

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

/// Counts what happens on connections: a caller can tell whether its request went out on one that was kept from an
/// earlier one, and whether any byte of a reply came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traffic(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    opened: AtomicU64,
    heard: AtomicU64,
}

impl Traffic {
    /// So many connections were opened until now.
    pub(crate) fn opened(&self) -> u64 {
        self.0.opened.load(Ordering::Relaxed)
    }

    /// So often bytes of a reply came until now.
    pub(crate) fn heard(&self) -> u64 {
        self.0.heard.load(Ordering::Relaxed)
    }
}

/// An agent that reaches the provider as the settings say.
pub(crate) fn agent(config: Config, roots: RootCertStore, traffic: Traffic) -> Agent {
    let connector =
        ().chain(SocksConnector::default())
            .chain(ConnectProxyConnector::default())
            .chain(TcpConnector::default())
            .chain(Tls { roots, config: OnceLock::new() });
    Agent::with_parts(config, Open { connector, traffic }, Later)
}

/// The bundled roots, and those in the PEM file where one is set.
pub(crate) fn roots(cert_file: Option<&str>) -> Result<RootCertStore, Fault> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let Some(file) = cert_file else { return Ok(roots) };
    let unreadable =
        |_| Fault::new("SSL_CERT_FILE", "is no PEM file that can be read", "不是可读取的 PEM 文件");
    let certs: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(|certs| certs.collect::<Result<_, _>>())
        .map_err(unreadable)?;
    if roots.add_parsable_certificates(certs).0 == 0 {
        return Err(Fault::new("SSL_CERT_FILE", "holds no certificate", "里没有证书"));
    }
    Ok(roots)
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
    type Out = Counted<C::Out>;

    fn connect(&self, details: &ConnectionDetails, chained: Option<()>) -> Result<Option<Self::Out>, Error> {
        self.traffic.0.opened.fetch_add(1, Ordering::Relaxed);
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
        Ok(transport.map(|transport| Counted { transport, traffic: self.traffic.clone() }))
    }
}

/// A connection on which what comes is counted.
#[derive(Debug)]
struct Counted<T> {
    transport: T,
    traffic: Traffic,
}

impl<T: Transport> Transport for Counted<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.transport.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.transport.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let progress = self.transport.await_input(timeout)?;
        self.traffic.0.heard.fetch_add(progress.into(), Ordering::Relaxed);
        Ok(progress)
    }

    fn is_open(&mut self) -> bool {
        self.transport.is_open()
    }

    fn is_tls(&self) -> bool {
        self.transport.is_tls()
    }
}

/// What is left of the time to connect.
fn left(details: &ConnectionDetails) -> NextTimeout {
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

/// TLS over whatever is chained, where the URL asks for it.
struct Tls {
    roots: RootCertStore,
    /// Made at the first connection, since an instance may never need it.
    config: OnceLock<Arc<ClientConfig>>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    fn config(&self) -> Result<Arc<ClientConfig>, rustls::Error> {
        if let Some(config) = self.config.get() {
            return Ok(config.clone());
        }
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        Ok(self.config.get_or_init(|| Arc::new(config)).clone())
    }
}

impl<In: Transport> Connector<In> for Tls {
    type Out = Connection;

    fn connect(&self, details: &ConnectionDetails, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        let Some(transport) = chained else { return Ok(None) };
        let mut socket = TransportAdapter::new(transport.boxed(), details.current_time.clone());
        if !details.needs_tls() {
            return Ok(Some(Connection::new(Stream::Plain(socket), details.config)));
        }
        let host = details.uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned()).map_err(|error| Unopened::Tls(error.to_string()))?;
        let tls = |error: rustls::Error| Unopened::Tls(error.to_string());
        let mut connection = ClientConnection::new(self.config().map_err(tls)?, name).map_err(tls)?;
        socket.set_timeout(left(details));
        connection.complete_io(&mut socket).map_err(|error| {
            match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                Some(inner) => Unopened::Tls(inner.to_string()).into(),
                None => Error::from(error),
            }
        })?;
        let stream = Stream::Tls(Box::new(StreamOwned::new(connection, socket)));
        Ok(Some(Connection::new(stream, details.config)))
    }
}
