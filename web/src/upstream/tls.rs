//! TLS to the upstream.

use std::io;
use std::sync::{Arc, OnceLock};

use ask_core::completion::ConnectError;
use ask_host::tls::{client_config, handshake_error};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Opens TLS on connections to one server.
pub(super) struct Tls {
    server: ServerName<'static>,
    roots: RootCertStore,
    /// Created for the first connection, to keep the start short.
    config: OnceLock<Arc<ClientConfig>>,
}

impl Tls {
    /// Creates a connector for this server that trusts these roots.
    pub(super) fn new(server: ServerName<'static>, roots: RootCertStore) -> Self {
        Self { server, roots, config: OnceLock::new() }
    }

    /// Makes the handshake.
    pub(super) async fn handshake(
        &self,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, ConnectError> {
        let config = self.config().map_err(|error| handshake_error(&error))?;
        TlsConnector::from(config).connect(self.server.clone(), stream).await.map_err(|error| {
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            inner.map_or_else(|| ConnectError::Handshake(error.kind()), handshake_error)
        })
    }

    fn config(&self) -> Result<Arc<ClientConfig>, rustls::Error> {
        if let Some(config) = self.config.get() {
            return Ok(config.clone());
        }
        let config = client_config(self.roots.clone())?;
        Ok(self.config.get_or_init(|| Arc::new(config)).clone())
    }
}

/// Returns the name for the certificate of a host.
pub(super) fn server_name(host: &str) -> io::Result<ServerName<'static>> {
    ServerName::try_from(host.to_owned()).map_err(io::Error::other)
}
