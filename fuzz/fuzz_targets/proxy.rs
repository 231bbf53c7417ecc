//! What the proxy makes of any request never leads to another host, and carries nothing that was to stay here.

#![no_main]

use std::sync::LazyLock;

use ask_core::Settings;
use ask_core::proxy::{
    Grant, fit, provider_path, towards_caller, towards_provider, transfer_coding,
};
use ask_core::secret::Secret;
use http::{HeaderMap, Uri};
use libfuzzer_sys::fuzz_target;
use scf_ask_fuzz::{KEY, TOKEN, request, settings};

static SETTINGS: LazyLock<[Settings; 3]> = LazyLock::new(|| {
    let with = |base_url: &str| {
        settings(&[
            ("OPENAI_API_KEY", KEY),
            ("OPENAI_BASE_URL", base_url),
            ("ASK_TOKEN", TOKEN),
            ("ASK_OWN_KEYS", "1"),
            ("ASK_PATHS", "/openai/,/v2beta"),
        ])
    };
    [
        with("https://api.example:8443/v1"),
        with("https://api.example"),
        with("https://api.example/api/paas/v4"),
    ]
});

/// Headers that are for one hop, for this server alone, or about the caller.
const STRIPPED: [&str; 26] = [
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

fuzz_target!(|bytes: &[u8]| {
    let Some(request) = request(bytes) else { return };
    let (path, headers) = (request.uri().path_and_query(), request.headers());
    let path = path.map_or("", |path| path.as_str());
    for settings in SETTINGS.iter() {
        check_path(path, settings);
        let _ = transfer_coding(headers);
        let Ok(grant) = Grant::of(settings, headers) else { continue };
        let lent = (grant == Grant::Lent).then(|| &settings.keys[0]);
        check_towards_provider(headers, settings, lent);
        check_towards_caller(headers.clone(), lent);
    }
});

fn check_path(path: &str, settings: &Settings) {
    let base = settings.base_url.path.as_str();
    let Ok(mapped) = provider_path(path, base, &settings.paths) else { return };
    let Ok(uri) = mapped.parse::<Uri>() else { return };
    assert!(uri.authority().is_none() && uri.scheme().is_none(), "{path} leads to {uri}");
    assert_eq!(uri.to_string(), mapped, "kept to the byte");
    assert_eq!(
        path.split_once('?').map(|(_, query)| query),
        mapped.split_once('?').map(|(_, query)| query)
    );
    let mapped = mapped.split('?').next().unwrap_or_default();
    let below = |prefix: &str| {
        mapped.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    // `OPTIONS *` is for the server as a whole.
    let asterisk = base.is_empty() && mapped == "*";
    let listed = mapped.starts_with("/openai/") || below("/v2beta");
    assert!(below(base) || listed || asterisk, "{path} leads to {mapped}");
    let plain =
        mapped.replace("%2e", ".").replace("%2E", ".").replace("%5c", "\\").replace("%5C", "\\");
    let plain = plain.replace("%2f", "/").replace("%2F", "/").replace('\\', "/");
    assert!(
        plain.split('/').all(|segment| segment != "." && segment != ".."),
        "{path} climbs to {mapped}"
    );
}

fn check_towards_provider(headers: &HeaderMap, settings: &Settings, lent: Option<&Secret>) {
    let sent = towards_provider(settings, headers, lent);
    assert_eq!(sent.get_all("host").iter().count(), 1);
    assert_eq!(sent["host"], settings.base_url.authority.as_str());
    for name in STRIPPED {
        assert!(!sent.contains_key(name), "{name}");
    }
    for (name, value) in &sent {
        let name = name.as_str();
        let ours = ["host", "connection", "upgrade"].contains(&name);
        let credential = ["authorization", "api-key", "sec-websocket-protocol"].contains(&name);
        let value = String::from_utf8_lossy(value.as_bytes());
        assert!(ours || headers.contains_key(name), "{name} was added");
        // The one place for a key, and none for a token.
        assert!(!value.split([' ', ',']).any(|word| word == TOKEN), "{name}: {value}");
        let holds_key = value.contains(KEY)
            && !headers.values().any(|value| {
                value.as_bytes().windows(KEY.len()).any(|window| window == KEY.as_bytes())
            });
        assert!(!holds_key || credential && lent.is_some(), "{name}: {value}");
    }
}

fn check_towards_caller(mut headers: HeaderMap, lent: Option<&Secret>) {
    let needed = headers.get_all("retry-after").iter().cloned().collect::<Vec<_>>();
    let before = headers.clone();
    towards_caller(&mut headers, lent);
    fit(&mut headers);
    for name in [
        "set-cookie",
        "alt-svc",
        "strict-transport-security",
        "nel",
        "report-to",
        "server",
        "cf-ray",
        "te",
    ] {
        assert!(!headers.contains_key(name), "{name}");
    }
    for (name, value) in &headers {
        assert!(!name.as_str().starts_with("access-control-"), "{name}");
        assert!(before.contains_key(name) || name == "x-accel-buffering", "{name} was added");
        let key = value.as_bytes().windows(KEY.len()).any(|window| window == KEY.as_bytes());
        assert!(!key || lent.is_none(), "{name}: {value:?}");
    }
    let named = before.get_all("connection").iter().any(|value| {
        value.as_bytes().to_ascii_lowercase().windows(11).any(|window| window == b"retry-after")
    });
    let left: Vec<_> = headers.get_all("retry-after").iter().cloned().collect();
    assert!(left == needed || named || left.is_empty() && lent.is_some());
}
