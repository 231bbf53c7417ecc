//! Signed links: URLs that may ask without a token until they expire.

use std::time::{Duration, SystemTime};

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::Sha256;

use crate::failure::Failure;
use crate::query::Query;
use crate::settings::Secret;

/// The signed part of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedLink {
    /// `exp`: expiry, in Unix seconds.
    pub expires: u64,
    /// `sig`: base64url without padding.
    pub signature: String,
}

/// Signs a link to `path`, for one question or for any.
pub fn sign(key: &Secret, path: &str, expires: u64, question: Option<&str>) -> SignedLink {
    let tag = mac(key, path, &expires.to_string(), question).finalize().into_bytes();
    SignedLink { expires, signature: BASE64_URL_SAFE_NO_PAD.encode(tag) }
}

/// Percent-encodes a question for a link's query.
pub fn encode_question(question: &str) -> String {
    utf8_percent_encode(question, NON_ALPHANUMERIC).to_string()
}

/// Verifies the signature in the query of a request to `path`. Returns `None` if there is none.
///
/// Fails if the signature is invalid, expired, or for another question.
pub(crate) fn verify(
    key: &Secret,
    path: &str,
    query: &Query,
    now: SystemTime,
) -> Option<Result<(), Failure>> {
    let signature = query.get("sig")?;
    let tag = BASE64_URL_SAFE_NO_PAD.decode(signature.trim_end_matches('='));
    Some(match (query.get("exp"), tag) {
        (Some(expires), Ok(tag))
            if is_valid(key, path, expires, query, &tag) && !is_expired(expires, now) =>
        {
            Ok(())
        }
        _ => Err(Failure::Link),
    })
}

/// Returns whether the tag is valid for any question, or for the one in the query. A question in a
/// body does not count: the query takes precedence over it.
fn is_valid(key: &Secret, path: &str, expires: &str, query: &Query, tag: &[u8]) -> bool {
    let matches = |question| mac(key, path, expires, question).verify_slice(tag).is_ok();
    matches(None) || query.question().is_some_and(|question| matches(Some(question)))
}

fn is_expired(expires: &str, now: SystemTime) -> bool {
    let until = expires
        .parse()
        .ok()
        .and_then(|seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
    until.is_none_or(|until| now >= until)
}

fn mac(key: &Secret, path: &str, expires: &str, question: Option<&str>) -> Hmac<Sha256> {
    // Cannot fail: HMAC accepts keys of any length.
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes())
        .expect("HMAC accepts keys of any length");
    for part in ["ask1\n", path, "\n", expires] {
        mac.update(part.as_bytes());
    }
    for part in question.iter().flat_map(|question| ["\nq\n", question]) {
        mac.update(part.as_bytes());
    }
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Secret {
        Secret::new("0123456789abcdef".into())
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[track_caller]
    fn check(link: &SignedLink, path: &str, question: &str, now: u64, allowed: bool) {
        let query = format!("exp={}&sig={}&question={question}", link.expires, link.signature);
        let verified = verify(&key(), path, &Query::parse(query.as_bytes()).unwrap(), at(now));
        let expected = if allowed { Ok(()) } else { Err(Failure::Link) };
        assert_eq!(verified, Some(expected), "{path} {question} {now}");
    }

    #[test]
    fn signature_is_the_documented_one() {
        // printf 'ask1\n/\n1800000000' |
        //     openssl dgst -sha256 -hmac 0123456789abcdef -binary | basenc --base64url
        assert_eq!(sign(&key(), "/", 1_800_000_000, None).signature, SIGNED);
    }

    const SIGNED: &str = "-NbwPD3OIVizymfXg7rdGFCICIJqRxMaJKbOi6oadm8";

    #[test]
    fn link_is_valid_for_its_path_until_it_expires() {
        let link = sign(&key(), "/ask", 1000, None);
        check(&link, "/ask", "hi", 999, true);
        check(&link, "/ask", "anything", 0, true);
        check(&link, "/ask", "hi", 1000, false);
        check(&link, "/", "hi", 999, false);
        check(&SignedLink { expires: 2000, ..link.clone() }, "/ask", "hi", 999, false);
        check(
            &SignedLink { signature: format!("A{}", &link.signature[1..]), ..link },
            "/ask",
            "hi",
            999,
            false,
        );
        check(&SignedLink { expires: 1000, signature: "!".into() }, "/ask", "hi", 999, false);
    }

    #[test]
    fn clock_jumps_only_change_whether_a_link_is_expired() {
        let link = sign(&key(), "/", 1_800_000_000, None);
        let query =
            Query::parse(format!("exp=1800000000&sig={}", link.signature).as_bytes()).unwrap();
        let years = Duration::from_secs(100 * 365 * 86_400);
        for (time, expected) in [
            (SystemTime::UNIX_EPOCH - years, Ok(())),
            (SystemTime::UNIX_EPOCH, Ok(())),
            (SystemTime::UNIX_EPOCH + years, Err(Failure::Link)),
            (SystemTime::UNIX_EPOCH + years * 1000, Err(Failure::Link)),
        ] {
            assert_eq!(verify(&key(), "/", &query, time), Some(expected), "{time:?}");
        }
        check(&sign(&key(), "/", u64::MAX, None), "/", "hi", 999, false);
    }

    #[test]
    fn link_for_one_question_is_valid_for_that_one_only() {
        let link = sign(&key(), "/", 1000, Some("What is Rust?"));
        check(&link, "/", "What+is+Rust%3F", 999, true);
        check(&link, "/", "+What+is+Rust%3F+", 999, true);
        check(&link, "/", "What+is+Go%3F", 999, false);
        check(&link, "/", "", 999, false);
    }

    #[test]
    fn request_without_signature_is_not_a_link() {
        let query = Query::parse(b"exp=1000&question=hi").unwrap();
        assert_eq!(verify(&key(), "/", &query, at(0)), None);
    }
}
