//! The headers of proxied requests and responses.

use std::borrow::Cow;

use http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HOST, LOCATION,
    RETRY_AFTER, TRANSFER_ENCODING, UPGRADE, VARY, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::credentials::{holds_token, is_credential, replace_credentials};
use super::error::ProxyError;
use crate::access::X_ASK_TOKEN;
use crate::response::{X_ACCEL_BUFFERING, X_ERROR_CODE, X_REQUEST_ID};
use crate::settings::{Redactor, Secret, Settings};

/// Maximum size of all response headers, in bytes.
///
/// The platform carries 4 KB (<https://cloud.tencent.com/document/product/583/56124>). The status
/// line and the headers that the server adds take up to 140 bytes of them.
const MAX_HEADERS: usize = 4096 - 140;

const EVENT_STREAM: &[u8] = b"text/event-stream";

/// Returns the headers of the upstream request.
///
/// They are the client's, without hop-by-hop headers, those that concern this server or the client
/// alone, and tokens. `Host` is the upstream's. With `server_key`, it replaces the token.
pub fn upstream_request_headers(
    settings: &Settings,
    headers: &HeaderMap,
    server_key: Option<&Secret>,
) -> HeaderMap {
    let mut upstream = HeaderMap::with_capacity(headers.len() + 1);
    // Cannot fail: `BaseUrl` has parsed the authority.
    if let Ok(host) = HeaderValue::from_str(&settings.base_url.authority) {
        upstream.insert(HOST, host);
    }
    let named = named_in_connection(headers);
    for (name, value) in headers {
        let is_dropped = is_hop_by_hop(name.as_str())
            || named.iter().any(|named| named.eq_ignore_ascii_case(name.as_str()))
            || is_downstream_only(name)
            || server_key.is_some() && is_credential(name)
            || holds_token(settings, &String::from_utf8_lossy(value.as_bytes()));
        if !is_dropped {
            upstream.append(name, value.clone());
        }
    }
    if is_websocket(headers) {
        upstream.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        upstream.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
    let replaced = server_key.map(|key| replace_credentials(settings, headers, key));
    for (name, value) in replaced.unwrap_or_default() {
        upstream.append(name, value);
    }
    upstream
}

/// Removes the headers of an upstream response that are not for the client.
///
/// With `server_key`, parts of the key are removed too: from a header that the client needs, or
/// together with the header.
pub fn filter_response_headers(headers: &mut HeaderMap, server_key: Option<&Secret>) {
    // The chunks define the length of a chunked message (RFC 9112, 6.3).
    match single_length(headers).filter(|_| !headers.contains_key(TRANSFER_ENCODING)) {
        Some(length) => headers.insert(CONTENT_LENGTH, length.into()),
        None => headers.remove(CONTENT_LENGTH),
    };
    let named = named_in_connection(headers);
    let is_dropped = |name: &HeaderName| {
        is_hop_by_hop(name.as_str())
            || named.iter().any(|named| named.eq_ignore_ascii_case(name.as_str()))
            || is_upstream_only(name.as_str())
    };
    let dropped: Vec<HeaderName> =
        headers.keys().filter(|name| is_dropped(name)).cloned().collect();
    for name in dropped {
        headers.remove(name);
    }
    if let Some(key) = server_key {
        redact_headers(headers, key);
    }
    let is_event_stream = |value: &HeaderValue| {
        let start = value.as_bytes().get(..EVENT_STREAM.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(EVENT_STREAM))
    };
    if headers.get(CONTENT_TYPE).is_some_and(is_event_stream) {
        headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    }
}

/// Returns the length of a message. It may be repeated, in a list or in several headers (RFC 9110,
/// 8.6). Returns `None` if there is none, or if they differ.
fn single_length(headers: &HeaderMap) -> Option<u64> {
    let values = headers.get_all(CONTENT_LENGTH).iter();
    let mut lengths = values
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(|length| str::from_utf8(length).ok()?.trim().parse().ok());
    let first = lengths.next()?;
    lengths.all(|length| length == first).then_some(first)?
}

/// Redacts parts of the key in headers that the client needs. Removes other headers that hold one.
fn redact_headers(headers: &mut HeaderMap, key: &Secret) {
    let redactor = Redactor::new([key.clone()]);
    let mut removed = Vec::new();
    for (name, value) in headers.iter_mut() {
        // The value may have bytes that are not ASCII beside the key.
        let text = String::from_utf8_lossy(value.as_bytes());
        // A body cannot be read without these, and a key may contain the word `application`.
        let is_vital = [CONTENT_TYPE, CONTENT_ENCODING].contains(name);
        if is_vital && !text.contains(key.expose()) {
            continue;
        }
        let Cow::Owned(redacted) = redactor.name(&text) else { continue };
        match HeaderValue::try_from(redacted.replace('…', "...")) {
            Ok(redacted) if is_needed(name) => *value = redacted,
            _ => removed.push(name.clone()),
        }
    }
    for name in removed {
        headers.remove(name);
    }
}

/// Removes headers until the rest fits the platform's limit: the longest first, and none that the
/// client needs.
pub fn trim_to_limit(headers: &mut HeaderMap) {
    let length =
        |name: &HeaderName, value: &HeaderValue| name.as_str().len() + ": \r\n".len() + value.len();
    let mut total: usize = headers.iter().map(|(name, value)| length(name, value)).sum();
    while total > MAX_HEADERS {
        let of_name = |name: &HeaderName| {
            headers.get_all(name).iter().map(|value| length(name, value)).sum::<usize>()
        };
        let removable = headers
            .keys()
            .filter(|name| !is_needed(name))
            .map(|name| (of_name(name), name.clone()));
        let Some((longest, name)) = removable.max_by_key(|(length, _)| *length) else { return };
        headers.remove(name);
        total -= longest;
    }
}

/// Rejects a request body with a transfer coding other than a single `chunked`.
///
/// # Errors
/// [`ProxyError::TransferCoding`].
pub fn check_transfer_coding(headers: &HeaderMap) -> Result<(), ProxyError> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(ProxyError::TransferCoding),
    }
}

