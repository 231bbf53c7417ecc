//! Which headers pass, in both directions.

use std::borrow::Cow;

use http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HOST, LOCATION,
    RETRY_AFTER, TRANSFER_ENCODING, UPGRADE, VARY, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::failure::Failure;
use super::keys::{holds_token, is_credential, lend};
use crate::access::X_ASK_TOKEN;
use crate::reply::{X_ACCEL_BUFFERING, X_ERROR_CODE, X_REQUEST_ID};
use crate::secret::{Mask, Secret};
use crate::settings::Settings;

/// The platform carries 4 KB of response headers (583/56124); the status line and what the server itself adds (`date`,
/// `connection`, `transfer-encoding`) take up to 140 bytes of them.
const BUDGET: usize = 4096 - 140;

/// How the type of event streams begins.
const EVENT_STREAM: &[u8] = b"text/event-stream";

/// The headers for the provider: the caller's without those that are none of the provider's business, `Host` rewritten,
/// and the key that is lent in the place of the token. What is set here is set after all stripping.
pub fn towards_provider(
    settings: &Settings,
    headers: &HeaderMap,
    lent: Option<&Secret>,
) -> HeaderMap {
    let mut outgoing = HeaderMap::with_capacity(headers.len() + 1);
    // An authority that `BaseUrl` has read is a header's value, too.
    if let Ok(host) = HeaderValue::from_str(&settings.base_url.authority) {
        outgoing.insert(HOST, host);
    }
    let named = named_in_connection(headers);
    for (name, value) in headers {
        let stays = is_hop_by_hop(name.as_str())
            || named.iter().any(|named| named.eq_ignore_ascii_case(name.as_str()))
            || stays_with_us(name)
            || lent.is_some() && is_credential(name)
            || holds_token(settings, &String::from_utf8_lossy(value.as_bytes()));
        if !stays {
            outgoing.append(name, value.clone());
        }
    }
    if is_websocket(headers) {
        outgoing.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        outgoing.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
    for (name, value) in lent.map(|key| lend(settings, headers, key)).unwrap_or_default() {
        outgoing.append(name, value);
    }
    outgoing
}

/// Takes away what is between the provider and this proxy alone, and, where it was lent, whatever repeats the key or a part
/// of it.
pub fn towards_caller(headers: &mut HeaderMap, lent: Option<&Secret>) {
    // The length of a message that comes in chunks is what the chunks say (RFC 9112, 6.3).
    if headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    }
    let named = named_in_connection(headers);
    let lent = lent.map(|key| (key, Mask::new([key.clone()])));
    let repeats_key = |name: &HeaderName, value: &HeaderValue| {
        lent.as_ref().is_some_and(|(key, mask)| {
            // A value may hold bytes beyond ASCII beside it.
            let value = String::from_utf8_lossy(value.as_bytes());
            // No body can be read without these, and a key may have `application` in it.
            let is_vital = [CONTENT_TYPE, CONTENT_ENCODING].contains(name);
            value.contains(key.expose()) || !is_vital && matches!(mask.name(&value), Cow::Owned(_))
        })
    };
    let stays = |(name, value): &(&HeaderName, &HeaderValue)| {
        is_hop_by_hop(name.as_str())
            || named.iter().any(|named| named.eq_ignore_ascii_case(name.as_str()))
            || stays_with_the_provider(name.as_str())
            || repeats_key(name, value)
    };
    let staying: Vec<HeaderName> =
        headers.iter().filter(stays).map(|(name, _)| name.clone()).collect();
    for name in staying {
        headers.remove(name);
    }
    let event_stream = |value: &HeaderValue| {
        let kind = value.as_bytes().get(..EVENT_STREAM.len());
        kind.is_some_and(|kind| kind.eq_ignore_ascii_case(EVENT_STREAM))
    };
    if headers.get(CONTENT_TYPE).is_some_and(event_stream) {
        headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    }
}

