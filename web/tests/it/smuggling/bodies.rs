//! Requests in the bodies of others, which are not read to their ends.

use std::io::Write;
use std::time::Duration;

use super::{check_requests, hidden, start_upstream, usual};
use crate::support::{TOKEN, start_app};

/// Maximum wait for a close: one second is promised, and one is for a busy machine.
const SOON: Duration = Duration::from_secs(2);

#[test]
fn request_in_an_unread_body_is_not_served() {
    let hidden = hidden();
    let length = format!("Content-Length: {}\r\n", hidden.len());
    let chunks = format!("{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len());
    let no_token = usual().replace(TOKEN, "none");
    let no_host = usual().replace("localhost", "evil");
    let rows = [
        ("POST /v1/x", &no_token, (&[401][..], None)),
        ("POST /ask", &no_token, (&[401], None)),
        ("POST /v1/x", &no_host, (&[403], None)),
        ("POST /nowhere", &usual(), (&[404], None)),
        ("POST /v1/../x", &usual(), (&[400], None)),
        ("TRACE /v1/x", &usual(), (&[405], None)),
        ("DELETE /ask", &usual(), (&[405], None)),
        ("POST /healthz", &usual(), (&[405], None)),
        ("GET /robots.txt", &usual(), (&[200], None)),
        (
            "OPTIONS /v1/x",
            &no_token.replace("Authorization", "Origin: http://localhost\r\nX"),
            (&[204], None),
        ),
    ];
    let each = rows.iter().flat_map(|(line, headers, expected)| {
        let sized = format!("{line} HTTP/1.1\r\n{headers}{length}\r\n{hidden}");
        let chunked =
            format!("{line} HTTP/1.1\r\n{headers}Transfer-Encoding: chunked\r\n\r\n{chunks}");
        [(sized.into_bytes(), *expected), (chunked.into_bytes(), *expected)]
    });
    check_requests(each.collect());
}

#[test]
fn body_behind_an_early_response_is_not_served() {
    let (listener, app) = start_app();
    let hidden = hidden();
    let head =
        format!("POST /v1/x HTTP/1.1\r\n{}Content-Length: {}\r\n\r\n", usual(), hidden.len());
    let (mut client, mut upstream, _) = app.forward(&listener, &head);
    upstream.send("HTTP/1.1 413 Large\r\ncontent-length: 3\r\n\r\nbig");
    assert_eq!(client.response().text(), "big");
    // The server may have closed.
    let _ = client.stream.write_all(hidden.as_bytes());
    client.assert_closes_within(SOON);
    upstream.assert_closes_within(SOON);
    listener.assert_unused();
    assert_eq!(app.log_line()["status"], 413);
    assert!(app.stdout.rest().is_empty());
}

#[test]
fn http_2_preface_is_closed_at_once() {
    let upstream = start_upstream("");
    let app = super::start_app(&upstream);
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for bytes in [format!("{preface}{}", hidden()), preface.to_owned()] {
        app.send(&bytes).assert_closes_within(SOON);
    }
    assert!(upstream.requests().is_empty());
}
