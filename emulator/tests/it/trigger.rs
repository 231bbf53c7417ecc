//! HTTP requests as events, and replies as HTTP responses.

use crate::support::{Package, get};

#[test]
fn an_envelope_becomes_the_response() {
    let package = Package::replying(
        r#"{"isBase64Encoded": false, "statusCode": 201, "headers": {"content-type": "text/plain"}, "body": "hello"}"#,
    );
    let emulator = package.start();
    let response = get(&emulator, "/");
    assert_eq!((response.status, response.text()), (201, "hello"));
    assert!(response.head.contains("content-type: text/plain\r\n"), "{}", response.head);
}

#[test]
fn json_without_a_status_is_a_success_and_keeps_its_bytes() {
    let package = Package::replying(r#"{"text":  "hello"}"#);
    let emulator = package.start();
    let response = get(&emulator, "/");
    assert_eq!((response.status, response.text()), (200, r#"{"text":  "hello"}"#));
    assert!(response.head.contains("content-type: application/json\r\n"), "{}", response.head);
}

#[test]
fn a_function_url_makes_the_documented_event() {
    let package = Package::bash("ready\nwhile next; do reply \"$event\"; done");
    let emulator = package.start();
    let event = get(&emulator, "/a%20b?q=%E4%BD%A0+x&flag&t=1&t=2").json();
    assert_eq!(event["path"], "/a%20b");
    assert_eq!(event["httpMethod"], "GET");
    assert_eq!(event["body"], "");
    assert_eq!(event["queryString"], serde_json::json!({"q": "你 x", "flag": true, "t": ["1", "2"]}));
    assert_eq!(event["headers"]["x-scf-remote-addr"], "127.0.0.1");
    assert!(event.get("requestContext").is_none() && event.get("isBase64Encoded").is_none());
}
