//! Responses become what a Function URL and API Gateway understand.

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
fn a_response_is_written_out_in_full() {
    check(
        Response::builder(),
        "",
        r#"{"isBase64Encoded":false,"statusCode":200,"headers":{},"body":""}"#,
    );
    check(
        Response::builder().status(404).header("Content-Type", "text/plain"),
        "没有\n\"",
        r#"{"isBase64Encoded":false,"statusCode":404,"headers":{"content-type":"text/plain"},"body":"没有\n\""}"#,
    );
}

#[test]
fn a_header_that_repeats_is_a_list() {
    check(
        Response::builder()
            .header("set-cookie", "a=1")
            .header("set-cookie", "b=2")
            .header("set-cookie", "c=3"),
        "",
        r#"{"isBase64Encoded":false,"statusCode":200,"headers":{"set-cookie":["a=1","b=2","c=3"]},"body":""}"#,
    );
}

#[test]
fn bytes_that_are_no_text_are_base64() {
    check(
        Response::builder().header("x", &b"\xe9"[..]),
        b"\xff\x00\xfe\x01",
        r#"{"isBase64Encoded":true,"statusCode":200,"headers":{"x":"�"},"body":"/wD+AQ=="}"#,
    );
}

#[test]
fn the_limit_holds_for_the_whole_envelope() {
    let around = envelope(Response::new(Vec::new())).unwrap().len();
    let most = MAX_REPLY - around;
    // `true` is a byte shorter than `false`.
    let base64 = (most + 1) / 4 * 4 + 4;
    assert_eq!(
        envelope(Response::new(vec![b'a'; most])).map(|reply| reply.len()),
        Ok(6 * 1024 * 1024)
    );
    for (body, size) in [
        (vec![b'a'; most + 1], MAX_REPLY + 1),
        // Escapes and base64 count as they are sent.
        (vec![b'"'; most / 2 + 1], most / 2 * 2 + 2 + around),
        (vec![0xff; base64 / 4 * 3], base64 + around - 1),
        (vec![b'a'; MAX_REPLY + 7], MAX_REPLY + 7),
    ] {
        let error = envelope(Response::new(body)).map(|reply| reply.len()).unwrap_err();
        assert_eq!(error, TooLarge { size });
        assert_eq!(
            error.to_string(),
            format!("a reply of {size} bytes, and the platform carries 6291456")
        );
    }
}