/// Drops the least needed headers until the platform carries the rest: the longest first, so that few have to go, and
/// never one that the caller cannot do without.
pub fn fit(headers: &mut HeaderMap) {
    let length =
        |name: &HeaderName, value: &HeaderValue| name.as_str().len() + ": \r\n".len() + value.len();
    let mut total: usize = headers.iter().map(|(name, value)| length(name, value)).sum();
    while total > BUDGET {
        let of_name = |name: &HeaderName| {
            headers.get_all(name).iter().map(|value| length(name, value)).sum::<usize>()
        };
        let droppable = headers
            .keys()
            .filter(|name| !is_needed(name))
            .map(|name| (of_name(name), name.clone()));
        let Some((longest, name)) = droppable.max_by_key(|(length, _)| *length) else { return };
        headers.remove(name);
        total -= longest;
    }
}

/// Refuses a body that is encoded for the way in a form that would be lost here: it has to come in chunks, and in nothing
/// but chunks.
pub fn transfer_coding(headers: &HeaderMap) -> Result<(), Failure> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(Failure::TransferCoding),
    }
}

/// Whether the caller asks to go over to WebSocket. Other protocols are not tunnelled.
pub fn is_websocket(headers: &HeaderMap) -> bool {
    let upgrades =
        || named_in_connection(headers).iter().any(|named| named.eq_ignore_ascii_case("upgrade"));
    headers
        .get(UPGRADE)
        .is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"))
        && upgrades()
}

/// The names in `Connection`: headers that are for the next hop alone (RFC 9110, 7.6.1).
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

