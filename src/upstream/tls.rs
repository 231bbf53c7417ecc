//! TLS to the upstream.

use std::fmt;
use std::sync::{Arc, OnceLock};

use ask_core::completion::ConnectError;
use ask_host::tls::{client_config, handshake_error};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use ureq::Error;
use ureq::unversioned::transport::{ConnectionDetails, Connector, Transport, TransportAdapter};

use super::error::Connecting;
use super::timeout::remaining_timeout;
use super::transport::{Connection, Socket, Stream};

/// Adds TLS to the chained connection if the URL is `https`.
pub(super) struct TlsConnector {
    roots: RootCertStore,
    /// Created for the first connection. An instance may never need it.
    config: OnceLock<Arc<ClientConfig>>,
}

impl fmt::Debug for TlsConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsConnector")
    }
}

impl TlsConnector {
    /// Creates a connector that trusts these roots.
    pub(super) fn new(roots: RootCertStore) -> Self {
        Self { roots, config: OnceLock::new() }
    }

    fn config(&self) -> Result<Arc<ClientConfig>, rustls::Error> {
        if let Some(config) = self.config.get() {
            return Ok(config.clone());
        }
        let config = client_config(self.roots.clone())?;
        Ok(self.config.get_or_init(|| Arc::new(config)).clone())
    }
}

impl<In: Transport> Connector<In> for TlsConnector {
    type Out = Connection;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        let Some(transport) = chained else { return Ok(None) };
        let mut socket =
            Socket(TransportAdapter::new(transport.boxed(), details.current_time.clone()));
        if !details.needs_tls() {
            return Ok(Some(Connection::new(Stream::Plain(socket), details.config)));
        }
        let host =
            details.uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| Connecting(ConnectError::Tls(error.to_string())))?;
        let failed = |error: rustls::Error| Connecting(handshake_error(&error));
        let mut connection =
            ClientConnection::new(self.config().map_err(failed)?, name).map_err(failed)?;
        socket.0.set_timeout(remaining_timeout(details));
        connection.complete_io(&mut socket).map_err(|error| {
            match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                Some(inner) => Error::from(Connecting(handshake_error(inner))),
                None => match Error::from(error) {
                    Error::Io(error) => Connecting(ConnectError::Handshake(error.kind())).into(),
                    other => other,
                },
            }
        })?;
        let stream = Stream::Tls(Box::new(StreamOwned::new(connection, socket)));
        Ok(Some(Connection::new(stream, details.config)))
    }
}
