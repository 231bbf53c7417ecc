//! Origins: which pages may ask, and the CORS headers of a response.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, HOST,
    ORIGIN,
};
use http::{HeaderMap, HeaderValue, Uri};

use crate::failure::Failure;
use crate::settings::{Origins, Settings};

/// Headers of the question endpoint that pages may read.
pub const EXPOSED_HEADERS: &str =
    "Retry-After, X-Request-Id, X-Model, X-Finish-Reason, X-Error-Code";

/// Headers that pages may send, if a preflight names none.
const DEFAULT_ALLOWED_HEADERS: &str = "Authorization, Content-Type, X-Ask-Token";

/// Maximum length of the header names in a preflight, in bytes.
const MAX_REQUESTED_HEADERS: usize = 1024;

/// Maximum length of an origin that a response repeats, in bytes. The platform carries 4 KB of
/// response headers.
const MAX_ORIGIN: usize = 512;

/// Rejects requests from pages of other origins.
///
/// `local` is set for a server on the user's own machine. Only its own pages may drive it, unless
/// `ASK_ORIGINS` says otherwise.
///
/// # Errors
/// [`Failure::Origin`] if the origin is not allowed.
pub fn check_origin(settings: &Settings, headers: &HeaderMap, local: bool) -> Result<(), Failure> {
    if allows_all(settings, local) || is_same_origin(headers) {
        return Ok(());
    }
    let is_allowed = match (headers.get(ORIGIN), text(headers, "sec-fetch-site")) {
        (Some(origin), _) => is_listed(settings, origin),
        // A link or a form on any page navigates, and another local port is the same site.
        (None, "cross-site" | "same-site") if settings.origins == Origins::Unset => false,
        (None, "cross-site") => text(headers, "sec-fetch-mode") == "navigate",
        (None, _) => true,
    };
    if is_allowed { Ok(()) } else { Err(Failure::Origin) }
}

/// Returns the CORS headers of a response. Pages may read the headers in `exposed`.
pub fn cors_headers(
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

/// Returns the value of `Access-Control-Allow-Origin`, or `None` if the page is not allowed.
pub fn allow_origin(settings: &Settings, headers: &HeaderMap, local: bool) -> Option<HeaderValue> {
    let origin = headers.get(ORIGIN).filter(|origin| origin.len() <= MAX_ORIGIN);
    match origin {
        _ if allows_all(settings, local) => Some(HeaderValue::from_static("*")),
        Some(origin) if is_same_origin(headers) || is_listed(settings, origin) => {
            Some(origin.clone())
        }
        Some(_) => None,
        None => default_origin(settings, headers),
    }
}

/// Returns the headers that the response to a preflight adds: methods, headers and maximum age.
pub fn preflight_headers(headers: &HeaderMap, methods: &'static str) -> HeaderMap {
    let requested = headers.get(ACCESS_CONTROL_REQUEST_HEADERS).filter(|requested| {
        let in_name =
            |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~, ".contains(byte);
        requested.len() <= MAX_REQUESTED_HEADERS && requested.as_bytes().iter().all(in_name)
    });
    let allowed = requested.cloned().unwrap_or(HeaderValue::from_static(DEFAULT_ALLOWED_HEADERS));
    HeaderMap::from_iter([
        (ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods)),
        (ACCESS_CONTROL_ALLOW_HEADERS, allowed),
        (ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400")),
    ])
}

fn allows_all(settings: &Settings, local: bool) -> bool {
    match settings.origins {
        Origins::Any => true,
        Origins::Unset => !local,
        Origins::List(_) => false,
    }
}

fn is_listed(settings: &Settings, origin: &HeaderValue) -> bool {
    let Origins::List(origins) = &settings.origins else { return false };
    origin
        .to_str()
        .is_ok_and(|origin| origins.iter().any(|listed| listed.eq_ignore_ascii_case(origin)))
}

/// Returns whether the request comes from the server's own page: the authority of `Origin` equals
/// `Host`, or the browser says so.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let authority = || {
        let origin: Uri = headers.get(ORIGIN)?.to_str().ok()?.parse().ok()?;
        Some(origin.authority()?.to_string())
    };
    text(headers, "sec-fetch-site") == "same-origin"
        || authority()
            .is_some_and(|authority| authority.eq_ignore_ascii_case(text(headers, HOST.as_str())))
}

