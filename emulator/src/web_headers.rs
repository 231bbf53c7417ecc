//! Headers between a client and a Web function.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{
    environment::{APPID, UIN},
    settings::{Function, Limits},
};

/// Headers that belong to one connection (RFC 9110, 7.6.1).
const HOP_BY_HOP: [HeaderName; 6] = [
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Removes the headers that belong to one connection. Those of an upgrade stay.
pub(crate) fn end_to_end(mut headers: HeaderMap, is_upgrade: bool) -> HeaderMap {
    let upgrade = headers.get(header::UPGRADE).cloned().filter(|_| is_upgrade);
    let listed: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in listed.iter().chain(&HOP_BY_HOP).chain([&header::CONNECTION]) {
        headers.remove(name);
    }
    if let Some(upgrade) = upgrade {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, upgrade);
    }
    headers
}

/// Sets the headers that the platform adds
/// (<https://cloud.tencent.com/document/product/583/56124>), and drops the client's own.
pub(crate) fn add_platform_headers(
    headers: &mut HeaderMap,
    function: &Function,
    limits: Limits,
    request_id: &str,
    peer: IpAddr,
) {
    let is_platform = |name: &&HeaderName| name.as_str().starts_with("x-scf-");
    let forged: Vec<_> = headers.keys().filter(is_platform).cloned().collect();
    for name in forged {
        headers.remove(name);
    }
    let values = [
        ("x-scf-appid", APPID.to_owned()),
        ("x-scf-memory", limits.memory_mb.to_string()),
        ("x-scf-name", function.name.clone()),
        ("x-scf-namespace", function.namespace.clone()),
        ("x-scf-region", function.region.clone()),
        ("x-scf-remote-addr", peer.to_string()),
        ("x-scf-request-id", request_id.to_owned()),
        ("x-scf-timeout", limits.time.as_millis().to_string()),
        ("x-scf-uin", UIN.to_owned()),
        ("x-scf-version", "$LATEST".to_owned()),
    ];
    for (name, value) in values {
        // A name that no header can hold is left out.
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

/// Returns the size of headers on the wire, in bytes.
pub(crate) fn size(headers: &HeaderMap) -> usize {
    // Each line has a colon, a space, CR and LF.
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}