/// What the platform, gateways and browsers add for this server, or about the caller. The platform puts live cloud
/// credentials into `x-scf-secret-*` where the function has a role.
fn stays_with_us(name: &HeaderName) -> bool {
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

/// What would act on this server's address in the caller's browser, or tells about the provider's own gateway.
fn stays_with_the_provider(name: &str) -> bool {
    name.starts_with("cf-")
        || name.starts_with("access-control-")
        || matches!(
            name,
            "set-cookie" | "alt-svc" | "strict-transport-security" | "nel" | "report-to" | "server"
        )
}

/// What the caller's client needs to read the body or to go on, and what was set here.
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
        Settings::read(|name| {
            vars.iter().find(|(var, _)| *var == name).map(|(_, value)| value.into())
        })
    }

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
            .collect()
    }

    fn shown(headers: &HeaderMap) -> Vec<(&str, &str)> {
        headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect()
    }

    #[track_caller]
    fn outgoing(lines: &[(&str, &str)], lent: bool, expected: &[(&str, &str)]) {
        let key = Secret::new("sk-server".into());
        let outgoing = towards_provider(&settings(), &headers(lines), lent.then_some(&key));
        let expected: Vec<_> =
            [("host", "api.example:8443")].iter().chain(expected).copied().collect();
        assert_eq!(shown(&outgoing), expected, "{lines:?}");
    }

    #[test]
    fn the_provider_gets_the_callers_headers_and_none_beside() {
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
        outgoing(&[&[("host", "fn.example")][..], &lines].concat(), false, &lines);
    }

    #[test]
    fn what_is_not_the_providers_business_stays() {
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
            outgoing(&[(name, "1")], false, &[]);
        }
        outgoing(
            &[("sec-websocket-key", "k"), ("sec-fetch-mode", "cors")],
            false,
            &[("sec-websocket-key", "k")],
        );
    }

    #[test]
    fn headers_named_in_connection_stay_and_nothing_set_after_does() {
        outgoing(
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
    fn no_token_of_ours_goes_anywhere() {
        outgoing(
            &[
                ("x-extra", "owner"),
                ("x-other", "a=public; b"),
                ("x-fine", "owners"),
                ("authorization", "Bearer owner"),
            ],
            true,
            &[("x-fine", "owners"), ("authorization", "Bearer sk-server")],
        );
        outgoing(&[("authorization", "Bearer own")], false, &[("authorization", "Bearer own")]);
    }

    #[test]
    fn bytes_beyond_ascii_hide_neither_token_nor_key() {
        let beside = |secret: &str| {
            HeaderValue::from_bytes(&[b"\xe9 ", secret.as_bytes()].concat()).unwrap()
        };
        let headers = HeaderMap::from_iter([(HeaderName::from_static("x-extra"), beside("owner"))]);
        assert!(!towards_provider(&settings(), &headers, None).contains_key("x-extra"));
        let mut headers =
            HeaderMap::from_iter([(HeaderName::from_static("x-extra"), beside("sk-server-key"))]);
        towards_caller(&mut headers, Some(&Secret::new("sk-server-key".into())));
        assert!(headers.is_empty());
    }

    #[test]
    fn a_websocket_keeps_its_upgrade_and_no_other_protocol_does() {
        outgoing(
            &[
                ("upgrade", "WebSocket"),
                ("connection", "keep-alive, Upgrade"),
                ("sec-websocket-version", "13"),
            ],
            false,
            &[("sec-websocket-version", "13"), ("connection", "upgrade"), ("upgrade", "websocket")],
        );
        outgoing(
            &[
                ("upgrade", "h2c"),
                ("connection", "upgrade, http2-settings"),
                ("http2-settings", "x"),
            ],
            false,
            &[],
        );
        outgoing(&[("upgrade", "websocket")], false, &[]);
    }

    #[test]
    fn a_body_comes_in_chunks_or_with_a_length() {
        let check = |lines: &[(&str, &str)]| transfer_coding(&headers(lines)).is_ok();
        assert!(check(&[]) && check(&[("transfer-encoding", "Chunked")]));
        assert!(!check(&[("transfer-encoding", "gzip, chunked")]));
        assert!(!check(&[("transfer-encoding", "gzip"), ("transfer-encoding", "chunked")]));
    }

    #[track_caller]
    fn incoming(lines: &[(&str, &str)], expected: &[(&str, &str)]) {
        let mut headers = headers(lines);
        towards_caller(&mut headers, Some(&Secret::new("sk-server-key".into())));
        let mut shown = shown(&headers);
        shown.sort_unstable();
        assert_eq!(shown, expected, "{lines:?}");
    }

    #[test]
    fn the_caller_gets_the_providers_headers_but_those_of_its_gateway() {
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
        incoming(&kept, &kept);
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
            incoming(&[(name, "1"), (name, "2")], &[]);
        }
        incoming(&[("connection", "x-hop"), ("x-hop", "1"), ("x-end", "2")], &[("x-end", "2")]);
        incoming(&[("transfer-encoding", "chunked"), ("content-length", "7")], &[]);
        incoming(&[("x-debug", "used sk-server"), ("x-end", "2")], &[("x-end", "2")]);
    }

    #[test]
    fn a_key_of_common_words_leaves_the_body_readable() {
        let key = Secret::new("my-application-key".into());
        let lines =
            [("content-type", "application/json"), ("x-note", "an application"), ("x-end", "2")];
        let mut headers = headers(&lines);
        towards_caller(&mut headers, Some(&key));
        assert_eq!(shown(&headers), [lines[0], lines[2]]);
    }

    #[test]
    fn an_event_stream_is_not_to_be_collected() {
        let stream = ("content-type", "text/event-stream; charset=utf-8");
        incoming(&[stream], &[stream, ("x-accel-buffering", "no")]);
    }

    #[test]
    fn the_headers_fit_and_the_needed_ones_are_there() {
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
        fit(&mut headers);
        let names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(headers.len(), lines.len() - 1, "{names:?}");
        assert!(!headers.contains_key("x-longer"));

        headers.insert("openai-longer", HeaderValue::from_str(&long.repeat(3)).unwrap());
        fit(&mut headers);
        assert!(headers.contains_key("openai-longer") && headers.contains_key("retry-after"));
        assert!(!headers.contains_key("x-long") && !headers.contains_key("x-short"));
    }
}
