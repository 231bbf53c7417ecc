//! A provider's reply of any bytes is an answer or a failure, and neither holds anything of the key.

#![no_main]

use std::sync::LazyLock;

use ask_core::Settings;
use ask_core::completion::read;
use ask_core::lang::Lang;
use ask_core::reply::Caller;
use ask_core::shape::Shape;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue, StatusCode};
use libfuzzer_sys::fuzz_target;
use scf_ask_fuzz::{KEY, check_reply, gives_away, holds_run, settings};

static SETTINGS: LazyLock<Settings> = LazyLock::new(|| settings(&[("OPENAI_API_KEY", KEY)]));

// The first line is the status and, after a blank, a Retry-After; what follows is the body.
fuzz_target!(|bytes: &[u8]| {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return };
    let (head, body) = (&bytes[..end], &bytes[end + 1..]);
    let mut words = head.splitn(2, |byte| *byte == b' ');
    let status = StatusCode::from_bytes(words.next().unwrap_or_default()).unwrap_or(StatusCode::OK);
    let mut headers = HeaderMap::new();
    if let Some(after) = words.next().and_then(|after| HeaderValue::from_bytes(after).ok()) {
        headers.insert(RETRY_AFTER, after);
    }
    let read = read(status, &headers, body, &SETTINGS.mask());
    for shape in [Shape::Text, Shape::Json, Shape::Sse, Shape::Ndjson] {
        for lang in [Lang::En, Lang::Zh] {
            let caller = Caller { lang, shape, cors: HeaderMap::new(), request_id: "id-1".into() };
            let (reply, text) = match &read {
                Ok(answer) => {
                    assert_eq!(status, StatusCode::OK);
                    assert!(!answer.text.trim().is_empty());
                    (caller.answer(answer.clone(), "m"), Some(&answer.text))
                }
                Err(refusal) => (caller.failure(&refusal.failure), None),
            };
            assert_eq!(reply.status().is_success(), text.is_some());
            check_reply(&reply);
            // A name may share a word with a key.
            for value in reply.headers().values() {
                assert!(
                    !holds_run(&String::from_utf8_lossy(value.as_bytes()), KEY, 8),
                    "{value:?}"
                );
            }
            // The answer itself is the model's, and unchanged.
            match (text, shape) {
                (Some(text), Shape::Text) => assert_eq!(reply.body(), text.as_bytes()),
                (Some(text), _) if holds_run(text, KEY, 8) => {}
                (Some(_), _) => assert!(!holds_run(&String::from_utf8_lossy(reply.body()), KEY, 8)),
                (None, _) => assert!(!gives_away(&String::from_utf8_lossy(reply.body()), KEY)),
            }
        }
    }
});
