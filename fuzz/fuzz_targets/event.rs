//! An event of any bytes has a reply that the platform can read, and its query is unchanged.

#![no_main]

use std::sync::LazyLock;

use ask_core::query::Query;
use ask_core::{AskRequest, Settings};
use libfuzzer_sys::fuzz_target;
use scf_ask_fuzz::{KEY, TOKEN, check_response, context, respond};
use scf_runtime::http::{Event, envelope};
use serde_json::{Map, Value};

static SETTINGS: LazyLock<[Settings; 2]> = LazyLock::new(|| {
    let key = ("OPENAI_API_KEY", KEY);
    [
        Settings::from_pairs(&[key]),
        Settings::from_pairs(&[
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
        let context = context(false);
        let ask = match Event::read(bytes.to_vec()) {
            Event::Http(request) => {
                let uri = request.uri();
                check_query(bytes, uri.query().unwrap_or_default());
                assert!(uri.authority().is_none() && uri.path().starts_with('/'));
                AskRequest::from_request(settings, &request, context)
            }
            Event::TooLong(request) => {
                Err(Box::new(AskRequest::reject_long_query(settings, &request, context)))
            }
            Event::Other(event) => {
                assert_eq!(event, bytes);
                AskRequest::from_event(settings, &event, context.request_id)
            }
            Event::Unreadable { event, error } => {
                assert!(event == bytes && !error.is_empty());
                AskRequest::from_event(settings, b"", context.request_id)
            }
        };
        let response = respond(settings, ask, "Yes: “null”.\r\n");
        check_response(&response);
        let (status, body) = (response.status(), response.body().clone());
        let envelope = envelope(response).expect("the envelope is small");
        let envelope: Map<String, Value> =
            serde_json::from_slice(&envelope).expect("an envelope is JSON");
        let names: Vec<_> = envelope.keys().map(String::as_str).collect();
        assert_eq!(names, ["body", "headers", "isBase64Encoded", "statusCode"]);
        assert_eq!(envelope["statusCode"], status.as_u16());
        assert_eq!(envelope["isBase64Encoded"], false);
        assert_eq!(envelope["body"].as_str().map(str::as_bytes), Some(&body[..]));
        let headers = envelope["headers"].as_object().expect("headers are an object");
        assert!(headers.values().all(Value::is_string));
    }
});

/// Checks that the texts of an event's query are decoded to themselves.
fn check_query(event: &[u8], query: &str) {
    let Ok(Value::Object(event)) = serde_json::from_slice(event) else { return };
    let Some(Value::Object(pairs)) = event.get("queryString") else { return };
    let query = Query::parse(query.as_bytes()).expect("texts are UTF-8");
    for (name, value) in pairs {
        let values = match value {
            Value::Array(values) => values.iter().collect(),
            single => vec![single],
        };
        let texts = values.into_iter().filter_map(Value::as_str).map(str::trim);
        let texts: Vec<_> = texts.filter(|text| !text.is_empty()).collect();
        let decoded: Vec<_> = query.all(name).collect();
        assert!(
            texts.iter().all(|text| decoded.contains(text)),
            "{name:?}: {texts:?} became {decoded:?}"
        );
    }
}
