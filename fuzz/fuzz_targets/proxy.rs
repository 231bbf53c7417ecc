//! A proxied request goes to the upstream alone, and neither side gets what belongs to the other.

#![no_main]

use std::sync::LazyLock;

use ask_core::Settings;
use ask_core::proxy::{
    KeySource, check_transfer_coding, filter_response_headers, trim_to_limit, upstream_path,
    upstream_request_headers,
};
use ask_core::settings::Secret;
use http::{HeaderMap, Uri};
use libfuzzer_sys::fuzz_target;
use scf_ask_fuzz::{KEY, TOKEN, holds_run, parse_request};

static SETTINGS: LazyLock<[Settings; 3]> = LazyLock::new(|| {
    let base_urls =
        ["https://api.example:8443/v1", "https://api.example", "https://api.example/api/paas/v4"];
    base_urls.map(|base_url| {
        Settings::from_pairs(&[
            ("OPENAI_API_KEY", KEY),
            ("OPENAI_BASE_URL", base_url),
            ("ASK_TOKEN", TOKEN),
            ("ASK_OWN_KEYS", "1"),
            ("ASK_PATHS", "/openai/,/v2beta"),
        ])
    })
});

/// Request headers for one hop, for this server, or about the client.
const DOWNSTREAM_ONLY: [&str; 26] = [
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "http2-settings",
    "x-scf-secret-id",
    "x-scf-secret-key",
    "x-scf-session-token",
    "x-fc-access-key-secret",
    "x-api-requestid",
    "x-b3-traceid",
    "endpoint-timeout",
    "x-forwarded-for",
    "x-forwarded-host",
    "forwarded",
    "x-real-ip",
    "via",
    "cookie",
    "origin",
    "referer",
    "expect",
    "sec-fetch-site",
    "x-ask-token",
];

/// Response headers for one hop, or about the upstream's own origin and gateway.
const UPSTREAM_ONLY: [&str; 8] = [
    "set-cookie",
    "alt-svc",
    "strict-transport-security",
    "nel",
    "report-to",
    "server",
    "cf-ray",
    "te",
];

fuzz_target!(|bytes: &[u8]| {
    let Some(request) = parse_request(bytes) else { return };
    let (path, headers) = (request.uri().path_and_query(), request.headers());
    let path = path.map_or("", |path| path.as_str());
    for settings in SETTINGS.iter() {
        check_path(path, settings);
        let _ = check_transfer_coding(headers);
        let Ok(source) = KeySource::from_headers(settings, headers) else { continue };
        let server_key = (source == KeySource::Server).then(|| &settings.keys[0]);
        check_request_headers(headers, settings, server_key);
        check_response_headers(headers.clone(), server_key);
    }
});

fn check_path(path: &str, settings: &Settings) {
    let base = settings.base_url.path.as_str();
    let Ok(mapped) = upstream_path(path, base, &settings.paths) else { return };
    let Ok(uri) = mapped.parse::<Uri>() else { return };
    assert!(uri.authority().is_none() && uri.scheme().is_none(), "{path} became {uri}");
    assert_eq!(uri.to_string(), mapped, "kept to the byte");
    assert_eq!(
        path.split_once('?').map(|(_, query)| query),
        mapped.split_once('?').map(|(_, query)| query)
    );
    let mapped = mapped.split('?').next().unwrap_or_default();
    let is_below = |prefix: &str| {
        mapped.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    // `OPTIONS *` concerns the server as a whole.
    let is_asterisk = base.is_empty() && mapped == "*";
    let is_listed = mapped.starts_with("/openai/") || is_below("/v2beta");
    assert!(is_below(base) || is_listed || is_asterisk, "{path} became {mapped}");
    let decoded = mapped.to_ascii_lowercase().replace("%2e", ".");
    let decoded = decoded.replace("%5c", "/").replace("%2f", "/").replace('\\', "/");
    assert!(
        decoded.split('/').all(|segment| segment != "." && segment != ".."),
        "{path} became {mapped}"
    );
}

fn check_request_headers(headers: &HeaderMap, settings: &Settings, server_key: Option<&Secret>) {
    let sent = upstream_request_headers(settings, headers, server_key);
    assert_eq!(sent.get_all("host").iter().count(), 1);
    assert_eq!(sent["host"], settings.base_url.authority.as_str());
    for name in DOWNSTREAM_ONLY {
        assert!(!sent.contains_key(name), "{name}");
    }
    let client_knows_key = headers.values().any(|value| contains(value.as_bytes(), KEY));
    for (name, value) in &sent {
        let name = name.as_str();
        let is_ours = ["host", "connection", "upgrade"].contains(&name);
        assert!(is_ours || headers.contains_key(name), "{name} was added");
        let text = String::from_utf8_lossy(value.as_bytes());
        assert!(!text.split([' ', ',']).any(|word| word == TOKEN), "{name}: {text}");
        let is_credential = ["authorization", "api-key", "sec-websocket-protocol"].contains(&name);
        let may_hold_key = client_knows_key || is_credential && server_key.is_some();
        assert!(may_hold_key || !text.contains(KEY), "{name}: {text}");
    }
}

fn check_response_headers(mut headers: HeaderMap, server_key: Option<&Secret>) {
    let before = headers.clone();
    filter_response_headers(&mut headers, server_key);
    trim_to_limit(&mut headers);
    for name in UPSTREAM_ONLY {
        assert!(!headers.contains_key(name), "{name}");
    }
    for (name, value) in &headers {
        assert!(!name.as_str().starts_with("access-control-"), "{name}");
        assert!(before.contains_key(name) || name == "x-accel-buffering", "{name} was added");
        // The type and the coding of a body are needed to read it.
        let is_vital = ["content-type", "content-encoding"].contains(&name.as_str());
        let max_run = if is_vital { KEY.len() } else { 8 };
        let text = String::from_utf8_lossy(value.as_bytes());
        assert!(server_key.is_none() || !holds_run(&text, KEY, max_run), "{name}: {text}");
    }
    // A client needs `Retry-After`. It is dropped only if `Connection` names it.
    let is_named = before
        .get_all("connection")
        .iter()
        .any(|value| contains(&value.as_bytes().to_ascii_lowercase(), "retry-after"));
    let values = |headers: &HeaderMap| headers.get_all("retry-after").iter().count();
    assert!(is_named || values(&headers) == values(&before));
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