/// Returns the origin for a request without one: the first of the list, or the server's own.
fn default_origin(settings: &Settings, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = match &settings.origins {
        Origins::List(origins) => origins.first().cloned(),
        _ => headers.get(HOST)?.to_str().ok().map(|host| ["http://", host].concat()),
    };
    HeaderValue::try_from(origin?).ok()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[track_caller]
    fn check(
        origins: &str,
        local: bool,
        lines: &[(&'static str, &str)],
        is_allowed: bool,
        allow_origin: Option<&str>,
    ) {
        let settings = Settings::from_pairs(&[("ASK_ORIGINS", origins)]);
        let headers = headers(lines);
        let checked = check_origin(&settings, &headers, local);
        assert_eq!(checked.is_ok(), is_allowed, "{origins:?} {lines:?}");
        let cors = cors_headers(&settings, &headers, local, EXPOSED_HEADERS);
        let value = cors.get(ACCESS_CONTROL_ALLOW_ORIGIN).map(|value| value.to_str().unwrap());
        assert_eq!(value, allow_origin, "{origins:?} {lines:?}");
    }

    #[test]
    fn listed_origins_and_the_own_one_are_allowed() {
        let other = ("origin", "https://page.example");
        let host = ("host", "fn.example:8443");
        let own = ("origin", "https://fn.example:8443");
        let list = "https://other.example";
        check("", false, &[], true, Some("*"));
        check("", false, &[other], true, Some("*"));
        check("*", false, &[other], true, Some("*"));
        check("https://Page.example/", false, &[other], true, Some("https://page.example"));
        check(list, false, &[other], false, None);
        check("https://other.example, https://page.example", false, &[], true, Some(list));
        check(list, false, &[("origin", "null")], false, None);
        check("null", false, &[("origin", "null")], true, Some("null"));
        check(list, false, &[host, own], true, Some("https://fn.example:8443"));
        let same_origin = ("sec-fetch-site", "same-origin");
        check(list, false, &[other, same_origin], true, Some("https://page.example"));
    }

    #[test]
    fn cross_site_request_without_origin_must_navigate() {
        let cross_site = ("sec-fetch-site", "cross-site");
        let list = "https://other.example";
        check(list, false, &[cross_site, ("sec-fetch-mode", "no-cors")], false, Some(list));
        check(list, false, &[cross_site, ("sec-fetch-mode", "navigate")], true, Some(list));
        check("", false, &[cross_site, ("sec-fetch-mode", "no-cors")], true, Some("*"));
    }

    #[test]
    fn local_server_allows_only_its_own_pages_by_default() {
        let other = ("origin", "https://page.example");
        let own = "http://localhost:9000";
        let host = ("host", "localhost:9000");
        check("", true, &[other], false, None);
        check("*", true, &[other], true, Some("*"));
        check("", true, &[("origin", own), host], true, Some(own));
        for (site, mode, is_allowed) in [
            ("cross-site", "no-cors", false),
            ("cross-site", "navigate", false),
            ("same-site", "no-cors", false),
            ("none", "navigate", true),
        ] {
            let lines = [("sec-fetch-site", site), ("sec-fetch-mode", mode)];
            check("", true, &lines, is_allowed, None);
        }
        check("", true, &[], true, None);
        check("", true, &[host], true, Some(own));
    }

    #[test]
    fn preflight_echoes_valid_header_names() {
        let allowed = |requested: &str| {
            let headers = headers(&[("access-control-request-headers", requested)]);
            let preflight = preflight_headers(&headers, "GET");
            preflight[ACCESS_CONTROL_ALLOW_HEADERS].to_str().unwrap().to_owned()
        };
        assert_eq!(allowed("content-type, x-stainless-os"), "content-type, x-stainless-os");
        assert_eq!(allowed("a<b>"), DEFAULT_ALLOWED_HEADERS);
        assert_eq!(allowed(&"a".repeat(1025)), DEFAULT_ALLOWED_HEADERS);
    }
}
