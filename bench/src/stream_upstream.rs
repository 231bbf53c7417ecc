//! The upstream behind the proxies, on one thread. It answers a completion at once, and sends
//! streams piece by piece, each piece with the time at which it left.

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use testkit::http::{chunk, find};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::exchange::Exchange;
use crate::upstream::{completion, json};

/// The time that stamps count from.
static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Microseconds since `BEGAN`.
pub(crate) fn stamp() -> f64 {
    BEGAN.elapsed().as_secs_f64() * 1e6
}

/// Listens, and serves on a thread of its own until the process ends.
pub(crate) fn start() -> anyhow::Result<SocketAddr> {
    listen(serve)
}

/// Does the same with this function for each connection.
pub(crate) fn listen<S>(serve: fn(TcpStream) -> S) -> anyhow::Result<SocketAddr>
where
    S: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).context("listen")?;
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                // A client that leaves ends its connection alone.
                tokio::spawn(async move { serve(stream).await.ok() });
            }
            #[expect(unreachable_code, reason = "tells the block's type")]
            anyhow::Ok(())
        })
    });
    Ok(address)
}

async fn serve(mut stream: TcpStream) -> anyhow::Result<()> {
    let answer = json(200, &[], completion(Exchange::Light.answer()));
    let mut inbox = Inbox::new();
    while let Some(request) = inbox.next(&mut stream).await? {
        match streamed(request) {
            None => stream.write_all(&answer).await?,
            Some((pieces, gap)) => write(&mut stream, pieces, gap).await?,
        }
    }
    Ok(())
}

/// The bytes received on a connection.
pub(crate) struct Inbox {
    buffer: Vec<u8>,
    used: usize,
    /// The length of the request at the front, which was returned last.
    taken: usize,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self { buffer: vec![0; 64 * 1024], used: 0, taken: 0 }
    }

    /// Reads the next request to its end. Returns `None` if the peer has closed.
    pub(crate) async fn next(&mut self, stream: &mut TcpStream) -> anyhow::Result<Option<&[u8]>> {
        self.buffer.copy_within(self.taken..self.used, 0);
        self.used -= self.taken;
        self.taken = loop {
            if let Some(length) = whole(&self.buffer[..self.used]) {
                break length;
            }
            match stream.read(&mut self.buffer[self.used..]).await? {
                0 => return Ok(None),
                read => self.used += read,
            }
        };
        Ok(Some(&self.buffer[..self.taken]))
    }
}

/// The length of the request at the front. Returns `None` if it is incomplete.
fn whole(bytes: &[u8]) -> Option<usize> {
    let head = find(bytes, b"\r\n\r\n")? + 4;
    let text = str::from_utf8(&bytes[..head]).ok()?.to_ascii_lowercase();
    if text.contains("transfer-encoding: chunked") {
        return find(bytes, b"\r\n0\r\n\r\n").map(|at| at + 7);
    }
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    let whole = head + length.map_or(Some(0), |length| length.trim().parse().ok())?;
    (whole <= bytes.len()).then_some(whole)
}

/// The number of pieces that a request asks for, and the time between them:
/// `/v1/stream?PIECES,MILLISECONDS`.
fn streamed(request: &[u8]) -> Option<(usize, Duration)> {
    let line = str::from_utf8(request.split(|byte| *byte == b'\r').next()?).ok()?;
    let (pieces, gap) = line.split_once("/v1/stream?")?.1.split(' ').next()?.split_once(',')?;
    Some((pieces.parse().ok()?, Duration::from_millis(gap.parse().ok()?)))
}

async fn write(stream: &mut TcpStream, pieces: usize, gap: Duration) -> anyhow::Result<()> {
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    for piece in 0..pieces {
        if piece > 0 {
            sleep(gap).await;
        }
        // Of the length of a completion's event.
        let data = format!("data: {:020.3}{}\n\n", stamp(), " ".repeat(172));
        stream.write_all(chunk(&data).as_bytes()).await?;
    }
    Ok(stream.write_all(b"0\r\n\r\n").await?)
}
