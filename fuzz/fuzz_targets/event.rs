//! An event of any bytes gets a reply that the platform reads; a query arrives as it was.

#![no_main]

use std::sync::LazyLock;

use ask_core::query::Query;
use ask_core::route::{receive, receive_event, receive_too_long};
use ask_core::{Received, Settings};
use libfuzzer_sys::fuzz_target;
use scf_ask_fuzz::{KEY, TOKEN, arrival, check_reply, reply, settings};
use scf_runtime::http::{Event, envelope};
use serde_json::{Map, Value};

static SETTINGS: LazyLock<[Settings; 2]> = LazyLock::new(|| {
    let key = ("OPENAI_API_KEY", KEY);
    [
        settings(&[key]),
        settings(&[
            key,
            ("ASK_PUBLIC_TOKEN", TOKEN),
            ("ASK_SIGNING_KEY", "0123456789abcdef"),
            ("ASK_SYSTEM_PROMPT", "Be brief."),
            ("ASK_ORIGINS", "https://page.example"),
            ("ASK_MAX_QUESTION", "20"),
        ]),
    ]
});

fuzz_target!(|bytes: &[u8]| {
    for settings in SETTINGS.iter() {
        let received = match Event::read(bytes.to_vec()) {
            Event::Http(request) => {
                check_query(bytes, request.uri().query().unwrap_or_default());
                assert!(
                    request.uri().authority().is_none() && request.uri().path().starts_with('/')
                );
                receive(settings, &request, arrival(false))
            }
            Event::TooLong(request) => {
                Received::Reply(receive_too_long(settings, &request, arrival(false)))
            }
            Event::Other(event) => {
                assert_eq!(event, bytes);
                receive_event(settings, &event, "id-1")
            }
            Event::Unreadable(why) => {
                assert!(!why.is_empty());
                receive_event(settings, b"", "id-1")
            }
        };
        let reply = reply(settings, received, "Yes: “null”.\r\n");
        check_reply(&reply);
        let (status, sent) = (reply.status(), reply.body().clone());
        let envelope = envelope(reply).expect("it is small");
        let envelope: Map<String, Value> =
            serde_json::from_slice(&envelope).expect("an envelope is JSON");
        let names: Vec<_> = envelope.keys().map(String::as_str).collect();
        assert_eq!(names, ["body", "headers", "isBase64Encoded", "statusCode"]);
        assert_eq!(envelope["statusCode"], status.as_u16());
        assert_eq!(envelope["isBase64Encoded"], false);
        assert_eq!(envelope["body"].as_str().map(str::as_bytes), Some(&sent[..]));
        assert!(
            envelope["headers"]
                .as_object()
                .is_some_and(|headers| headers.values().all(Value::is_string))
        );
    }
});

/// Names and values that arrived as texts are decoded to what they were.
fn check_query(event: &[u8], query: &str) {
    let Ok(Value::Object(event)) = serde_json::from_slice(event) else { return };
    let Some(Value::Object(pairs)) = event.get("queryString") else { return };
    let query = Query::parse(query.as_bytes()).expect("what arrived as text is text");
    for (name, value) in pairs {
        let values = match value {
            Value::Array(values) => values.iter().collect(),
            one => vec![one],
        };
        let texts: Vec<_> = values.into_iter().filter_map(Value::as_str).map(str::trim).collect();
        let texts: Vec<_> = texts.into_iter().filter(|text| !text.is_empty()).collect();
        let decoded: Vec<_> = query.all(name).collect();
        assert!(
            texts.iter().all(|text| decoded.contains(text)),
            "{name:?}: {texts:?} became {decoded:?}"
        );
    }
}
