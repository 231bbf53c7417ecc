//! TLS towards the provider.

use std::sync::Arc;

use ask_core::settings::Fault;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// The certificates in the PEM file that `SSL_CERT_FILE` names; none where none is named.
pub(crate) fn extra_roots(cert_file: Option<&str>) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let Some(file) = cert_file else { return Ok(Vec::new()) };
    let unreadable =
        |_| Fault::new("SSL_CERT_FILE", "is no PEM file that can be read", "不是可读取的 PEM 文件");
    let roots: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(|certs| certs.collect::<Result<_, _>>())
        .map_err(unreadable)?;
    match roots.is_empty() {
        true => Err(Fault::new("SSL_CERT_FILE", "holds no certificate", "里没有证书")),
        false => Ok(roots),
    }
}

/// The client's side of TLS: ring, the bundled roots and the extra ones, HTTP/1.1.
pub(crate) fn client(
    extra_roots: &[CertificateDer<'static>],
) -> Result<Arc<ClientConfig>, rustls::Error> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    roots.add_parsable_certificates(extra_roots.iter().cloned());
    let mut config =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