/// Returns whether the request asks for an upgrade to WebSocket. Other protocols are not tunnelled.
pub fn is_websocket(headers: &HeaderMap) -> bool {
    let upgrades =
        || named_in_connection(headers).iter().any(|named| named.eq_ignore_ascii_case("upgrade"));
    headers
        .get(UPGRADE)
        .is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"))
        && upgrades()
}

/// Returns the names in `Connection`: headers for the next hop only (RFC 9110, 7.6.1).
fn named_in_connection(headers: &HeaderMap) -> Vec<&str> {
    let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).collect()
}

fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
    )
}

/// Returns whether a request header concerns this server or the client alone.
///
/// The platform, gateways and browsers add them. The platform puts live cloud credentials into
/// `x-scf-secret-*` if the function has a role.
fn is_downstream_only(name: &HeaderName) -> bool {
    let name = name.as_str();
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    begins(&[
        "x-scf-",
        "x-fc-",
        "x-b3-",
        "x-forwarded-",
        "x-stgw-",
        "x-client-proto",
        "cf-connecting-",
    ]) || name.starts_with("sec-") && !name.starts_with("sec-websocket-")
        || name == X_ASK_TOKEN.as_str()
        || matches!(
            name,
            "host"
                | "x-api-requestid"
                | "x-api-scheme"
                | "x-qualifier"
                | "x-anonymous-consumer"
                | "endpoint-timeout"
                | "forwarded"
                | "x-forwarded"
                | "x-real-ip"
                | "x-client-ip"
                | "x-cluster-client-ip"
                | "x-original-forwarded-for"
                | "true-client-ip"
                | "fastly-client-ip"
                | "cdn-loop"
                | "via"
                | "cookie"
                | "origin"
                | "referer"
                | "expect"
        )
}

/// Returns whether a response header would affect this server's origin in the browser, or is about
/// the upstream's own gateway.
fn is_upstream_only(name: &str) -> bool {
    name.starts_with("cf-")
        || name.starts_with("access-control-")
        || matches!(
            name,
            "set-cookie" | "alt-svc" | "strict-transport-security" | "nel" | "report-to" | "server"
        )
}

