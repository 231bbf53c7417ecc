//! The faults of the upstream, each at every place where it can happen.

use std::sync::LazyLock;

use serde_json::{Value, json};
use testkit::Disconnect::{Close, Hold, Reset};
use testkit::chat;
use testkit::http::{chunked, response};

use super::upstream::Fault;
use super::{ANSWER, Expected, FAILED, LATE, UNREACHABLE};

/// A fault, and the replies that may come of it.
pub(super) struct UpstreamRow {
    pub(super) name: &'static str,
    pub(super) fault: Fault,
    pub(super) expected: &'static [Expected],
}

impl UpstreamRow {
    /// The question: long enough not to be sent whole to an upstream that does not read it.
    pub(super) fn question(&self) -> String {
        match self.fault {
            Fault::RepliesEarly(_) => "a".repeat(1_500_000),
            _ => "What is Rust?".into(),
        }
    }
}

const REFUSED: &[Expected] = &[(502, "upstream_refused")];
const FILTERED: &[Expected] = &[(502, "answer_filtered")];
/// The connection is lost while it is opened or right after.
const LOST: &[Expected] = &[UNREACHABLE, FAILED];

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";

/// All rows. The first one has no fault.
pub(super) static UPSTREAM_ROWS: LazyLock<Vec<UpstreamRow>> = LazyLock::new(|| {
    let choice = |choice: Value| Fault::Replies(chat::choice(choice));
    let cuts = |text: String, disconnect| Fault::Cuts(text.into_bytes(), disconnect);
    let replies = Fault::Replies;
    let yes = json!({"message": {"content": "Yes."}, "finish_reason": "stop"});
    let whole = json!({"choices": [yes]}).to_string();
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
    let certificate = |foreign, expired, name| Fault::Certificate { foreign, expired, name };

    let rows: Vec<(&'static str, Fault, &'static [Expected])> = vec![
        ("none", Fault::None, &[ANSWER]),
        // At connect.
        ("refuses", Fault::Refuses, &[UNREACHABLE]),
        ("stalls at connect", Fault::Stalls, &[LATE]),
        ("closes at connect", Fault::Accepts(Close), LOST),
        ("resets at connect", Fault::Accepts(Reset), LOST),
        // In TLS.
        ("certificate of another authority", certificate(true, false, None), &[UNREACHABLE]),
        ("expired certificate", certificate(false, true, None), &[UNREACHABLE]),
        (
            "certificate for another name",
            certificate(false, false, Some("elsewhere.example")),
            &[UNREACHABLE],
        ),
        (
            "garbage in the handshake",
            Fault::Handshake(Some(b"HTTP/1.1 400 Bad\r\n\r\n"), Close),
            &[UNREACHABLE],
        ),
        ("closes in the handshake", Fault::Handshake(None, Close), &[UNREACHABLE]),
        ("resets in the handshake", Fault::Handshake(None, Reset), &[UNREACHABLE]),
        ("silent in the handshake", Fault::Handshake(None, Hold), &[LATE]),
        ("silent from the first TLS byte", Fault::Handshake(Some(b""), Hold), &[LATE]),
        // Before the headers.
        ("closes before headers", cuts(String::new(), Close), &[FAILED]),
        ("resets before headers", cuts(String::new(), Reset), &[FAILED]),
        ("silent before headers", cuts(String::new(), Hold), &[LATE]),
        // The same once: it is retried.
        ("closes once", Fault::CutsOnce(Vec::new(), Close), &[ANSWER]),
        ("resets once", Fault::CutsOnce(Vec::new(), Reset), &[ANSWER]),
        ("503 once", Fault::CutsOnce(response(503, &[], ""), Close), &[ANSWER]),
        // Within the headers.
        ("closes in headers", cuts(half_head(), Close), &[FAILED]),
        ("resets in headers", cuts(half_head(), Reset), &[FAILED]),
        ("silent in headers", cuts(half_head(), Hold), &[LATE]),
        (
            "garbage instead of headers",
            cuts("SSH-2.0-OpenSSH_9.2\r\n\r\n".into(), Close),
            &[FAILED],
        ),
        ("headers too large", cuts(format!("{OK}x: {}", "a".repeat(200_000)), Close), &[FAILED]),
        // Within the body.
        ("closes in the body", cuts(half(), Close), &[FAILED]),
        ("resets in the body", cuts(half(), Reset), &[FAILED]),
        ("silent in the body", cuts(half(), Hold), &[LATE]),
        ("trickles", Fault::Trickles("HTTP/1.1 200 OK\r\n\r\n{\"choices\":"), &[LATE]),
        (
            "HTML instead of JSON",
            replies(response(200, &["content-type: text/html"], html)),
            &[FAILED],
        ),
        // Behind the end of the JSON, which makes the answer complete.
        ("closes before the last byte", cuts(sized(1), Close), &[ANSWER]),
        ("resets before the last byte", cuts(sized(1), Reset), &[ANSWER]),
        ("silent before the last byte", cuts(sized(1), Hold), &[ANSWER]),
        ("closes before the last chunk", Fault::Cuts(unended.clone(), Close), &[ANSWER]),
        ("resets before the last chunk", Fault::Cuts(unended.clone(), Reset), &[ANSWER]),
        ("silent before the last chunk", Fault::Cuts(unended, Hold), &[ANSWER]),
        (
            "resets a body that ends with EOF",
            cuts(format!("{OK}\r\n{}", &whole[..whole.len() / 2]), Reset),
            &[FAILED],
        ),
        // Complete replies.
        ("401", replies(chat::error(401, "invalid_api_key", "no")), &[(502, "upstream_key")]),
        ("403 region", replies(chat::error(403, region, "no")), &[(502, "upstream_region")]),
        (
            "404 model",
            replies(chat::error(404, "model_not_found", "no")),
            &[(502, "upstream_model")],
        ),
        ("404 path", replies(response(404, &[], html)), REFUSED),
        ("429 rate", replies(response(429, &["retry-after: 61"], "")), &[(429, "upstream_busy")]),
        (
            "429 quota",
            replies(chat::error(429, "insufficient_quota", "no")),
            &[(502, "upstream_quota")],
        ),
        ("400", replies(chat::error(400, "", "too hot")), REFUSED),
        ("400 filter", replies(chat::error(400, "content_filter", "no")), FILTERED),
        ("413", replies(response(413, &[], "")), REFUSED),
        (
            "413 before the request is read",
            Fault::RepliesEarly(response(413, &["connection: close"], "")),
            REFUSED,
        ),
        ("302", replies(response(302, &["location: http://127.0.0.1:1/"], "")), REFUSED),
        ("500", replies(chat::error(500, "", "oops")), &[FAILED]),
        ("503", replies(response(503, &[], "")), &[FAILED]),
        ("503 cut", cuts("HTTP/1.1 503 x\r\ncontent-length: 9\r\n\r\n{".into(), Close), &[FAILED]),
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
    rows.into_iter().map(|(name, fault, expected)| UpstreamRow { name, fault, expected }).collect()
});
