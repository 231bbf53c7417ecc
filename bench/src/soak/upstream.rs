//! An upstream that answers each question by its number, with a fault in one of fifty.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use testkit::http::{chunk, find};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::stream_upstream::{self, Inbox};
use crate::upstream::json;

/// A fault of an answer or of a stream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// Closes without a byte.
    Silent,
    /// Resets the connection without a byte.
    Reset,
    /// Sends bytes that are not HTTP.
    Garbled,
    /// Closes within the head.
    HalfHead,
    /// Closes within the body.
    HalfBody,
    /// Resets the connection within the body.
    ResetBody,
    /// Sends an invalid chunk.
    GarbledBody,
    /// Sends an event that is not JSON.
    GarbledEvent,
    /// Sends 429, each time.
    Busy,
    /// Sends 500, each time.
    Failed,
    /// Sends 503, and an answer to the retry.
    Passing,
    /// Sends 401.
    Key,
    /// Sends 404 for the model.
    Model,
    /// Sends 400.
    Refused,
    /// Sends 302.
    Redirect,
    /// Sends an HTML page with status 200.
    Page,
    /// Sends an empty answer.
    Empty,
    /// Sends nothing until the function gives up.
    Late,
    /// No fault of the upstream: the client leaves within the stream.
    Leaving,
}

/// The faults of answers, in their order.
const OF_ANSWERS: [Fault; 16] = [
    Fault::Silent,
    Fault::Busy,
    Fault::HalfHead,
    Fault::Failed,
    Fault::HalfBody,
    Fault::Key,
    Fault::Reset,
    Fault::Passing,
    Fault::ResetBody,
    Fault::Model,
    Fault::Garbled,
    Fault::Refused,
    Fault::Redirect,
    Fault::Page,
    Fault::Empty,
    Fault::Late,
];

/// The faults of streams, in their order.
pub(crate) const OF_STREAMS: [Fault; 9] = [
    Fault::HalfBody,
    Fault::Leaving,
    Fault::Failed,
    Fault::ResetBody,
    Fault::Silent,
    Fault::GarbledEvent,
    Fault::Key,
    Fault::GarbledBody,
    Fault::Reset,
];

/// The pieces of a stream, and those before a fault within it.
pub(crate) const PIECES: usize = 5;
pub(crate) const BEFORE: usize = 2;

/// Streams from this number on are slow, so that many run at once.
pub(crate) const SLOW: usize = 1_000_000;

/// The fault in the answer of this number.
pub(crate) fn of_answer(number: usize) -> Option<Fault> {
    (number % 50 == 25).then(|| OF_ANSWERS[number / 50 % OF_ANSWERS.len()])
}

/// The fault in the stream of this number.
pub(crate) fn of_stream(number: usize) -> Option<Fault> {
    (number < SLOW && number % 50 == 25).then(|| OF_STREAMS[number / 50 % OF_STREAMS.len()])
}

/// The text of an answer.
pub(crate) fn answer(number: usize) -> String {
    format!("Number {number}.")
}

/// The text of a piece of a stream.
pub(crate) fn piece(number: usize, piece: usize) -> String {
    format!("Number {number}, piece {piece}. ")
}

