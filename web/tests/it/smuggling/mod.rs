//! Ambiguous messages, with another message hidden behind them (request smuggling).
//!
//! A row has the bytes of a message and the promise for it: it is rejected, or it passes in one
//! form that no reader can take for another. The hidden message never becomes a request or a
//! response, and the connection is in step afterwards or closed.
//!
//! To run some rows: `ROWS='Transfer-Encoding : ' cargo test -p ask-web smuggling`. The value is a
//! part of the bytes. A new row is an entry of a table in this folder.

mod bodies;
mod chunks;
mod heads;
mod lengths;
mod responses;

use std::io::{Read, Write};

use testkit::http::excerpt;
use testkit::table::{expect, expect_eq};
use testkit::{End, Response, Upstream, chat, run_table};

use crate::support::{App, Instance, TOKEN, request};

/// The possible statuses, and the body of the only request to the upstream, or `None` without one.
type Promise = (&'static [u16], Option<&'static str>);

/// The promise that a request is rejected, and none comes to the upstream.
const REJECTED: Promise = (&[400, 501], None);

/// The promise that a request is passed with this body.
const fn passes(body: &'static str) -> Promise {
    (&[200], Some(body))
}

/// The proxy and the question endpoint.
const TARGETS: [&str; 2] = ["/v1/x", "/ask?format=json"];

/// A request to hide in another.
fn hidden() -> String {
    request("GET /v1/smuggled", "Content-Type: text/plain\r\n")
}

/// The headers of every request here.
fn usual() -> String {
    format!("Host: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: text/plain\r\n")
}

/// Starts an upstream that answers everything, and `/v1/odd` with these bytes.
fn start_upstream(odd: impl Into<Vec<u8>>) -> Upstream {
    let odd = odd.into();
    Upstream::by_request(move |_, request| match request.target() {
        "/v1/odd" => odd.clone().into(),
        _ => chat::completion("Yes.").into(),
    })
}

fn start_app(upstream: &Upstream) -> Instance {
    App::at(&upstream.url("/v1")).start()
}

/// Sends these bytes and a request behind them that ends the connection. Returns the responses.
fn send(app: &Instance, bytes: &[u8]) -> Result<Vec<Response>, String> {
    let health = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut client = app.connect().stream;
    // A server may have closed after an error.
    let _ = client.write_all(bytes).and_then(|()| client.write_all(health.as_bytes()));
    let mut received = Vec::new();
    let ended = client.read_to_end(&mut received);
    Response::parse_all(&received, End::Closed).map_err(|why| format!("{why}, then {ended:?}"))
}

/// Checks these requests on one app, in turn.
fn check_requests(rows: Vec<(Vec<u8>, Promise)>) {
    let upstream = start_upstream("");
    let app = start_app(&upstream);
    let name = |(bytes, _): &(Vec<u8>, Promise)| format!("{:?}", excerpt(bytes));
    run_table(1, &rows, name, |(bytes, promise)| check(&upstream, &app, bytes, *promise));
}

fn check(
    upstream: &Upstream,
    app: &Instance,
    bytes: &[u8],
    (statuses, body): Promise,
) -> Result<(), String> {
    let responses = send(app, bytes)?;
    let requests = upstream.take_requests();
    let status = responses.first().ok_or("no response")?.status();
    expect(statuses.contains(&status), format!("the status {status}"))?;
    expect(responses.iter().all(|response| response.is_complete), "a cut")?;
    for response in &responses {
        check_log_line(app, response)?;
    }
    // The connection is in step, or it is closed.
    match &responses[1..] {
        [] => {}
        [health] => expect(health.text().contains("version"), "the health behind it")?,
        more => return Err(format!("{} more responses", more.len())),
    }
    expect_eq(requests.len(), usize::from(body.is_some()), "the number of requests")?;
    for request in &requests {
        let head = request.head.to_lowercase();
        let framings = request.values("content-length").chain(request.values("transfer-encoding"));
        expect(framings.count() <= 1, format!("two framings in {head}"))?;
        let host = upstream.address().to_string();
        expect_eq(request.header("host"), Some(host.as_str()), "the host")?;
        expect(!(head.contains("smuggled") || head.contains("evil")), &head)?;
        let sent = String::from_utf8_lossy(&request.body);
        let is_question = request.target() == "/v1/chat/completions";
        let is_sent =
            body.is_some_and(|body| if is_question { sent.contains(body) } else { sent == body });
        expect(is_sent, format!("the body {sent:?}"))?;
    }
    check_next_request(upstream, app)
}

/// Checks that the next line of the access log is that of this response.
fn check_log_line(app: &Instance, response: &Response) -> Result<(), String> {
    let (line, status) = (app.log_line(), response.status());
    expect_eq(line["status"].as_u64(), Some(status.into()), &format!("the status in {line}"))?;
    // hyper responds to an invalid head itself, with the bare status.
    let code = match (status, response.header("x-error-code")) {
        (400, None) => Some("head_unreadable"),
        (431, None) => Some("head_too_large"),
        (_, code) => code,
    };
    expect_eq(line["code"].as_str(), code, "the code")?;
    if response.header("x-error-code").is_some() {
        let id = line["request_id"].as_str().unwrap_or_default();
        crate::support::check_common_headers(response, id)?;
        expect(response.text().contains(' '), "a body without a sentence")?;
    }
    Ok(())
}

/// Checks that other clients are served.
fn check_next_request(upstream: &Upstream, app: &Instance) -> Result<(), String> {
    let next = format!("POST /v1/next HTTP/1.1\r\n{}Content-Length: 4\r\n\r\nnext", usual());
    let responses = send(app, next.as_bytes())?;
    responses.iter().for_each(|_| drop(app.log_line()));
    let statuses: Vec<_> = responses.iter().map(|response| response.status()).collect();
    expect_eq(statuses, vec![200, 200], "the next request")?;
    let requests = upstream.take_requests();
    let targets: Vec<_> = requests.iter().map(|request| request.target()).collect();
    expect_eq(targets, vec!["/v1/next"], "the next target")
}
