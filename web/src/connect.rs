//! Connections to the provider: DNS, an egress proxy where one is set, TCP and TLS.

use std::error::Error as StdError;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;
use std::{io, vec};

use ask_core::egress::{Egress, EgressKind};
use ask_core::settings::{Fault, Settings};
use base64::prelude::{BASE64_STANDARD, Engine};
use http::uri::InvalidUri;
use http::{HeaderValue, Uri};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName};
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tower_service::Service;

use crate::tls;

/// No connection takes longer to open; the address behind a name may be unreachable without a word.
const CONNECT: Duration = Duration::from_secs(10);

/// Bytes to and from the provider, whatever is below them.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// Why no connection was opened.
#[derive(Debug)]
pub(crate) enum Unopened {
    /// The name has no address.
    Name(String),
    /// It took longer than [`CONNECT`].
    Timeout,
    /// This process is out of file descriptors.
    Descriptors,
    /// The other side, or the way to it; why.
    Connection(String),
    /// The egress proxy would not connect; why.
    Proxy(String),
    /// TLS failed: the certificate, or what the other side speaks.
    Tls(String),
}

/// Opens connections to the one provider that the settings name.
pub(crate) struct Connector {
    host: String,
    port: u16,
    /// Where it is, in the form that the connectors of hyper-util take.
    uri: Uri,
    egress: Option<Proxy>,
    /// Where TLS is spoken.
    tls: Option<Tls>,
}

/// The egress proxy.
struct Proxy {
    egress: Egress,
    uri: Uri,
}

struct Tls {
    name: ServerName<'static>,
    extra_roots: Vec<CertificateDer<'static>>,
    /// Made at the first connection, since it takes time that a start does not have.
    config: OnceLock<Arc<ClientConfig>>,
}

impl Connector {
    /// Reads the extra roots; opens nothing. Fails where `SSL_CERT_FILE` or a name cannot be used.
    pub(crate) fn new(settings: &Settings) -> Result<Self, Fault> {
        let base_url = &settings.base_url;
        let host = base_url.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let bad_url =
            || Fault::new("OPENAI_BASE_URL", "names a host that cannot be", "里的主机名无效");
        let extra_roots = tls::extra_roots(settings.cert_file.as_deref())?;
        let tls = match base_url.https {
            true => Some(Tls {
                name: ServerName::try_from(host.clone()).map_err(|_| bad_url())?,
                extra_roots,
                config: OnceLock::new(),
            }),
            false => None,
        };
        let bad_proxy = |_: InvalidUri| {
            Fault::new("HTTPS_PROXY", "names a host that cannot be", "里的主机名无效")
        };
        let egress = settings.egress.clone();
        let egress =
            egress.map(|egress| Ok(Proxy { uri: uri(&egress.host, egress.port)?, egress }));
        Ok(Self {
            uri: uri(base_url.host(), base_url.port()).map_err(|_| bad_url())?,
            host,
            port: base_url.port(),
            egress: egress.transpose().map_err(bad_proxy)?,
            tls,
        })
    }

    /// Opens a connection, in [`CONNECT`] at most, or until the deadline where it comes before.
    pub(crate) async fn connect(
        &self,
        deadline: Option<Instant>,
    ) -> Result<Box<dyn Wire>, Unopened> {
        let longest = Instant::now() + CONNECT;
        let deadline = deadline.map_or(longest, |deadline| deadline.min(longest));
        let tcp = self.tcp(deadline).await?;
        let Some(tls) = &self.tls else { return Ok(Box::new(tcp)) };
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::InvalidData => Unopened::Tls(error.to_string()),
            _ => Unopened::Connection(format!("{} while TLS was agreed on", error.kind())),
        };
        let connecting = TlsConnector::from(tls.config()?).connect(tls.name.clone(), tcp);
        let stream = timeout_at(deadline, connecting)
            .await
            .map_err(|_| Unopened::Timeout)?
            .map_err(failed)?;
        Ok(Box::new(stream))
    }

    async fn tcp(&self, deadline: Instant) -> Result<TcpStream, Unopened> {
        let Some(Proxy { egress, uri: proxy }) = &self.egress else {
            let mut direct = to(resolve(&self.host, self.port, deadline).await?);
            return opened(deadline, direct.call(self.uri.clone())).await;
        };
        let proxy_host = egress.host.trim_start_matches('[').trim_end_matches(']');
        let to_proxy = to(resolve(proxy_host, egress.port, deadline).await?);
        let login = egress
            .login
            .as_ref()
            .map(|(user, password)| (user.expose().to_owned(), password.expose().to_owned()));
        match egress.kind {
            EgressKind::Http => {
                let mut tunnel = Tunnel::new(proxy.clone(), to_proxy);
                if let Some(value) = login.and_then(|(user, password)| basic(&user, &password)) {
                    tunnel = tunnel.with_auth(value);
                }
                opened(deadline, tunnel.call(self.uri.clone())).await.map_err(by_proxy)
            }
            EgressKind::Socks5 | EgressKind::Socks5h => {
                let mut socks = SocksV5::new(proxy.clone(), to_proxy);
                if let Some((user, password)) = login {
                    socks = socks.with_auth(user, password);
                }
                let provider = match egress.kind {
                    EgressKind::Socks5 => self.by_address(deadline).await?,
                    _ => self.uri.clone(),
                };
                opened(deadline, socks.call(provider)).await.map_err(by_proxy)
            }
        }
    }

    /// The provider by one of its addresses, for a proxy that is not to know the name.
    async fn by_address(&self, deadline: Instant) -> Result<Uri, Unopened> {
        let first = resolve(&self.host, self.port, deadline).await?.next();
        let uri = first.and_then(|first| format!("http://{first}").parse().ok());
        uri.ok_or_else(|| Unopened::Name(self.host.clone()))
    }
}