/// The event of a piece, as the proxy passes it.
pub(crate) fn event(number: usize, piece: usize) -> String {
    let text = self::piece(number, piece);
    let choice = format!(r#"{{"index":0,"delta":{{"content":"{text}"}},"finish_reason":null}}"#);
    format!(
        "data: {{\"object\":\"chat.completion.chunk\",\"model\":\"soak\",\"choices\":[{choice}]}}\n\n"
    )
}

/// The event that ends a stream, and an invalid one.
pub(crate) const DONE: &str = "data: [DONE]\n\n";
pub(crate) const GARBLED: &str = "data: <html>\n\n";

/// The streams whose client has read up to the fault, and the answers that have failed once.
static SEEN: Mutex<BTreeSet<usize>> = Mutex::new(BTreeSet::new());

pub(crate) fn seen() -> MutexGuard<'static, BTreeSet<usize>> {
    SEEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Listens, and serves on a thread of its own.
pub(crate) fn start() -> anyhow::Result<SocketAddr> {
    stream_upstream::listen(serve)
}

/// The number in a question.
fn number(request: &str) -> Option<usize> {
    let digits = request.split_once("number ")?.1;
    digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

async fn serve(mut stream: TcpStream) -> anyhow::Result<()> {
    let mut inbox = Inbox::new();
    while let Some(request) = inbox.next(&mut stream).await? {
        let text = String::from_utf8_lossy(request);
        let number = number(&text).unwrap_or_default();
        let stays = match find(request, b"\"stream\":true") {
            Some(_) => send_stream(&mut stream, number).await?,
            None => send_answer(&mut stream, number).await?,
        };
        if !stays {
            break;
        }
    }
    Ok(())
}

/// The bytes that replace an answer, and whether the connection stays. Returns `None` for a fault
/// within an answer.
fn instead(fault: Fault) -> Option<(Vec<u8>, bool)> {
    let error = |message: &str| format!(r#"{{"error":{{"message":"{message}"}}}}"#).into_bytes();
    let now = ["Retry-After: 0"];
    Some(match fault {
        Fault::Silent | Fault::Reset => (Vec::new(), false),
        Fault::Garbled => (b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), false),
        Fault::HalfHead => (b"HTTP/1.1 200 OK\r\nContent-Ty".to_vec(), false),
        Fault::Busy => (json(429, &now, error("slow down")), true),
        Fault::Failed => (json(500, &now, error("oh")), true),
        Fault::Passing => (json(503, &now, error("a moment")), true),
        Fault::Key => (json(401, &[], error("no such key")), true),
        Fault::Model => {
            (json(404, &[], r#"{"error":{"message":"no","code":"model_not_found"}}"#), true)
        }
        Fault::Refused => (json(400, &[], error("what?")), true),
        Fault::Redirect => (json(302, &["Location: http://127.0.0.1:1/"], ""), true),
        Fault::Page => (json(200, &[], "<html>"), true),
        _ => return None,
    })
}

async fn send_answer(stream: &mut TcpStream, number: usize) -> anyhow::Result<bool> {
    let mut fault = of_answer(number);
    if fault == Some(Fault::Passing) && !seen().insert(number) {
        fault = None;
    }
    if let Some((bytes, stays)) = fault.and_then(instead) {
        return send(stream, &bytes, stays, fault).await;
    }
    if fault == Some(Fault::Late) {
        return until_left(stream).await;
    }
    let text = if fault == Some(Fault::Empty) { String::new() } else { answer(number) };
    let body = format!(
        r#"{{"object":"chat.completion","model":"soak","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":2,"completion_tokens":3}}}}"#
    );
    let whole = json(200, &[], body);
    match fault {
        Some(Fault::HalfBody | Fault::ResetBody) => {
            send(stream, &whole[..whole.len() - 50], false, fault).await
        }
        _ => send(stream, &whole, true, fault).await,
    }
}

async fn send_stream(stream: &mut TcpStream, number: usize) -> anyhow::Result<bool> {
    let fault = of_stream(number);
    if let Some((bytes, stays)) = fault.and_then(instead) {
        return send(stream, &bytes, stays, fault).await;
    }
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    for piece in 0..PIECES {
        if piece == BEFORE && fault.is_some() {
            // The client reads the pieces before the fault first.
            while !seen().contains(&number) {
                sleep(Duration::from_millis(2)).await;
            }
            match fault {
                Some(Fault::GarbledEvent) => stream.write_all(chunk(GARBLED).as_bytes()).await?,
                Some(Fault::GarbledBody) => return send(stream, b"zz\r\n", false, fault).await,
                Some(Fault::Leaving) => return until_left(stream).await,
                _ => return send(stream, b"", false, fault).await,
            }
        }
        sleep(Duration::from_millis(if number < SLOW { 2 } else { 200 })).await;
        stream.write_all(chunk(&event(number, piece)).as_bytes()).await?;
    }
    stream.write_all((chunk(DONE) + "0\r\n\r\n").as_bytes()).await?;
    Ok(true)
}

/// Waits until the function has closed. Returns that the connection does not stay.
async fn until_left(stream: &mut TcpStream) -> anyhow::Result<bool> {
    while stream.read(&mut [0; 16]).await? > 0 {}
    Ok(false)
}

/// Sends these bytes. Returns whether the connection stays.
async fn send(
    stream: &mut TcpStream,
    bytes: &[u8],
    stays: bool,
    fault: Option<Fault>,
) -> anyhow::Result<bool> {
    stream.write_all(bytes).await?;
    if matches!(fault, Some(Fault::Reset | Fault::ResetBody)) {
        stream.set_zero_linger()?;
    }
    Ok(stays)
}
