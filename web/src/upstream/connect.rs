//! Opening connections: the host name, the egress proxy, TCP and TLS.

use std::error::Error as StdError;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;
use std::{io, vec};

use ask_core::completion::ConnectError;
use ask_core::lang::Localized;
use ask_core::settings::{ProxyScheme, ProxyUrl, SettingError, Settings};
use ask_host::tls::root_store;
use base64::prelude::{BASE64_STANDARD, Engine};
use http::uri::InvalidUri;
use http::{HeaderValue, Uri};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};
use tower_service::Service;

use super::error::{can_open_descriptor, connect_error, proxy_error};
use super::tls::{Tls, server_name};

/// Timeout for opening a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The byte stream of a connection, with or without TLS.
pub(super) trait UpstreamIo: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> UpstreamIo for T {}

/// Opens connections to the upstream of the settings.
pub(super) struct Connector {
    host: String,
    port: u16,
    /// The upstream in the form of hyper-util's connectors.
    uri: Uri,
    proxy: Option<Proxy>,
    tls: Option<Tls>,
}

/// The egress proxy.
struct Proxy {
    url: ProxyUrl,
    uri: Uri,
}

impl Connector {
    /// Loads the trusted roots. Opens no connection.
    pub(super) fn new(settings: &Settings) -> Result<Self, SettingError> {
        let base_url = &settings.base_url;
        let host = base_url.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let invalid_host = |variable| {
            SettingError::invalid(variable, Localized::new("has an invalid host", "里的主机名无效"))
        };
        let roots = root_store(settings.cert_file.as_deref())?;
        let tls = match base_url.https {
            true => {
                let server = server_name(&host).map_err(|_| invalid_host("OPENAI_BASE_URL"))?;
                Some(Tls::new(server, roots))
            }
            false => None,
        };
        let proxy = settings.proxy.clone().map(|url| {
            let uri = uri(&url.host, url.port).map_err(|_| invalid_host("HTTPS_PROXY"))?;
            Ok(Proxy { url, uri })
        });
        Ok(Self {
            uri: uri(base_url.host(), base_url.port())
                .map_err(|_| invalid_host("OPENAI_BASE_URL"))?,
            host,
            port: base_url.port(),
            proxy: proxy.transpose()?,
            tls,
        })
    }

    /// Opens a connection, within [`CONNECT_TIMEOUT`] and the deadline.
    pub(super) async fn connect(
        &self,
        deadline: Option<Instant>,
    ) -> Result<Box<dyn UpstreamIo>, ConnectError> {
        let latest = Instant::now() + CONNECT_TIMEOUT;
        let deadline = deadline.map_or(latest, |deadline| deadline.min(latest));
        let stream = self.tcp(deadline).await?;
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let handshake = timeout_at(deadline, tls.handshake(stream)).await;
        Ok(Box::new(handshake.map_err(|_| ConnectError::TimedOut)??))
    }

    async fn tcp(&self, deadline: Instant) -> Result<TcpStream, ConnectError> {
        let Some(Proxy { url, uri }) = &self.proxy else {
            let mut connector = connector(resolve(&self.host, self.port, deadline).await?);
            let connecting = connector.call(self.uri.clone());
            return connected(deadline, connecting, connect_error).await;
        };
        let proxy_host = url.host.trim_start_matches('[').trim_end_matches(']');
        let mut connector = connector(resolve(proxy_host, url.port, deadline).await?);
        let credentials = url.credentials.as_ref();
        let credentials = credentials.map(|(user, password)| (user.expose(), password.expose()));
        let failed = |error: &(dyn StdError + 'static)| proxy_error(error, url.authority());
        // The SOCKS connector does not tell the error of a connection that it opens itself.
        let opened = Opened(Some(connected(deadline, connector.call(uri.clone()), failed).await?));
        match url.scheme {
            ProxyScheme::Http => {
                let mut tunnel = Tunnel::new(uri.clone(), opened);
                if let Some(value) = credentials.and_then(|(user, password)| basic(user, password))
                {
                    tunnel = tunnel.with_auth(value);
                }
                connected(deadline, tunnel.call(self.uri.clone()), failed).await
            }
            ProxyScheme::Socks5 | ProxyScheme::Socks5h => {
                let mut socks = SocksV5::new(uri.clone(), opened);
                if let Some((user, password)) = credentials {
                    socks = socks.with_auth(user.to_owned(), password.to_owned());
                }
                let upstream = match url.scheme {
                    ProxyScheme::Socks5 => self.resolved_uri(deadline).await?,
                    _ => self.uri.clone(),
                };
                connected(deadline, socks.call(upstream), failed).await
            }
        }
    }

    /// Returns the upstream by its address, for a proxy that does not resolve names.
    async fn resolved_uri(&self, deadline: Instant) -> Result<Uri, ConnectError> {
        let first = resolve(&self.host, self.port, deadline).await?.next();
        let uri = first.and_then(|first| format!("http://{first}").parse().ok());
        uri.ok_or_else(|| ConnectError::Name(self.host.clone()))
    }
}

/// Returns an address in the form of hyper-util's connectors. The port is always explicit, because
/// they have their own defaults.
fn uri(host: &str, port: u16) -> Result<Uri, InvalidUri> {
    format!("http://{host}:{port}").parse()
}

/// Resolves a host. A timeout counts as a name that cannot be resolved.
async fn resolve(
    host: &str,
    port: u16,
    deadline: Instant,
) -> Result<vec::IntoIter<SocketAddr>, ConnectError> {
    let unknown = || ConnectError::Name(host.to_owned());
    let addresses = timeout_at(deadline, lookup_host((host, port))).await.map_err(|_| unknown())?;
    // A lookup opens files, and may hide the error of doing so.
    let failed = |_| match can_open_descriptor() {
        true => unknown(),
        false => ConnectError::OutOfDescriptors,
    };
    Ok(addresses.map_err(failed)?.collect::<Vec<_>>().into_iter())
}

/// Returns a connector to one of these addresses. It tries several in parallel if one does not
/// respond (happy eyeballs).
fn connector(addresses: vec::IntoIter<SocketAddr>) -> HttpConnector<Resolved> {
    let mut connector = HttpConnector::new_with_resolver(Resolved(addresses));
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    connector
}

/// A resolver with known addresses.
#[derive(Clone)]
struct Resolved(vec::IntoIter<SocketAddr>);

impl Service<Name> for Resolved {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Ready<io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Name) -> Self::Future {
        ready(Ok(self.0.clone()))
    }
}

/// A connector with a connection that is open already.
struct Opened(Option<TcpStream>);

impl Service<Uri> for Opened {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Ready<io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        ready(self.0.take().map(TokioIo::new).ok_or(io::ErrorKind::NotConnected.into()))
    }
}

/// Awaits a connection until the deadline.
async fn connected<E: Into<Box<dyn StdError + Send + Sync>>>(
    deadline: Instant,
    connecting: impl Future<Output = Result<TokioIo<TcpStream>, E>>,
    failed: impl Fn(&(dyn StdError + 'static)) -> ConnectError,
) -> Result<TcpStream, ConnectError> {
    match timeout_at(deadline, connecting).await {
        Err(_) => Err(ConnectError::TimedOut),
        Ok(Ok(stream)) => Ok(stream.into_inner()),
        Ok(Err(error)) => Err(failed(&*error.into())),
    }
}

fn basic(user: &str, password: &str) -> Option<HeaderValue> {
    let encoded = BASE64_STANDARD.encode(format!("{user}:{password}"));
    HeaderValue::try_from(format!("Basic {encoded}")).ok()
}
