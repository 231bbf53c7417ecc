//! A provider that answers each question by its number, and makes a fault in one of fifty.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::http::{find, reply};
use crate::upstream::{self, Inbox};

/// What goes wrong with an answer, or with a stream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// Closes without a word.
    Silent,
    /// Resets the connection without a word.
    Reset,
    /// What is no HTTP.
    Garbled,
    /// Closes in the middle of the head.
    HalfHead,
    /// Closes in the middle of the body.
    HalfBody,
    /// Resets the connection in the middle of the body.
    ResetBody,
    /// Goes on in the middle of a chunked body with what is no chunk.
    GarbledBody,
    /// An event of a stream is no JSON.
    GarbledEvent,
    /// 429, each time.
    Busy,
    /// 500, each time.
    Failed,
    /// 503, and the next time an answer.
    Passing,
    /// 401.
    Key,
    /// 404, the model is not known.
    Model,
    /// 400.
    Refused,
    /// 302.
    Redirect,
    /// An HTML page with status 200.
    Page,
    /// An answer without a word.
    Empty,
    /// Nothing comes for as long as the function waits.
    Late,
    /// None of the provider's: the caller leaves in the middle.
    Leaving,
}

/// Those of answers, in the order in which they come.
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

/// Those of streams.
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

/// Pieces of a stream, and those that come before a fault in its middle.
pub(crate) const PIECES: usize = 5;
pub(crate) const BEFORE: usize = 2;

/// From this number on, streams take their time, so that many run at once.
pub(crate) const SLOW: usize = 1_000_000;

/// The fault in the answer of this number.
pub(crate) fn of_answer(number: usize) -> Option<Fault> {
    (number % 50 == 25).then(|| OF_ANSWERS[number / 50 % OF_ANSWERS.len()])
}

/// The fault in the stream of this number.
pub(crate) fn of_stream(number: usize) -> Option<Fault> {
    (number < SLOW && number % 50 == 25).then(|| OF_STREAMS[number / 50 % OF_STREAMS.len()])
}

/// The text of an answer, and of a piece of a stream.
pub(crate) fn answer(number: usize) -> String {
    format!("Number {number}.")
}

pub(crate) fn piece(number: usize, piece: usize) -> String {
    format!("Number {number}, piece {piece}. ")
}

/// An event of a stream, as it is passed on by the proxy.
pub(crate) fn event(number: usize, piece: usize) -> String {
    let text = self::piece(number, piece);
    let choice = format!(r#"{{"index":0,"delta":{{"content":"{text}"}},"finish_reason":null}}"#);
    format!(
        "data: {{\"object\":\"chat.completion.chunk\",\"model\":\"soak\",\"choices\":[{choice}]}}\n\n"
    )
}

/// The end of one that is whole, and an event that is none.
pub(crate) const DONE: &str = "data: [DONE]\n\n";
pub(crate) const GARBLED: &str = "data: <html>\n\n";

/// The streams of which so much has come to the caller that its fault may happen, and the answers that failed once.
static SEEN: Mutex<BTreeSet<usize>> = Mutex::new(BTreeSet::new());

pub(crate) fn seen() -> MutexGuard<'static, BTreeSet<usize>> {
    SEEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Listens, and serves on a thread of its own.
pub(crate) fn start() -> anyhow::Result<SocketAddr> {
    upstream::listen(serve)
}

/// The number that a question holds.
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
            Some(_) => tell(&mut stream, number).await?,
            None => say(&mut stream, number).await?,
        };
        if !stays {
            break;
        }
    }
    Ok(())
}

/// A fault that needs no answer to have begun: what is sent instead, and whether the connection stays.
fn instead(fault: Fault) -> Option<(Vec<u8>, bool)> {
    let error = |message: &str| format!(r#"{{"error":{{"message":"{message}"}}}}"#).into_bytes();
    let now = "Retry-After: 0\r\n";
    Some(match fault {
        Fault::Silent | Fault::Reset => (Vec::new(), false),
        Fault::Garbled => (b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), false),
        Fault::HalfHead => (b"HTTP/1.1 200 OK\r\nContent-Ty".to_vec(), false),
        Fault::Busy => (reply("429 Too Many Requests", now, &error("slow down")), true),
        Fault::Failed => (reply("500 Internal Server Error", now, &error("oh")), true),
        Fault::Passing => (reply("503 Service Unavailable", now, &error("a moment")), true),
        Fault::Key => (reply("401 Unauthorized", "", &error("no such key")), true),
        Fault::Model => (
            reply("404 Not Found", "", br#"{"error":{"message":"no","code":"model_not_found"}}"#),
            true,
        ),
        Fault::Refused => (reply("400 Bad Request", "", &error("what?")), true),
        Fault::Redirect => (reply("302 Found", "Location: http://127.0.0.1:1/\r\n", b""), true),
        Fault::Page => (reply("200 OK", "", b"<html>"), true),
        _ => return None,
    })
}

async fn say(stream: &mut TcpStream, number: usize) -> anyhow::Result<bool> {
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
    let whole = reply("200 OK", "", body.as_bytes());
    match fault {
        Some(Fault::HalfBody | Fault::ResetBody) => {
            send(stream, &whole[..whole.len() - 50], false, fault).await
        }
        _ => send(stream, &whole, true, fault).await,
    }
}

async fn tell(stream: &mut TcpStream, number: usize) -> anyhow::Result<bool> {
    let fault = of_stream(number);
    if let Some((bytes, stays)) = fault.and_then(instead) {
        return send(stream, &bytes, stays, fault).await;
    }
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    let chunk = |data: &str| format!("{:x}\r\n{data}\r\n", data.len());
    for piece in 0..PIECES {
        if piece == BEFORE && fault.is_some() {
            // The caller is to see what came before.
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

/// Waits until the function has hung up, and so the connection does not stay.
async fn until_left(stream: &mut TcpStream) -> anyhow::Result<bool> {
    while stream.read(&mut [0; 16]).await? > 0 {}
    Ok(false)
}

/// Sends what there is, and tells whether the connection stays.
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
