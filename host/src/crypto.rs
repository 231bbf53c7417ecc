//! The cryptography of TLS: ring's, reduced to what a client needs.

use std::sync::Arc;

use ring::rand::SystemRandom;
use rustls::crypto::ring::{ALL_KX_GROUPS, cipher_suite::*};
use rustls::crypto::{
    CryptoProvider, GetRandomFailed, KeyProvider, SecureRandom, WebPkiSupportedAlgorithms,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::SigningKey;
use rustls::{Error, SignatureScheme};
use webpki::ALL_VERIFICATION_ALGS;
use webpki::ring::*;

/// Returns the provider.
///
/// Of the ciphers it has AES, which every server supports and processors have in hardware. It
/// loads no signing keys. The rest is an eighth of the event function's code, which the linker
/// leaves out only if nothing calls `default_provider`.
pub(crate) fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![
            TLS13_AES_256_GCM_SHA384,
            TLS13_AES_128_GCM_SHA256,
            TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        ],
        kx_groups: ALL_KX_GROUPS.to_vec(),
        signature_verification_algorithms: SIGNATURES,
        secure_random: &Random,
        key_provider: &NoKeys,
    }
}

/// The signatures that ring verifies. In TLS 1.2, a scheme does not fix the curve, so ECDSA has two
/// algorithms for each.
const SIGNATURES: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: ALL_VERIFICATION_ALGS,
    mapping: &[
        (SignatureScheme::ECDSA_NISTP384_SHA384, &[ECDSA_P384_SHA384, ECDSA_P256_SHA384]),
        (SignatureScheme::ECDSA_NISTP256_SHA256, &[ECDSA_P256_SHA256, ECDSA_P384_SHA256]),
        (SignatureScheme::ED25519, &[ED25519]),
        (SignatureScheme::RSA_PSS_SHA512, &[RSA_PSS_2048_8192_SHA512_LEGACY_KEY]),
        (SignatureScheme::RSA_PSS_SHA384, &[RSA_PSS_2048_8192_SHA384_LEGACY_KEY]),
        (SignatureScheme::RSA_PSS_SHA256, &[RSA_PSS_2048_8192_SHA256_LEGACY_KEY]),
        (SignatureScheme::RSA_PKCS1_SHA512, &[RSA_PKCS1_2048_8192_SHA512]),
        (SignatureScheme::RSA_PKCS1_SHA384, &[RSA_PKCS1_2048_8192_SHA384]),
        (SignatureScheme::RSA_PKCS1_SHA256, &[RSA_PKCS1_2048_8192_SHA256]),
    ],
};

/// The system's random numbers.
#[derive(Debug)]
struct Random;

impl SecureRandom for Random {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        ring::rand::SecureRandom::fill(&SystemRandom::new(), bytes).map_err(|_| GetRandomFailed)
    }
}

/// Loads no keys: there are no client certificates.
#[derive(Debug)]
struct NoKeys;

impl KeyProvider for NoKeys {
    fn load_private_key(&self, _: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        Err(Error::General("client certificates are not supported".into()))
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::SignatureVerificationAlgorithm;

    use super::*;

    #[test]
    fn server_may_sign_with_all_that_ring_verifies() {
        let ring = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        assert_eq!(SIGNATURES.supported_schemes(), ring.supported_schemes());
        for ((_, ours), (_, rings)) in SIGNATURES.mapping.iter().zip(ring.mapping) {
            let ids = |list: &[&dyn SignatureVerificationAlgorithm]| -> Vec<_> {
                list.iter().map(|one| (one.public_key_alg_id(), one.signature_alg_id())).collect()
            };
            assert_eq!(ids(ours), ids(rings));
        }
    }
}
