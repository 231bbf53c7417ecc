use std::net::TcpStream;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::Scratch;

/// A certificate authority of the tests' own (feature `tls`).
///
/// ```
/// use testkit::{Authority, Upstream, chat};
///
/// let root = Authority::new();
/// let config = root.server("127.0.0.1");
/// let upstream = Upstream::with_tls([chat::completion("Yes.")], config);
/// let file = root.file(); // for `SSL_CERT_FILE`
///
/// // A chain of two certificates below the same root:
/// let chain = root.intermediate().server("127.0.0.1");
/// ```
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: String,
    /// Certificates between a server's and the root, which the server sends.
    chain: Vec<CertificateDer<'static>>,
}

impl Authority {
    /// Makes a root with a key of its own.
    pub fn new() -> Self {
        let (params, key) = (Self::params("testkit root"), KeyPair::generate().unwrap());
        let root = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), root, chain: Vec::new() }
    }

    /// Makes an authority whose certificate this one signs.
    pub fn intermediate(&self) -> Self {
        let (params, key) = (Self::params("testkit intermediate"), KeyPair::generate().unwrap());
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let mut chain = vec![certificate.der().clone()];
        chain.extend_from_slice(&self.chain);
        Self { issuer: Issuer::new(params, key), root: self.root.clone(), chain }
    }

    fn params(name: &str) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.use_authority_key_identifier_extension = true;
        params
    }

    /// The certificate of the root, as PEM.
    pub fn pem(&self) -> &str {
        &self.root
    }

    /// The certificate of the root, as a file.
    pub fn file(&self) -> Scratch {
        Scratch::new(&self.root)
    }

    /// A server with a certificate for this name or address.
    pub fn server(&self, name: &str) -> Arc<ServerConfig> {
        self.issue(name, false)
    }

    /// A server whose certificate has expired.
    pub fn expired_server(&self, name: &str) -> Arc<ServerConfig> {
        self.issue(name, true)
    }

    fn issue(&self, name: &str, expired: bool) -> Arc<ServerConfig> {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.use_authority_key_identifier_extension = true;
        if expired {
            params.not_after = date_time_ymd(2020, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let mut chain = vec![certificate.der().clone()];
        chain.extend_from_slice(&self.chain);
        // An explicit crypto provider: with two in one build, rustls would panic.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .unwrap();
        Arc::new(config)
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

/// The server's side of TLS on a connection.
pub fn accept<'a>(
    config: &Arc<ServerConfig>,
    stream: &'a TcpStream,
) -> StreamOwned<ServerConnection, &'a TcpStream> {
    StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream)
}