impl Tls {
    fn config(&self) -> Result<Arc<ClientConfig>, Unopened> {
        if let Some(config) = self.config.get() {
            return Ok(config.clone());
        }
        let config =
            tls::client(&self.extra_roots).map_err(|error| Unopened::Tls(error.to_string()))?;
        Ok(self.config.get_or_init(|| config).clone())
    }
}

/// An address as hyper-util's connectors take it, always with a port: they have their own idea of what it is otherwise.
fn uri(host: &str, port: u16) -> Result<Uri, InvalidUri> {
    format!("http://{host}:{port}").parse()
}

/// The addresses of a host. A name that does not resolve in time does not resolve.
async fn resolve(
    host: &str,
    port: u16,
    deadline: Instant,
) -> Result<vec::IntoIter<SocketAddr>, Unopened> {
    let unknown = || Unopened::Name(host.to_owned());
    let found = timeout_at(deadline, lookup_host((host, port))).await.map_err(|_| unknown())?;
    // A look-up opens files, and not every one says that it could not.
    let failed = |_| if can_open() { unknown() } else { Unopened::Descriptors };
    Ok(found.map_err(failed)?.collect::<Vec<_>>().into_iter())
}

/// Connects to one of these addresses: to several at a time where one does not answer.
fn to(addresses: vec::IntoIter<SocketAddr>) -> HttpConnector<Resolved> {
    let mut connector = HttpConnector::new_with_resolver(Resolved(addresses));
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT));
    connector
}

/// A resolver that has been asked already.
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

/// What comes of connecting.
async fn opened<E: Into<Box<dyn StdError + Send + Sync>>>(
    deadline: Instant,
    connecting: impl Future<Output = Result<TokioIo<TcpStream>, E>>,
) -> Result<TcpStream, Unopened> {
    match timeout_at(deadline, connecting).await {
        Err(_) => Err(Unopened::Timeout),
        Ok(Ok(stream)) => Ok(stream.into_inner()),
        Ok(Err(error)) => Err(unopened(&*error.into())),
    }
}

fn unopened(error: &(dyn StdError + 'static)) -> Unopened {
    let mut causes = std::iter::successors(Some(error), |&error| error.source());
    match causes.find_map(|cause| cause.downcast_ref::<io::Error>()) {
        Some(error) if is_out_of_descriptors(error) => Unopened::Descriptors,
        Some(error) if error.kind() == io::ErrorKind::TimedOut => Unopened::Timeout,
        Some(error) => Unopened::Connection(error.kind().to_string()),
        None => Unopened::Connection(error.to_string()),
    }
}

/// Whether a file descriptor can be had at the moment.
fn can_open() -> bool {
    !Socket::new(Domain::IPV4, Type::DGRAM, None).is_err_and(|error| is_out_of_descriptors(&error))
}

/// Whether this process, or the system, can open no more files. The standard library has no kind for it.
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}

fn by_proxy(unopened: Unopened) -> Unopened {
    match unopened {
        Unopened::Connection(why) => Unopened::Proxy(why),
        other => other,
    }
}

fn basic(user: &str, password: &str) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}"))))
        .ok()
}
