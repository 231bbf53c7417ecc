//! TLS to the upstream.

use std::fmt;
use std::sync::{Arc, OnceLock};

use ask_core::completion::ConnectError;
use ask_host::tls::handshake_error;
use rustls::crypto::ring::cipher_suite::*;
use rustls::crypto::{CryptoProvider, KeyProvider};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::sign::SigningKey;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use ureq::Error;
use ureq::unversioned::transport::{ConnectionDetails, Connector, Transport, TransportAdapter};

use super::error::Connecting;
use super::timeout::remaining_timeout;
use super::transport::{Connection, Socket, Stream};

/// Returns ring's provider, reduced to what a client needs.
///
/// It has AES, which every server supports and this processor has in hardware, and no signing keys.
/// The rest is an eighth of the package's code and is left out by the linker.
fn crypto_provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![
            TLS13_AES_256_GCM_SHA384,
            TLS13_AES_128_GCM_SHA256,
            TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        ],
        key_provider: &NoKeys,
        ..rustls::crypto::ring::default_provider()
    }
}

/// Loads no keys: there are no client certificates.
#[derive(Debug)]
struct NoKeys;

impl KeyProvider for NoKeys {
    fn load_private_key(
        &self,
        _: PrivateKeyDer<'static>,
    ) -> Result<Arc<dyn SigningKey>, rustls::Error> {
        Err(rustls::Error::General("client certificates are not supported".into()))
    }
}

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
        let config = ClientConfig::builder_with_provider(Arc::new(crypto_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
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
