//! Content negotiation: the weighted lists of `Accept…` headers, and the media type of a body.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName};

/// Returns the supported member of an `Accept…` header with the highest weight.
///
/// The first of equals wins. `supported` gets each member without its parameters. A weight of 0
/// means "not acceptable" (RFC 9110, 12.4.2).
pub(crate) fn preferred<T>(
    headers: &HeaderMap,
    name: HeaderName,
    supported: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    let mut best = None;
    let mut highest = 0.0;
    for member in values.flat_map(|value| value.split(',')) {
        let mut parts = member.split(';').map(str::trim);
        let Some(found) = parts.next().and_then(&supported) else { continue };
        let weight =
            parts.find_map(|parameter| parameter.strip_prefix(['q', 'Q'])?.strip_prefix('='));
        let weight = weight.map_or(1.0, |weight| weight.trim().parse().unwrap_or(0.0));
        if weight > highest {
            highest = weight;
            best = Some(found);
        }
    }
    best
}

/// Returns whether a media type is JSON.
pub(crate) fn is_json(media_type: &str) -> bool {
    matches!(media_type, "application/json" | "text/json")
}

/// Returns the media type of the body in lower case, without parameters.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let media_type = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    (!media_type.is_empty()).then_some(media_type)
}
