//! TLS to the upstream, as far as both functions share it.

use std::sync::Arc;

use ask_core::completion::ConnectError;
use ask_core::lang::Localized;
use ask_core::settings::SettingError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, Error, RootCertStore};

use crate::crypto::provider;

/// Returns the bundled roots, and those of the PEM file in `SSL_CERT_FILE`.
///
/// # Errors
/// If the file cannot be read, or has no valid certificate.
pub fn root_store(cert_file: Option<&str>) -> Result<RootCertStore, SettingError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let Some(file) = cert_file else { return Ok(roots) };
    let invalid = |en, zh| SettingError::invalid("SSL_CERT_FILE", Localized::new(en, zh));
    let certificates: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(|certificates| certificates.collect::<Result<_, _>>())
        .map_err(|_| invalid("is not a readable PEM file", "不是可读取的 PEM 文件"))?;
    match roots.add_parsable_certificates(certificates).0 {
        0 => Err(invalid("has no valid certificate", "里没有有效的证书")),
        _ => Ok(roots),
    }
}

/// Returns the configuration of connections that trust these roots.
///
/// # Errors
/// If the provider has no cipher suite for a version of TLS.
pub fn client_config(roots: RootCertStore) -> Result<ClientConfig, Error> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Returns the meaning of a failed handshake.
pub fn handshake_error(error: &Error) -> ConnectError {
    match error {
        // The first bytes are not a TLS record, as of a port that speaks plain HTTP.
        Error::InvalidMessage(_) => ConnectError::NotTls,
        other => ConnectError::Tls(other.to_string()),
    }
}
