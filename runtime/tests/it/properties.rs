//! Properties of generated events and replies.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Response;
use proptest::prelude::*;
use scf_runtime::http::{Event, envelope};
use serde_json::{Value, json};

/// Decoded names and values of a query.
fn pairs() -> impl Strategy<Value = BTreeMap<String, Vec<String>>> {
    prop::collection::btree_map(any::<String>(), prop::collection::vec(any::<String>(), 1..4), 0..5)
}

proptest! {
    #[test]
    fn query_survives_the_round_trip(pairs in pairs()) {
        let event = json!({"httpMethod": "GET", "queryString": pairs}).to_string();
        let Event::Http(request) = Event::read(event.into_bytes()) else {
            panic!("not an HTTP request")
        };
        let mut decoded = BTreeMap::<String, Vec<String>>::new();
        let query = request.uri().query().unwrap_or_default().as_bytes();
        for (name, value) in form_urlencoded::parse(query).into_owned() {
            decoded.entry(name).or_default().push(value);
        }
        prop_assert_eq!(decoded, pairs);
    }

    #[test]
    fn request_body_is_unchanged(bytes in any::<Vec<u8>>(), text in any::<String>()) {
        let body = |event: Value| match Event::read(event.to_string().into_bytes()) {
            Event::Http(request) => request.into_body(),
            other => panic!("{other:?}"),
        };
        let encoded = STANDARD.encode(&bytes);
        let encoded = json!({"httpMethod": "POST", "body": encoded, "isBase64Encoded": true});
        prop_assert_eq!(body(encoded), bytes);
        prop_assert_eq!(body(json!({"httpMethod": "POST", "body": &text})), text.as_bytes());
    }

    #[test]
    fn response_body_is_unchanged(text in any::<String>(), bytes in any::<Vec<u8>>()) {
        for body in [text.into_bytes(), bytes] {
            let envelope = envelope(Response::new(body.clone())).unwrap();
            let envelope: Value = serde_json::from_slice(&envelope).unwrap();
            let sent = envelope["body"].as_str().unwrap();
            let sent = match envelope["isBase64Encoded"] == true {
                true => STANDARD.decode(sent).unwrap(),
                false => sent.as_bytes().to_vec(),
            };
            prop_assert_eq!(sent, body);
        }
    }

    #[test]
    fn any_bytes_can_be_read(
        bytes in any::<Vec<u8>>(),
        json in "[{}\\[\\]\":,a-z0-9 ]{0,60}",
    ) {
        for bytes in [bytes, json.into_bytes()] {
            if let Event::Other(same) = Event::read(bytes.clone()) {
                prop_assert_eq!(same, bytes);
            }
        }
    }
}
