//! Streams through the Web function: told by the question endpoint, and passed on by the proxy.

use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::provider::{
    self, BEFORE, DONE, Fault, GARBLED, OF_STREAMS, PIECES, SLOW, of_stream, seen,
};
use super::{ANSWERS, STREAMS, Soaked, State, account};
use crate::http::find;
use crate::peers::Place;
use crate::proxies::Proxy;

/// So many streams run at a time.
pub(super) const AT_ONCE: usize = STREAMS;

/// The ids of the requests end in their numbers.
const IDS: &str = "stream-";

/// Rounds of streams, all of a round at once; the first thousand warm it up.
pub(super) fn soak(place: &Place, provider: SocketAddr, rounds: usize) -> anyhow::Result<Soaked> {
    let running = Proxy::AskWeb.start(place, provider)?;
    let process = running.process.as_ref().context("a process")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let round = |first: usize| runtime.block_on(all(running.address, first));
    // As many as can be are kept for later when all of them have run at once.
    let state = || {
        round(SLOW)?;
        State::of(process)
    };
    let warm = (ANSWERS / STREAMS).min(rounds);
    for number in 0..warm {
        round(number * STREAMS)?;
    }
    let first = state()?;
    for number in warm..rounds {
        round(number * STREAMS)?;
    }
    let last = state()?;
    account(&place.built.join("AskWeb.log"), IDS, rounds * STREAMS, |number| right(number).log)?;
    Ok(Soaked { first, last })
}

async fn all(address: SocketAddr, first: usize) -> anyhow::Result<()> {
    let mut running = JoinSet::new();
    for number in first..first + STREAMS {
        running.spawn(async move {
            stream(address, number).await.with_context(|| format!("stream {number}"))
        });
    }
    while let Some(stream) = running.join_next().await {
        stream??;
    }
    Ok(())
}

/// Every other stream is told by the question endpoint, and each kind of fault comes to both.
fn is_told(number: usize) -> bool {
    (number + number / 50 / OF_STREAMS.len()).is_multiple_of(2)
}

/// What is right of a stream.
struct Right {
    status: u16,
    /// The data of its events, if it is one.
    data: String,
    /// It ends as a whole reply does.
    whole: bool,
    /// The status and the code in the log.
    log: (u16, Option<&'static str>),
}

fn right(number: usize) -> Right {
    let told = is_told(number);
    let pieces = |count: usize| -> String {
        let event = |piece| match told {
            true => format!("data: {{\"text\":\"{}\"}}\n\n", provider::piece(number, piece)),
            false => provider::event(number, piece),
        };
        (0..count).map(event).collect()
    };
    let refused = |status, code| Right {
        status,
        data: String::new(),
        whole: true,
        log: (status, Some(code)),
    };
    let broken = || Right {
        status: 200,
        data: pieces(BEFORE) + if told { "data: {\"error\":" } else { "" },
        whole: told,
        log: (200, Some("upstream_failed")),
    };
    let whole = |data| Right { status: 200, data, whole: true, log: (200, None) };
    match of_stream(number) {
        None => whole(pieces(PIECES) + DONE),
        Some(Fault::GarbledEvent) if !told => {
            let all = pieces(PIECES) + DONE;
            let (before, after) = all.split_at(pieces(BEFORE).len());
            whole(format!("{before}{GARBLED}{after}"))
        }
        Some(Fault::Leaving) => Right {
            data: pieces(BEFORE),
            whole: false,
            log: (200, Some("caller_left")),
            ..whole(String::new())
        },
        Some(Fault::Failed) if told => refused(502, "upstream_failed"),
        Some(Fault::Failed) => Right { log: (500, None), ..refused(500, "") },
        Some(Fault::Key) if told => refused(502, "upstream_key"),
        Some(Fault::Key) => Right { log: (401, None), ..refused(401, "") },
        Some(Fault::Silent | Fault::Reset) => refused(502, "upstream_failed"),
        Some(_) => broken(),
    }
}

/// One stream: asks, reads to the end, and compares.
async fn stream(address: SocketAddr, number: usize) -> anyhow::Result<()> {
    let mut socket = TcpStream::connect(address).await?;
    let question = format!("number {number}");
    let (path, body) = match is_told(number) {
        true => ("/?format=sse", format!(r#"{{"question":"{question}"}}"#)),
        false => (
            "/v1/chat/completions",
            format!(
                r#"{{"model":"soak","stream":true,"messages":[{{"role":"user","content":"{question}"}}]}}"#
            ),
        ),
    };
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nX-Scf-Request-Id: {IDS}{number}\r\nAuthorization: Bearer \
         sk-bench\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(request.as_bytes()).await?;
    let (fault, right) = (of_stream(number), right(number));
    let (mut reply, mut bytes) = (Vec::new(), [0; 4096]);
    loop {
        let read = match socket.read(&mut bytes).await {
            Ok(0) => break,
            Ok(read) => read,
            // A reply that breaks off may end so.
            Err(_) if !right.whole => break,
            Err(error) => return Err(error.into()),
        };
        reply.extend_from_slice(&bytes[..read]);
        if fault.is_some() && find(&reply, format!("piece {}.", BEFORE - 1).as_bytes()).is_some() {
            seen().insert(number);
            if fault == Some(Fault::Leaving) {
                break;
            }
        }
    }
    let shown = || String::from_utf8_lossy(&reply).into_owned();
    let head = find(&reply, b"\r\n\r\n").with_context(shown)? + 4;
    let (data, whole) = body_of(&reply[..head], &reply[head..]);
    ensure!(reply.starts_with(format!("HTTP/1.1 {} ", right.status).as_bytes()), shown());
    ensure!(whole == right.whole, "whole: {whole}, {}", shown());
    // The ids of events and what an error says are not compared.
    let data: String = data.split_inclusive('\n').filter(|line| !line.starts_with("id:")).collect();
    match right.log.1 {
        _ if right.data.is_empty() => {}
        Some("upstream_failed") if right.whole => {
            ensure!(data.starts_with(&right.data) && !data.contains(DONE), shown());
        }
        _ => ensure!(data == right.data, shown()),
    }
    Ok(())
}

/// A body and whether it is whole: chunked, or of the length that its head names.
fn body_of(head: &[u8], mut body: &[u8]) -> (String, bool) {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    if !head.contains("transfer-encoding: chunked") {
        let length = head
            .split_once("content-length: ")
            .and_then(|(_, rest)| rest.lines().next()?.parse().ok());
        return (String::from_utf8_lossy(body).into_owned(), length == Some(body.len()));
    }
    let mut data = Vec::new();
    loop {
        let size = find(body, b"\r\n").and_then(|end| {
            let size = usize::from_str_radix(str::from_utf8(&body[..end]).ok()?, 16).ok()?;
            Some((end + 2, size))
        });
        let Some((start, size)) = size.filter(|(start, size)| start + size + 2 <= body.len())
        else {
            return (String::from_utf8_lossy(&data).into_owned(), false);
        };
        if size == 0 {
            return (String::from_utf8_lossy(&data).into_owned(), true);
        }
        data.extend_from_slice(&body[start..start + size]);
        body = &body[start + size + 2..];
    }
}
