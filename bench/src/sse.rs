//! Streams through the reverse proxy: the first piece, the delay of each piece, and memory.

use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use testkit::http::find;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Duration, sleep};

use crate::peers::Place;
use crate::proxies::{ALL, Proxy};
use crate::results::{Goal, Section, Table};
use crate::stats::{median, percentile, ratio};
use crate::stream_upstream::{self, stamp};

pub(crate) const TITLE: &str = "Reverse proxy, streams";

/// Streams at once, repetitions, pieces of a stream, and milliseconds between them.
const LEVELS: [(usize, usize, usize, u64); 3] =
    [(1, 20, 20, 3), (100, 1, 60, 20), (1000, 1, 20, 100)];

/// The times of a level's rounds, in microseconds.
#[derive(Clone, Default)]
struct Times {
    first: Vec<f64>,
    piece: Vec<f64>,
    p99: Vec<f64>,
}

/// The times of a stream, in microseconds.
struct Stream {
    first: f64,
    pieces: Vec<f64>,
}

/// Measures each in turn, level by level: compared figures are measured side by side.
pub(crate) fn measure(place: &Place, rounds: usize) -> anyhow::Result<Section> {
    let upstream = stream_upstream::start()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut times = vec![vec![Times::default(); LEVELS.len()]; ALL.len()];
    let running =
        ALL.into_iter().map(|proxy| proxy.start(place, upstream)).collect::<Result<Vec<_>, _>>()?;
    let memory = |which: &str| -> anyhow::Result<Vec<f64>> {
        let of = |process: &crate::process::Process| process.memory(which);
        running.iter().map(|running| running.process.as_ref().map_or(Ok(0.0), of)).collect()
    };
    let idle = memory("VmRSS")?;
    for _ in 0..rounds {
        for (at, level) in LEVELS.into_iter().enumerate() {
            for (running, times) in running.iter().zip(&mut times) {
                times[at].add(&runtime.block_on(streams(running.address, level))?);
            }
        }
    }
    let peak = memory("VmHWM")?;
    let each: Vec<f64> =
        idle.iter().zip(&peak).map(|(idle, peak)| (peak - idle) / 1000.0).collect();
    let mut table = Table::new(&[
        "proxy",
        "first piece µs: 1",
        "100",
        "1,000",
        "a piece is late µs: 1",
        "100",
        "1,000",
        "p99 at 1,000",
        "KB per stream",
    ]);
    for ((proxy, levels), each) in ALL.iter().zip(&times).zip(&each) {
        let mut cells: Vec<String> =
            levels.iter().map(|times| format!("{:.0}", median(&times.first))).collect();
        cells.extend(levels.iter().map(|times| format!("{:.0}", median(&times.piece))));
        cells.push(format!("{:.0}", median(&levels[2].p99)));
        cells.push(format!("{each:.1}"));
        table.row(proxy.name(), cells);
    }
    let at = |proxy| ALL.iter().position(|other| *other == proxy).unwrap_or_default();
    let (nginx, ask) = (at(Proxy::Nginx), at(Proxy::AskWeb));
    let mut goals = Vec::new();
    for (level, (streams, ..)) in LEVELS.iter().enumerate() {
        let (ask, nginx) = (&times[ask][level], &times[nginx][level]);
        let first = ratio(&ask.first, &nginx.first);
        goals.push(Goal::at_most(&format!("{streams} streams, first piece to nginx"), first, 1.1));
        let piece = ratio(&ask.piece, &nginx.piece);
        goals.push(Goal::at_most(&format!("{streams} streams, a piece to nginx"), piece, 1.1));
    }
    goals.push(Goal::at_most("KB per stream at 1,000", each[ask], 30.0));
    Ok(Section {
        title: TITLE,
        how: format!(
            "Server-sent events of 200 bytes, 3, 20 and 100 ms apart; from the request to its first piece, and from a \
             piece's leaving the upstream to its arrival; {rounds} rounds. Memory: the peak at 1,000 streams less the \
             memory before the first, by 1,000."
        ),
        table,
        goals,
    })
}

async fn streams(
    address: SocketAddr,
    (count, repeat, pieces, gap): (usize, usize, usize, u64),
) -> anyhow::Result<Vec<Stream>> {
    let mut all = Vec::new();
    for _ in 0..repeat {
        let mut running = JoinSet::new();
        for _ in 0..count {
            running.spawn(stream(address, pieces, gap));
            // Clients do not connect all at once.
            if count > 1 {
                sleep(Duration::from_millis(1)).await;
            }
        }
        while let Some(stream) = running.join_next().await {
            all.push(stream??);
        }
    }
    Ok(all)
}

async fn stream(address: SocketAddr, pieces: usize, gap: u64) -> anyhow::Result<Stream> {
    let mut socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let request = format!(
        "GET /v1/stream?{pieces},{gap} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer sk-bench\r\n\r\n"
    );
    let began = stamp();
    socket.write_all(request.as_bytes()).await?;
    let mut stream = Stream { first: 0.0, pieces: Vec::with_capacity(pieces) };
    let (mut buffer, mut bytes) = (Vec::new(), [0; 4096]);
    while !buffer.ends_with(b"0\r\n\r\n") {
        let read = socket.read(&mut bytes).await?;
        ensure!(read > 0, "a stream was cut");
        let now = stamp();
        buffer.extend_from_slice(&bytes[..read]);
        while let Some(at) = find(&buffer, b"data: ").filter(|at| buffer.len() >= at + 26) {
            let left: f64 =
                str::from_utf8(&buffer[at + 6..at + 26])?.parse().context("a piece's time")?;
            stream.pieces.push(now - left);
            buffer.drain(..at + 26);
        }
        if stream.first == 0.0 && !stream.pieces.is_empty() {
            stream.first = now - began;
        }
    }
    ensure!(stream.pieces.len() == pieces, "{} pieces of {pieces}", stream.pieces.len());
    Ok(stream)
}

impl Times {
    fn add(&mut self, streams: &[Stream]) {
        let first: Vec<f64> = streams.iter().map(|stream| stream.first).collect();
        let pieces: Vec<f64> =
            streams.iter().flat_map(|stream| stream.pieces.iter().copied()).collect();
        self.first.push(median(&first));
        self.piece.push(median(&pieces));
        self.p99.push(percentile(&pieces, 99));
    }
}
