//! Who may ask: tokens, and the pages of which origins.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    AUTHORIZATION, HOST, ORIGIN,
};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use std::time::SystemTime;

use crate::failure::Failure;
use crate::link;
use crate::query::Query;
use crate::secret::Secret;
use crate::settings::{Origins, Settings};

/// The header that carries a token where `Authorization` is taken.
pub const X_ASK_TOKEN: HeaderName = HeaderName::from_static("x-ask-token");

/// The headers of ours that a page may read.
const EXPOSED: &str = "Retry-After, X-Request-Id, X-Model, X-Finish-Reason, X-Error-Code";

/// The headers that a page may send where it does not say which.
const ALLOWED: &str = "Authorization, Content-Type, X-Ask-Token";

/// A preflight may name headers up to this length, in bytes.
const LONGEST_REQUESTED: usize = 1024;

/// An origin that is longer is not repeated in a reply, in bytes: the platform carries 4 KB of headers.
const LONGEST_ORIGIN: usize = 512;

/// Refuses a question without one of the tokens, where any is set. Each place for one is looked at, and each token
/// compared in constant time. A signed link to `path` does instead of a token; a wrong one is refused even where
/// everybody may ask.
pub fn token(
    settings: &Settings,
    headers: &HeaderMap,
    path: &str,
    query: &Query,
    now: SystemTime,
) -> Result<(), Failure> {
    let in_header = headers.get(X_ASK_TOKEN).and_then(|value| value.to_str().ok());
    let shown = bearer(headers).into_iter().chain(in_header).chain(query.all("token"));
    let known = settings.tokens.iter().chain(&settings.public_tokens).collect::<Vec<_>>();
    if shown.fold(false, |opened, shown| opened | any_matches(&known, shown)) {
        return Ok(());
    }
    let linked = settings.signing_key.as_ref().and_then(|key| link::verify(key, path, query, now));
    let unlinked = if settings.is_open() { Ok(()) } else { Err(Failure::Token) };
    linked.unwrap_or(unlinked)
}

/// Whether one of the secrets is the one shown; all of them are compared.
fn any_matches(secrets: &[&Secret], shown: &str) -> bool {
    secrets.iter().fold(false, |found, secret| found | secret.matches(shown))
}

/// The token in `Authorization: Bearer`.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Refuses requests that pages of other origins make. `local` is a server on the user's own machine, which no page but
/// its own drives unless `ASK_ORIGINS` says so.
pub fn origin(settings: &Settings, headers: &HeaderMap, local: bool) -> Result<(), Failure> {
    if admits_all(settings, local) || is_own(headers) {
        return Ok(());
    }
    let allowed = match (headers.get(ORIGIN), value(headers, "sec-fetch-site")) {
        (Some(origin), _) => listed(settings, origin),
        // A link or a form on any page navigates, and a page on another local port is of the same site.
        (None, "cross-site" | "same-site") if settings.origins == Origins::Unset => false,
        (None, "cross-site") => value(headers, "sec-fetch-mode") == "navigate",
        (None, _) => true,
    };
    if allowed { Ok(()) } else { Err(Failure::Origin) }
}

fn admits_all(settings: &Settings, local: bool) -> bool {
    match settings.origins {
        Origins::Any => true,
        Origins::Unset => !local,
        Origins::List(_) => false,
    }
}

fn listed(settings: &Settings, origin: &HeaderValue) -> bool {
    let Origins::List(origins) = &settings.origins else { return false };
    origin
        .to_str()
        .is_ok_and(|origin| origins.iter().any(|listed| listed.eq_ignore_ascii_case(origin)))
}

/// The request's own origin: the authority of `Origin` is the host that was called, or the browser says so.
fn is_own(headers: &HeaderMap) -> bool {
    let authority = || {
        let origin: Uri = headers.get(ORIGIN)?.to_str().ok()?.parse().ok()?;
        Some(origin.authority()?.to_string())
    };
    value(headers, "sec-fetch-site") == "same-origin"
        || authority()
            .is_some_and(|authority| authority.eq_ignore_ascii_case(value(headers, HOST.as_str())))
}