/// Returns whether a client needs the header, or this server has set it.
fn is_needed(name: &HeaderName) -> bool {
    let needed = [
        CONTENT_TYPE,
        CONTENT_LENGTH,
        CONTENT_ENCODING,
        CONTENT_RANGE,
        RETRY_AFTER,
        LOCATION,
        WWW_AUTHENTICATE,
        CONNECTION,
        UPGRADE,
        VARY,
        X_ACCEL_BUFFERING,
        X_ERROR_CODE,
        X_REQUEST_ID,
    ];
    let prefixes = ["x-ratelimit-", "openai-", "sec-websocket-", "access-control-"];
    needed.contains(name) || prefixes.iter().any(|prefix| name.as_str().starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        let vars = [
            ("OPENAI_BASE_URL", "https://api.example:8443/v1"),
            ("ASK_TOKEN", "owner"),
            ("ASK_PUBLIC_TOKEN", "public"),
        ];
        Settings::from_pairs(&vars)
    }

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
            .collect()
    }

    fn pairs(headers: &HeaderMap) -> Vec<(&str, &str)> {
        headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect()
    }

    #[track_caller]
    fn check_request(lines: &[(&str, &str)], with_key: bool, expected: &[(&str, &str)]) {
        let key = Secret::new("sk-server".into());
        let upstream =
            upstream_request_headers(&settings(), &headers(lines), with_key.then_some(&key));
        let expected: Vec<_> =
            [("host", "api.example:8443")].iter().chain(expected).copied().collect();
        assert_eq!(pairs(&upstream), expected, "{lines:?}");
    }

    #[test]
    fn client_headers_are_forwarded_and_none_is_added() {
        let lines = [
            ("user-agent", "OpenAI/Python"),
            ("accept", "text/event-stream"),
            ("accept-encoding", "gzip, br"),
            ("content-type", "multipart/form-data; boundary=x"),
            ("content-length", "7"),
            ("openai-organization", "org-1"),
            ("openai-beta", "assistants=v2"),
            ("x-stainless-os", "Linux"),
            ("x-stainless-os", "twice"),
            ("idempotency-key", "1"),
            ("x-api-key", "sk-ant"),
            ("cf-aig-metadata", "{}"),
        ];
        check_request(&[&[("host", "fn.example")][..], &lines].concat(), false, &lines);
    }

    #[test]
    fn downstream_headers_are_not_forwarded() {
        for name in [
            "connection",
            "keep-alive",
            "proxy-authenticate",
            "proxy-authorization",
            "proxy-connection",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
            "x-scf-secret-key",
            "x-scf-session-token",
            "x-scf-request-id",
            "x-fc-token",
            "x-api-requestid",
            "x-api-scheme",
            "x-b3-traceid",
            "endpoint-timeout",
            "x-forwarded-for",
            "x-forwarded-proto",
            "forwarded",
            "x-real-ip",
            "via",
            "cookie",
            "origin",
            "referer",
            "expect",
            "sec-fetch-site",
            "sec-ch-ua",
            "sec-purpose",
            "x-ask-token",
            "true-client-ip",
            "cf-connecting-ip",
        ] {
            check_request(&[(name, "1")], false, &[]);
        }
        check_request(
            &[("sec-websocket-key", "k"), ("sec-fetch-mode", "cors")],
            false,
            &[("sec-websocket-key", "k")],
        );
    }

    #[test]
    fn headers_named_in_connection_are_not_forwarded() {
        check_request(
            &[
                ("connection", "close, X-Hop"),
                ("connection", "authorization,host"),
                ("x-hop", "1"),
                ("x-end", "2"),
                ("authorization", "Bearer owner"),
            ],
            true,
            &[("x-end", "2"), ("authorization", "Bearer sk-server")],
        );
    }

    #[test]
    fn tokens_are_never_forwarded() {
        check_request(
            &[
                ("x-extra", "owner"),
                ("x-other", "a=public; b"),
                ("x-fine", "owners"),
                ("authorization", "Bearer owner"),
            ],
            true,
            &[("x-fine", "owners"), ("authorization", "Bearer sk-server")],
        );
        check_request(
            &[("authorization", "Bearer own")],
            false,
            &[("authorization", "Bearer own")],
        );
    }

    #[test]
    fn tokens_and_keys_are_found_beside_non_ascii_bytes() {
        let beside = |secret: &str| {
            HeaderValue::from_bytes(&[b"\xe9 ", secret.as_bytes()].concat()).unwrap()
        };
        let headers = HeaderMap::from_iter([(HeaderName::from_static("x-extra"), beside("owner"))]);
        assert!(!upstream_request_headers(&settings(), &headers, None).contains_key("x-extra"));
        let mut headers =
            HeaderMap::from_iter([(HeaderName::from_static("x-extra"), beside("sk-server-key"))]);
        filter_response_headers(&mut headers, Some(&Secret::new("sk-server-key".into())));
        assert!(headers.is_empty());
    }

    #[test]
    fn only_websocket_upgrades_are_forwarded() {
        check_request(
            &[
                ("upgrade", "WebSocket"),
                ("connection", "keep-alive, Upgrade"),
                ("sec-websocket-version", "13"),
            ],
            false,
            &[("sec-websocket-version", "13"), ("connection", "upgrade"), ("upgrade", "websocket")],
        );
        check_request(
            &[
                ("upgrade", "h2c"),
                ("connection", "upgrade, http2-settings"),
                ("http2-settings", "x"),
            ],
            false,
            &[],
        );
        check_request(&[("upgrade", "websocket")], false, &[]);
    }

    #[test]
    fn transfer_coding_must_be_a_single_chunked() {
        let check = |lines: &[(&str, &str)]| check_transfer_coding(&headers(lines)).is_ok();
        assert!(check(&[]) && check(&[("transfer-encoding", "Chunked")]));
        assert!(!check(&[("transfer-encoding", "gzip, chunked")]));
        assert!(!check(&[("transfer-encoding", "gzip"), ("transfer-encoding", "chunked")]));
    }

    #[track_caller]
    fn check_response(lines: &[(&str, &str)], expected: &[(&str, &str)]) {
        let mut headers = headers(lines);
        filter_response_headers(&mut headers, Some(&Secret::new("sk-server-key".into())));
        let mut found = pairs(&headers);
        found.sort_unstable();
        assert_eq!(found, expected, "{lines:?}");
    }

    #[test]
    fn response_headers_are_filtered() {
        let kept = [
            ("content-length", "7"),
            ("content-type", "application/json"),
            ("openai-processing-ms", "3"),
            ("retry-after", "1"),
            ("www-authenticate", "Bearer"),
            ("x-ratelimit-limit-requests", "1"),
            ("x-request-id", "req_1"),
            ("x-two", "a"),
            ("x-two", "b"),
        ];
        check_response(&kept, &kept);
        for name in [
            "connection",
            "keep-alive",
            "proxy-authenticate",
            "proxy-connection",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
            "set-cookie",
            "alt-svc",
            "strict-transport-security",
            "nel",
            "report-to",
            "server",
            "cf-ray",
            "cf-cache-status",
            "access-control-allow-origin",
            "access-control-expose-headers",
        ] {
            check_response(&[(name, "1"), (name, "2")], &[]);
        }
        check_response(
            &[("connection", "x-hop"), ("x-hop", "1"), ("x-end", "2")],
            &[("x-end", "2")],
        );
        check_response(&[("transfer-encoding", "chunked"), ("content-length", "7")], &[]);
        check_response(&[("content-length", "7, 7")], &[("content-length", "7")]);
        check_response(
            &[("content-length", "7"), ("content-length", "7")],
            &[("content-length", "7")],
        );
        check_response(&[("content-length", "7, 8")], &[]);
        check_response(&[("x-debug", "used sk-server"), ("x-end", "2")], &[("x-end", "2")]);
        check_response(&[("x-request-id", "sk-server-1")], &[("x-request-id", "[...]1")]);
    }

    #[test]
    fn key_of_common_words_keeps_the_content_type() {
        let key = Secret::new("my-application-key".into());
        let lines =
            [("content-type", "application/json"), ("x-note", "an application"), ("x-end", "2")];
        let mut headers = headers(&lines);
        filter_response_headers(&mut headers, Some(&key));
        assert_eq!(pairs(&headers), [lines[0], lines[2]]);
    }

    #[test]
    fn event_stream_disables_buffering() {
        let stream = ("content-type", "text/event-stream; charset=utf-8");
        check_response(&[stream], &[stream, ("x-accel-buffering", "no")]);
    }

    #[test]
    fn headers_are_trimmed_except_needed_ones() {
        let long = "x".repeat(1500);
        let lines = [
            ("content-type", "application/json"),
            ("x-request-id", "req_1"),
            ("x-ratelimit-remaining-tokens", "1"),
            ("openai-version", "2020-10-01"),
            ("retry-after", "1"),
            ("x-short", "1"),
            ("x-long", &long),
            ("x-longer", &"y".repeat(1501)),
            ("openai-long", &long),
        ];
        let mut headers = headers(&lines);
        trim_to_limit(&mut headers);
        let names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(headers.len(), lines.len() - 1, "{names:?}");
        assert!(!headers.contains_key("x-longer"));

        headers.insert("openai-longer", HeaderValue::from_str(&long.repeat(3)).unwrap());
        trim_to_limit(&mut headers);
        assert!(headers.contains_key("openai-longer") && headers.contains_key("retry-after"));
        assert!(!headers.contains_key("x-long") && !headers.contains_key("x-short"));
    }
}
