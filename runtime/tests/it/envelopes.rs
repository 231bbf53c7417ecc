//! Envelopes for Function URLs and API Gateway.

use http::Response;
use http::response::Builder;
use scf_runtime::http::{MAX_REPLY, TooLarge, envelope};

#[track_caller]
fn check(response: Builder, body: impl AsRef<[u8]>, expected: &str) {
    let response = response.body(body.as_ref().to_vec()).unwrap();
    let envelope = envelope(response).unwrap();
    assert_eq!(String::from_utf8(envelope).unwrap(), expected);
}

#[test]
fn envelope_has_all_members() {
    check(
        Response::builder(),
        "",
        r#"{"isBase64Encoded":false,"statusCode":200,"headers":{},"body":""}"#,
    );
    check(
        Response::builder().status(404).header("Content-Type", "text/plain"),
        "没有\n\"",
        concat!(
            r#"{"isBase64Encoded":false,"statusCode":404,"#,
            r#""headers":{"content-type":"text/plain"},"body":"没有\n\""}"#
        ),
    );
}

#[test]
fn repeated_header_becomes_an_array() {
    check(
        Response::builder()
            .header("set-cookie", "a=1")
            .header("set-cookie", "b=2")
            .header("set-cookie", "c=3"),
        "",
        concat!(
            r#"{"isBase64Encoded":false,"statusCode":200,"#,
            r#""headers":{"set-cookie":["a=1","b=2","c=3"]},"body":""}"#
        ),
    );
}

#[test]
fn non_utf8_body_becomes_base64() {
    check(
        Response::builder().header("x", &b"\xe9"[..]),
        b"\xff\x00\xfe\x01",
        r#"{"isBase64Encoded":true,"statusCode":200,"headers":{"x":"�"},"body":"/wD+AQ=="}"#,
    );
}

#[test]
fn limit_applies_to_the_whole_envelope() {
    let overhead = envelope(Response::new(Vec::new())).unwrap().len();
    let max_body = MAX_REPLY - overhead;
    // `true` is one byte shorter than `false`.
    let base64 = (max_body + 1) / 4 * 4 + 4;
    assert_eq!(
        envelope(Response::new(vec![b'a'; max_body])).map(|reply| reply.len()),
        Ok(6 * 1024 * 1024)
    );
    for (body, size) in [
        (vec![b'a'; max_body + 1], MAX_REPLY + 1),
        // JSON escapes and base64 count.
        (vec![b'"'; max_body / 2 + 1], max_body / 2 * 2 + 2 + overhead),
        (vec![0xff; base64 / 4 * 3], base64 + overhead - 1),
        (vec![b'a'; MAX_REPLY + 7], MAX_REPLY + 7),
    ] {
        let error = envelope(Response::new(body)).map(|reply| reply.len()).unwrap_err();
        assert_eq!(error, TooLarge { size });
        assert_eq!(error.to_string(), format!("reply too large: {size} bytes (maximum 6291456)"));
    }
}
