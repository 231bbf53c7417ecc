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