fn value<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The CORS headers of a reply: `Access-Control-Allow-Origin`, but for a page that may not read it, and `exposed`, the
/// headers it may read.
pub fn cors(
    settings: &Settings,
    headers: &HeaderMap,
    local: bool,
    exposed: &'static str,
) -> HeaderMap {
    let mut cors = HeaderMap::new();
    if let Some(allowed) = allow_origin(settings, headers, local) {
        cors.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    }
    cors.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(exposed));
    cors
}

/// What `Access-Control-Allow-Origin` says; nothing to a page that may not read the reply.
pub fn allow_origin(settings: &Settings, headers: &HeaderMap, local: bool) -> Option<HeaderValue> {
    let origin = headers.get(ORIGIN).filter(|origin| origin.len() <= LONGEST_ORIGIN);
    match origin {
        _ if admits_all(settings, local) => Some(HeaderValue::from_static("*")),
        Some(origin) if is_own(headers) || listed(settings, origin) => Some(origin.clone()),
        Some(_) => None,
        None => admitted(settings, headers),
    }
}

/// What a reply names where no page asks: the first origin of the list, or this server's own.
fn admitted(settings: &Settings, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = match &settings.origins {
        Origins::List(origins) => origins.first().cloned(),
        _ => headers.get(HOST)?.to_str().ok().map(|host| ["http://", host].concat()),
    };
    HeaderValue::try_from(origin?).ok()
}

/// [`cors`] of the question endpoint.
pub fn question_cors(settings: &Settings, headers: &HeaderMap, local: bool) -> HeaderMap {
    cors(settings, headers, local, EXPOSED)
}

