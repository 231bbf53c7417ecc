//! The way to a host: its name, a connection, TLS.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use ask_core::Failure;
use ask_core::completion::{AttemptError, ConnectError, UpstreamError};
use ask_core::lang::Localized;
use ask_core::settings::{BaseUrl, ProxyScheme, ProxyUrl};

use super::report::{Report, Status, Step, seconds};
use crate::upstream::RequestError;

/// Timeout of a name, and of all connections.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The way to a host, direct or through a proxy.
pub(super) struct Route<'a> {
    base_url: &'a BaseUrl,
    has_proxy: bool,
    explain: Explain,
    connected: Connected,
}

/// Returns the sentence of a failure.
type Explain = fn(Failure) -> Localized;

/// A connection that was opened, and the time that it took.
struct Connected {
    address: SocketAddr,
    time: Duration,
}

impl<'a> Route<'a> {
    /// Resolves the host, or that of the proxy, and connects to it. Reports the name, and a
    /// connection that fails. [`Route::report`] reports the rest, as the first request shows it.
    ///
    /// # Errors
    /// The step that failed.
    pub(super) fn open(
        base_url: &'a BaseUrl,
        proxy: Option<&ProxyUrl>,
        explain: Explain,
        report: &mut Report<'_>,
    ) -> Result<Self, Step> {
        let (host, port) = match proxy {
            Some(proxy) => (proxy.host.as_str(), proxy.port),
            None => (base_url.host(), base_url.port()),
        };
        let addresses = match resolve(host, port) {
            Ok(addresses) => addresses,
            Err(error) => {
                fail(Step::Name, error, explain, report);
                report.skip(&[Step::Connect, Step::Tls], Step::Name);
                return Err(Step::Name);
            }
        };
        let list: Vec<_> = addresses.iter().map(|address| address.ip().to_string()).collect();
        let (host, list) = (host.trim_matches(['[', ']']), list.join(", "));
        let list = if list == host { list } else { format!("{host}: {list}") };
        match proxy {
            Some(proxy) if proxy.scheme != ProxyScheme::Socks5 => report.ok(
                Step::Name,
                format!("{list}; the proxy resolves {}", base_url.host()),
                format!("{list}；{} 由代理解析", base_url.host()),
            ),
            _ => report.ok(Step::Name, list.clone(), list),
        }
        match connect(&addresses) {
            Ok(connected) => Ok(Self { base_url, has_proxy: proxy.is_some(), explain, connected }),
            Err(error) => {
                let error = match (error, proxy) {
                    (ConnectError::Io(kind), Some(proxy)) => {
                        ConnectError::ProxyUnreachable(proxy.authority(), kind)
                    }
                    (error, _) => error,
                };
                fail(Step::Connect, error, explain, report);
                report.skip(&[Step::Tls], Step::Connect);
                Err(Step::Connect)
            }
        }
    }

    /// Reports connection and TLS, as the first request shows them.
    ///
    /// # Errors
    /// The step that failed.
    pub(super) fn report(
        &self,
        error: Option<&RequestError>,
        report: &mut Report<'_>,
    ) -> Result<(), Step> {
        let error = match error {
            Some(RequestError::Upstream(UpstreamError::Connect(error))) => Some(error.clone()),
            _ => None,
        };
        // Without a proxy, the connection itself has been tried.
        let is_tls = |error: &ConnectError| match error {
            ConnectError::Tls(_) | ConnectError::NotTls | ConnectError::Handshake(_) => true,
            _ => !self.has_proxy && self.base_url.https,
        };
        let (tls_error, connect_error) = match error {
            Some(error) if is_tls(&error) => (Some(error), None),
            error => (None, error),
        };
        if let Some(error) = connect_error {
            fail(Step::Connect, error, self.explain, report);
            report.skip(&[Step::Tls], Step::Connect);
            return Err(Step::Connect);
        }
        let Connected { address, time } = &self.connected;
        let time = seconds(*time);
        report.ok(Step::Connect, format!("{address}, {time}"), format!("{address}，{time}"));
        match tls_error {
            Some(error) => {
                fail(Step::Tls, error, self.explain, report);
                return Err(Step::Tls);
            }
            None if self.base_url.https => {
                report.ok(Step::Tls, "the certificate is trusted", "证书可信");
            }
            None => report.ok(Step::Tls, "not used (http://)", "不使用（http://）"),
        }
        Ok(())
    }
}

fn fail(step: Step, error: ConnectError, explain: Explain, report: &mut Report<'_>) {
    let failure = AttemptError::from(UpstreamError::from(error)).failure;
    report.add(step, Status::Failure, explain(failure));
}

/// Resolves a host. The system's resolver has no timeout of its own, so a thread waits for it.
fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, ConnectError> {
    let host = host.trim_matches(['[', ']']).to_owned();
    let unknown = || ConnectError::Name(host.clone());
    let (found, addresses) = mpsc::channel();
    let name = host.clone();
    thread::spawn(move || {
        let resolved = (name.as_str(), port).to_socket_addrs();
        // The receiver is gone after the timeout.
        let _ = found.send(resolved.map(Iterator::collect));
    });
    let addresses: Vec<_> =
        addresses.recv_timeout(TIMEOUT).map_err(|_| unknown())?.map_err(|_| unknown())?;
    if addresses.is_empty() { Err(unknown()) } else { Ok(addresses) }
}

/// Connects to the first address that accepts. Each has an equal share of the time.
fn connect(addresses: &[SocketAddr]) -> Result<Connected, ConnectError> {
    let start = Instant::now();
    let mut last = ConnectError::TimedOut;
    for (tried, address) in addresses.iter().enumerate() {
        let others = (addresses.len() - tried) as u32;
        let share = TIMEOUT.saturating_sub(start.elapsed()) / others;
        if share.is_zero() {
            break;
        }
        match TcpStream::connect_timeout(address, share) {
            Ok(_) => return Ok(Connected { address: *address, time: start.elapsed() }),
            Err(error) if error.kind() == ErrorKind::TimedOut => last = ConnectError::TimedOut,
            Err(error) => last = ConnectError::Io(error.kind()),
        }
    }
    Err(last)
}
