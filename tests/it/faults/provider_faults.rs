//! Every failure of a provider's that the caller is told of, each where it can happen.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::door::End;
use super::provider::{Fault, bytes};
use super::{ANSWER, Expected, FAILED, LATE, UNREACHABLE};
use crate::support::{Act, chunked, failing, json_reply, reply};

/// One of them, and what becomes of it: one of these, where it is a matter of luck.
pub(super) struct ProviderRow {
    pub(super) name: &'static str,
    pub(super) fault: Fault,
    pub(super) expected: &'static [Expected],
}

impl ProviderRow {
    /// What is asked, long enough for a request that is not read to the end.
    pub(super) fn question(&self) -> String {
        if let Fault::Early(_) = self.fault {
            "a".repeat(1_500_000)
        } else {
            "What is Rust?".into()
        }
    }
}

const REFUSED: &[Expected] = &[(502, "upstream_refused")];
const FILTERED: &[Expected] = &[(502, "answer_filtered")];
/// It goes while it is opened, or right after.
const LOST: &[Expected] = &[UNREACHABLE, FAILED];

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";

/// All of them. The first is none.
pub(super) static PROVIDERS: LazyLock<Vec<ProviderRow>> = LazyLock::new(|| {
    let completion =
        || json!({"choices": [{"message": {"content": "Yes."}, "finish_reason": "stop"}]});
    let choice = |choice: Value| Fault::Says(bytes(json_reply(200, &json!({"choices": [choice]}))));
    let says = |turn: Vec<Act>| Fault::Says(bytes(turn));
    let breaks = |text: String, end| Fault::Breaks(text.into_bytes(), end);
    let whole = completion().to_string();
    let sized = |more: usize| format!("{OK}content-length: {}\r\n\r\n{whole}", whole.len() + more);
    let half =
        || format!("{OK}content-length: {}\r\n\r\n{}", whole.len(), &whole[..whole.len() / 2]);
    let unended = {
        let chunks = chunked(whole.as_bytes(), 20);
        let last = chunks.len() - b"0\r\n\r\n".len();
        [format!("{OK}transfer-encoding: chunked\r\n\r\n").as_bytes(), &chunks[..last]].concat()
    };
    let half_head = || OK[..OK.len() - 8].to_owned();
    let html = "<html>Bad gateway</html>";
    let region = "unsupported_country_region_territory";
    let certificate = |stranger, expired, name| Fault::Certificate { stranger, expired, name };

    let rows: Vec<(&'static str, Fault, &'static [Expected])> = vec![
        ("well", Fault::None, &[ANSWER]),
        // At connect.
        ("refuses", Fault::Refuses, &[UNREACHABLE]),
        ("takes no connection", Fault::Full, &[LATE]),
        ("closes at connect", Fault::Taken(End::Closes), LOST),
        ("resets at connect", Fault::Taken(End::Resets), LOST),
        // In TLS.
        ("certificate of a stranger", certificate(true, false, None), &[UNREACHABLE]),
        ("certificate of old", certificate(false, true, None), &[UNREACHABLE]),
        (
            "certificate of another name",
            certificate(false, false, Some("elsewhere.example")),
            &[UNREACHABLE],
        ),
        (
            "garbage in the handshake",
            Fault::Handshake(Some(b"HTTP/1.1 400 Bad\r\n\r\n"), End::Closes),
            &[UNREACHABLE],
        ),
        ("closes in the handshake", Fault::Handshake(None, End::Closes), &[UNREACHABLE]),
        ("resets in the handshake", Fault::Handshake(None, End::Resets), &[UNREACHABLE]),
        ("silent in the handshake", Fault::Handshake(None, End::Silent), &[LATE]),
        ("silent from the first byte of TLS", Fault::Handshake(Some(b""), End::Silent), &[LATE]),
        // Before headers.
        ("closes before headers", breaks(String::new(), End::Closes), &[FAILED]),
        ("resets before headers", breaks(String::new(), End::Resets), &[FAILED]),
        ("silent before headers", breaks(String::new(), End::Silent), &[LATE]),
        // The same, and then it is well: it is asked again.
        ("closes once", Fault::BreaksOnce(Vec::new(), End::Closes), &[ANSWER]),
        ("resets once", Fault::BreaksOnce(Vec::new(), End::Resets), &[ANSWER]),
        ("503 once", Fault::BreaksOnce(bytes(reply(503, &[], "")), End::Closes), &[ANSWER]),
        // In headers.
        ("closes in headers", breaks(half_head(), End::Closes), &[FAILED]),
        ("resets in headers", breaks(half_head(), End::Resets), &[FAILED]),
        ("silent in headers", breaks(half_head(), End::Silent), &[LATE]),
        (
            "garbage for headers",
            breaks("SSH-2.0-OpenSSH_9.2\r\n\r\n".into(), End::Closes),
            &[FAILED],
        ),
        (
            "headers too large",
            breaks(format!("{OK}x: {}", "a".repeat(200_000)), End::Closes),
            &[FAILED],
        ),
        // In the body.
        ("closes in the body", breaks(half(), End::Closes), &[FAILED]),
        ("resets in the body", breaks(half(), End::Resets), &[FAILED]),
        ("silent in the body", breaks(half(), End::Silent), &[LATE]),
        ("trickles", Fault::Trickles("HTTP/1.1 200 OK\r\n\r\n{\"choices\":"), &[LATE]),
        ("no JSON", says(reply(200, &["content-type: text/html"], html)), &[FAILED]),
        // At the last byte.
        ("closes before the last byte", breaks(sized(1), End::Closes), &[FAILED]),
        ("resets before the last byte", breaks(sized(1), End::Resets), &[FAILED]),
        ("silent before the last byte", breaks(sized(1), End::Silent), &[LATE]),
        ("closes before the last chunk", Fault::Breaks(unended.clone(), End::Closes), &[FAILED]),
        ("resets before the last chunk", Fault::Breaks(unended.clone(), End::Resets), &[FAILED]),
        ("silent before the last chunk", Fault::Breaks(unended, End::Silent), &[LATE]),
        (
            "resets where the end is the length",
            breaks(format!("{OK}\r\n{}", &whole[..whole.len() / 2]), End::Resets),
            &[FAILED],
        ),
        // What it says itself.
        ("401", says(failing(401, "invalid_api_key", "no")), &[(502, "upstream_key")]),
        ("403 region", says(failing(403, region, "no")), &[(502, "upstream_region")]),
        ("404 model", says(failing(404, "model_not_found", "no")), &[(502, "upstream_model")]),
        ("404 path", says(reply(404, &[], html)), REFUSED),
        ("429 rate", says(reply(429, &["retry-after: 61"], "")), &[(429, "upstream_busy")]),
        ("429 quota", says(failing(429, "insufficient_quota", "no")), &[(502, "upstream_quota")]),
        ("400", says(failing(400, "", "too hot")), REFUSED),
        ("400 filter", says(failing(400, "content_filter", "no")), FILTERED),
        ("413", says(reply(413, &[], "")), REFUSED),
        ("413 unread", Fault::Early(bytes(reply(413, &["connection: close"], ""))), REFUSED),
        ("302", says(reply(302, &["location: http://127.0.0.1:1/"], "")), REFUSED),
        ("500", says(json_reply(500, &json!({"error": {"message": "oops"}}))), &[FAILED]),
        ("503", says(reply(503, &[], "")), &[FAILED]),
        (
            "503 half",
            breaks("HTTP/1.1 503 x\r\ncontent-length: 9\r\n\r\n{".into(), End::Closes),
            &[FAILED],
        ),
        (
            "filtered",
            choice(json!({"message": {"content": ""}, "finish_reason": "content_filter"})),
            FILTERED,
        ),
        ("empty", choice(json!({"message": {"content": null}})), &[(502, "answer_empty")]),
        (
            "too large",
            choice(json!({"message": {"content": "a".repeat(6_300_000)}})),
            &[(502, "answer_too_large")],
        ),
    ];
    rows.into_iter().map(|(name, fault, expected)| ProviderRow { name, fault, expected }).collect()
});
