//! Streams through the Web function: of the question endpoint, and of the proxy.

use std::net::SocketAddr;

use anyhow::{Context as _, bail, ensure};
use testkit::http::find;
use testkit::{End, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::state::{ANSWERS, STREAMS, Soaked, State, account};
use super::upstream::{
    self, BEFORE, DONE, Fault, GARBLED, OF_STREAMS, PIECES, SLOW, of_stream, seen,
};
use crate::peers::Place;
use crate::proxies::Proxy;

/// Streams at a time.
pub(super) const AT_ONCE: usize = STREAMS;

/// The beginning of the request ids, before the number.
const IDS: &str = "stream-";

/// Runs rounds of streams, all of a round at once; the first thousand are the warm-up.
pub(super) fn soak(place: &Place, upstream: SocketAddr, rounds: usize) -> anyhow::Result<Soaked> {
    let running = Proxy::AskWeb.start(place, upstream)?;
    let process = running.process.as_ref().context("a process")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let round = |first: usize| runtime.block_on(all(running.address, first));
    // The pool is full once all streams of a round have run at once.
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

/// Returns whether the question endpoint sends a stream. Each fault comes to both endpoints.
fn is_ours(number: usize) -> bool {
    (number + number / 50 / OF_STREAMS.len()).is_multiple_of(2)
}

/// The expected stream.
struct Right {
    status: u16,
    /// The data of its events.
    data: String,
    is_complete: bool,
    /// The status and the code in the log.
    log: (u16, Option<&'static str>),
}

fn right(number: usize) -> Right {
    let ours = is_ours(number);
    let pieces = |count: usize| -> String {
        let event = |piece| match ours {
            true => format!("data: {{\"text\":\"{}\"}}\n\n", upstream::piece(number, piece)),
            false => upstream::event(number, piece),
        };
        (0..count).map(event).collect()
    };
    let refused = |status, code| Right {
        status,
        data: String::new(),
        is_complete: true,
        log: (status, Some(code)),
    };
    let cut = || Right {
        status: 200,
        data: pieces(BEFORE) + if ours { "data: {\"error\":" } else { "" },
        is_complete: ours,
        log: (200, Some("upstream_failed")),
    };
    let whole = |data| Right { status: 200, data, is_complete: true, log: (200, None) };
    match of_stream(number) {
        None => whole(pieces(PIECES) + DONE),
        Some(Fault::GarbledEvent) if !ours => {
            let all = pieces(PIECES) + DONE;
            let (before, after) = all.split_at(pieces(BEFORE).len());
            whole(format!("{before}{GARBLED}{after}"))
        }
        Some(Fault::Leaving) => Right {
            data: pieces(BEFORE),
            is_complete: false,
            log: (200, Some("caller_left")),
            ..whole(String::new())
        },
        Some(Fault::Failed) if ours => refused(502, "upstream_failed"),
        Some(Fault::Failed) => Right { log: (500, None), ..refused(500, "") },
        Some(Fault::Key) if ours => refused(502, "upstream_key"),
        Some(Fault::Key) => Right { log: (401, None), ..refused(401, "") },
        Some(Fault::Silent | Fault::Reset) => refused(502, "upstream_failed"),
        Some(_) => cut(),
    }
}

/// Asks for a stream, reads it to the end, and compares it.
async fn stream(address: SocketAddr, number: usize) -> anyhow::Result<()> {
    let mut socket = TcpStream::connect(address).await?;
    let question = format!("number {number}");
    let (path, body) = match is_ours(number) {
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
    let (mut received, mut bytes) = (Vec::new(), [0; 4096]);
    let end = loop {
        let read = match socket.read(&mut bytes).await {
            Ok(0) => break End::Closed,
            Ok(read) => read,
            // A cut response may end with a reset.
            Err(_) if !right.is_complete => break End::Reset,
            Err(error) => return Err(error.into()),
        };
        received.extend_from_slice(&bytes[..read]);
        let last = format!("piece {}.", BEFORE - 1);
        if fault.is_some() && find(&received, last.as_bytes()).is_some() {
            seen().insert(number);
            if fault == Some(Fault::Leaving) {
                break End::Open;
            }
        }
    };
    let shown = || String::from_utf8_lossy(&received).into_owned();
    let responses = Response::parse_all(&received, end).map_err(anyhow::Error::msg)?;
    let [response] = &responses[..] else { bail!("{} responses: {}", responses.len(), shown()) };
    ensure!(response.status() == right.status, shown());
    let is_complete = response.is_complete;
    ensure!(is_complete == right.is_complete, "complete: {is_complete}, {}", shown());
    // The ids of events and the sentence of an error are not compared.
    let text = response.text();
    let data: String = text.split_inclusive('\n').filter(|line| !line.starts_with("id:")).collect();
    match right.log.1 {
        _ if right.data.is_empty() => {}
        Some("upstream_failed") if right.is_complete => {
            ensure!(data.starts_with(&right.data) && !data.contains(DONE), shown());
        }
        _ => ensure!(data == right.data, shown()),
    }
    Ok(())
}
