//! Access: tokens, signed links, origins, local host names and rate limits.

mod cors;
mod host;
mod rate_limit;
pub mod signed_link;

use std::time::SystemTime;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};

pub use cors::{EXPOSED_HEADERS, allow_origin, check_origin, cors_headers, preflight_headers};
pub use host::is_local_host;
pub use rate_limit::{RateLimiter, parse_address};

use crate::failure::Failure;
use crate::query::Query;
use crate::settings::{Settings, matches_any};

/// The header for a token if `Authorization` is in use.
pub const X_ASK_TOKEN: HeaderName = HeaderName::from_static("x-ask-token");

/// Checks the token or the signed link of a question.
///
/// A token may be in `Authorization`, `X-Ask-Token` or `?token=`. A signed link to `path` replaces
/// a token. An invalid link is rejected even if no token is required.
///
/// # Errors
/// [`Failure::Token`] or [`Failure::Link`].
pub fn check_token(
    settings: &Settings,
    headers: &HeaderMap,
    path: &str,
    query: &Query,
    now: SystemTime,
) -> Result<(), Failure> {
    let in_header = headers.get(X_ASK_TOKEN).and_then(|value| value.to_str().ok());
    let presented = bearer_token(headers).into_iter().chain(in_header).chain(query.all("token"));
    let tokens = || settings.tokens.iter().chain(&settings.public_tokens);
    if presented.fold(false, |found, token| found | matches_any(tokens(), token)) {
        return Ok(());
    }
    let link =
        settings.signing_key.as_ref().and_then(|key| signed_link::verify(key, path, query, now));
    link.unwrap_or(if settings.is_open() { Ok(()) } else { Err(Failure::Token) })
}

/// Returns the token in `Authorization: Bearer`.
fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn token_is_accepted_in_each_place() {
        let settings =
            Settings::from_pairs(&[("ASK_TOKEN", "owner,second"), ("ASK_PUBLIC_TOKEN", "public")]);
        let accepts = |lines: &[(&'static str, &str)], query: &str| {
            let query = Query::parse(query.as_bytes()).unwrap();
            check_token(&settings, &headers(lines), "/", &query, SystemTime::UNIX_EPOCH).is_ok()
        };
        assert!(accepts(&[("authorization", "Bearer owner")], ""));
        assert!(accepts(&[("authorization", "bearer  second")], ""));
        assert!(accepts(&[("x-ask-token", "public")], ""));
        assert!(accepts(&[], "token=public"));
        assert!(accepts(&[("authorization", "Bearer other")], "token=owner"));
        assert!(!accepts(&[], ""));
        assert!(!accepts(&[("authorization", "Basic owner")], "token="));
        assert!(!accepts(&[("x-ask-token", "owner,second")], "token=own"));
    }

    #[test]
    fn invalid_link_is_rejected_even_without_tokens() {
        let check = |vars: &[(&str, &str)], query: &str| {
            let query = Query::parse(query.as_bytes()).unwrap();
            let settings = Settings::from_pairs(vars);
            check_token(&settings, &HeaderMap::new(), "/", &query, SystemTime::UNIX_EPOCH)
        };
        let key = ("ASK_SIGNING_KEY", "0123456789abcdef");
        assert_eq!(check(&[], ""), Ok(()));
        assert_eq!(check(&[], "sig=x&exp=1"), Ok(()));
        assert_eq!(check(&[key], ""), Ok(()));
        assert_eq!(check(&[key], "sig=x&exp=1"), Err(Failure::Link));
        assert_eq!(check(&[key, ("ASK_TOKEN", "owner")], "sig=x&exp=1"), Err(Failure::Link));
        assert_eq!(check(&[key, ("ASK_TOKEN", "owner")], "sig=x&exp=1&token=owner"), Ok(()));
        assert_eq!(check(&[key, ("ASK_TOKEN", "owner")], ""), Err(Failure::Token));
    }
}