/// What the answer to a preflight adds to [`cors`]: the methods, and the headers that were asked for.
pub fn preflight(headers: &HeaderMap, methods: &'static str) -> HeaderMap {
    let requested = headers.get(ACCESS_CONTROL_REQUEST_HEADERS).filter(|requested| {
        let name_byte =
            |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~, ".contains(byte);
        requested.len() <= LONGEST_REQUESTED && requested.as_bytes().iter().all(name_byte)
    });
    let allowed = requested.cloned().unwrap_or(HeaderValue::from_static(ALLOWED));
    HeaderMap::from_iter([
        (ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods)),
        (ACCESS_CONTROL_ALLOW_HEADERS, allowed),
        (ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400")),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(vars: &[(&str, &str)]) -> Settings {
        Settings::read(|name| {
            vars.iter().find(|(var, _)| *var == name).map(|(_, value)| value.into())
        })
    }

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn either_token_in_any_place_opens() {
        let settings = settings(&[("ASK_TOKEN", "owner,second"), ("ASK_PUBLIC_TOKEN", "public")]);
        let opens = |lines: &[(&'static str, &str)], query: &str| {
            let query = Query::parse(query.as_bytes()).unwrap();
            token(&settings, &headers(lines), "/", &query, SystemTime::UNIX_EPOCH).is_ok()
        };
        assert!(opens(&[("authorization", "Bearer owner")], ""));
        assert!(opens(&[("authorization", "bearer  second")], ""));
        assert!(opens(&[("x-ask-token", "public")], ""));
        assert!(opens(&[], "token=public"));
        assert!(opens(&[("authorization", "Bearer other")], "token=owner"));
        assert!(!opens(&[], ""));
        assert!(!opens(&[("authorization", "Basic owner")], "token="));
        assert!(!opens(&[("x-ask-token", "owner,second")], "token=own"));
    }

    #[test]
    fn without_tokens_it_is_open_but_to_wrong_links() {
        let check = |vars: &[(&str, &str)], query: &str| {
            let query = Query::parse(query.as_bytes()).unwrap();
            token(&settings(vars), &HeaderMap::new(), "/", &query, SystemTime::UNIX_EPOCH)
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

    #[track_caller]
    fn check(
        origins: &str,
        local: bool,
        lines: &[(&'static str, &str)],
        allowed: bool,
        shown: Option<&str>,
    ) {
        let settings = settings(&[("ASK_ORIGINS", origins)]);
        let headers = headers(lines);
        assert_eq!(origin(&settings, &headers, local).is_ok(), allowed, "{origins:?} {lines:?}");
        let cors = question_cors(&settings, &headers, local);
        let value = cors.get(ACCESS_CONTROL_ALLOW_ORIGIN).map(|value| value.to_str().unwrap());
        assert_eq!(value, shown, "{origins:?} {lines:?}");
    }

    #[test]
    fn origins_are_admitted_by_the_list_and_the_own_one_always() {
        let foreign = ("origin", "https://page.example");
        let host = ("host", "fn.example:8443");
        check("", false, &[], true, Some("*"));
        check("", false, &[foreign], true, Some("*"));
        check("*", false, &[foreign], true, Some("*"));
        check("https://Page.example/", false, &[foreign], true, Some("https://page.example"));
        check("https://other.example", false, &[foreign], false, None);
        check(
            "https://other.example, https://page.example",
            false,
            &[],
            true,
            Some("https://other.example"),
        );
        check("https://other.example", false, &[("origin", "null")], false, None);
        check("null", false, &[("origin", "null")], true, Some("null"));
        let own = ("origin", "https://fn.example:8443");
        check("https://other.example", false, &[host, own], true, Some("https://fn.example:8443"));
        check(
            "https://other.example",
            false,
            &[foreign, ("sec-fetch-site", "same-origin")],
            true,
            Some("https://page.example"),
        );
    }

    #[test]
    fn a_cross_site_request_without_an_origin_must_be_a_navigation() {
        let cross = ("sec-fetch-site", "cross-site");
        check(
            "https://other.example",
            false,
            &[cross, ("sec-fetch-mode", "no-cors")],
            false,
            Some("https://other.example"),
        );
        check(
            "https://other.example",
            false,
            &[cross, ("sec-fetch-mode", "navigate")],
            true,
            Some("https://other.example"),
        );
        check("", false, &[cross, ("sec-fetch-mode", "no-cors")], true, Some("*"));
    }

    #[test]
    fn a_local_server_admits_other_pages_only_where_the_owner_says_so() {
        let foreign = ("origin", "https://page.example");
        check("", true, &[foreign], false, None);
        check("*", true, &[foreign], true, Some("*"));
        check(
            "",
            true,
            &[("origin", "http://localhost:9000"), ("host", "localhost:9000")],
            true,
            Some("http://localhost:9000"),
        );
        check(
            "",
            true,
            &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")],
            false,
            None,
        );
        check(
            "",
            true,
            &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")],
            false,
            None,
        );
        check(
            "",
            true,
            &[("sec-fetch-site", "same-site"), ("sec-fetch-mode", "no-cors")],
            false,
            None,
        );
        check("", true, &[("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate")], true, None);
        check("", true, &[], true, None);
        check("", true, &[("host", "localhost:9000")], true, Some("http://localhost:9000"));
    }

    #[test]
    fn a_preflight_echoes_header_names_and_nothing_else() {
        let asked = |value: &str| {
            let headers = headers(&[("access-control-request-headers", value)]);
            preflight(&headers, "GET")[ACCESS_CONTROL_ALLOW_HEADERS].to_str().unwrap().to_owned()
        };
        assert_eq!(asked("content-type, x-stainless-os"), "content-type, x-stainless-os");
        assert_eq!(asked("a<b>"), ALLOWED);
        assert_eq!(asked(&"a".repeat(1025)), ALLOWED);
    }
}
