//! TLS to the provider, with the bundled roots.

use std::fmt;
use std::sync::{Arc, OnceLock};

use ask_core::settings::Fault;
use rustls::crypto::ring::cipher_suite::*;
use rustls::crypto::{CryptoProvider, KeyProvider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::SigningKey;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use ureq::Error;
use ureq::unversioned::transport::{ConnectionDetails, Connector, Transport, TransportAdapter};

use crate::connect::{Unopened, left};
use crate::transport::{Connection, Socket, Stream};

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

/// What ring has of use to a client: AES, which every server has and this processor does in hardware, and no keys to sign
/// with. What is not named here is not in the package, an eighth of its code.
fn provider() -> CryptoProvider {
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

/// The provider knows us by the key in a header, and by no certificate.
#[derive(Debug)]
struct NoKeys;

impl KeyProvider for NoKeys {
    fn load_private_key(
        &self,
        _: PrivateKeyDer<'static>,
    ) -> Result<Arc<dyn SigningKey>, rustls::Error> {
        Err(rustls::Error::General("no keys are used".into()))
    }
}

/// TLS over whatever is chained, where the URL asks for it.
pub(crate) struct Tls {
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
    /// Trusts these roots.
    pub(crate) fn new(roots: RootCertStore) -> Self {
        Self { roots, config: OnceLock::new() }
    }

    fn config(&self) -> Result<Arc<ClientConfig>, rustls::Error> {
        if let Some(config) = self.config.get() {
            return Ok(config.clone());
        }
        let config = ClientConfig::builder_with_provider(Arc::new(provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        Ok(self.config.get_or_init(|| Arc::new(config)).clone())
    }
}

impl<In: Transport> Connector<In> for Tls {
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
            .map_err(|error| Unopened::Tls(error.to_string()))?;
        let tls = |error: rustls::Error| Unopened::Tls(error.to_string());
        let mut connection =
            ClientConnection::new(self.config().map_err(tls)?, name).map_err(tls)?;
        socket.0.set_timeout(left(details));
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
