//! The HTTP server of the trigger and of the runtime API.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use http::Request;
use http_body::Body;
use hyper::{body::Incoming, header, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use request_line::RequestLine;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    select,
    sync::watch,
    time::{sleep, timeout},
};

use crate::{
    body::{Reply, RequestBody},
    control::Control,
    log::Log,
};

/// Time for the last responses after the platform has stopped.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// Pause before the next accept if no descriptor is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves connections until the platform stops, and then until their requests have a response,
/// for [`DRAIN_TIMEOUT`] at most.
pub(crate) async fn serve<F>(
    listener: TcpListener,
    log: Arc<Log>,
    mut control: Control,
    respond: impl Fn(Request<RequestBody>, SocketAddr) -> F + Clone + Send + Sync + 'static,
) where
    F: Future<Output = Reply> + Send + 'static,
{
    let (open, is_open) = watch::channel(());
    loop {
        let accepted = select! {
            accepted = listener.accept() => accepted,
            () = control.stopped() => break,
        };
        let Ok((stream, peer)) = accepted else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // Without it, only latency suffers.
        let _ = stream.set_nodelay(true);
        let (log, control, is_open) = (log.clone(), control.clone(), is_open.clone());
        let respond = respond.clone();
        tokio::spawn(async move {
            serve_connection(stream, peer, &log, control, respond).await;
            drop(is_open);
        });
    }
    drop((listener, is_open));
    let _ = timeout(DRAIN_TIMEOUT, open.closed()).await;
}

async fn serve_connection<F>(
    stream: TcpStream,
    peer: SocketAddr,
    log: &Log,
    mut control: Control,
    respond: impl Fn(Request<RequestBody>, SocketAddr) -> F,
) where
    F: Future<Output = Reply>,
{
    let is_at_request_line = Arc::new(AtomicBool::new(true));
    let io = EncodedTargets {
        stream,
        is_at_request_line: is_at_request_line.clone(),
        line: RequestLine::default(),
        encoded: Vec::new(),
    };
    let service = service_fn(|request: Request<Incoming>| {
        let is_upgrade = request.headers().contains_key(header::UPGRADE);
        let ends_here = request.body().is_end_stream() && !is_upgrade;
        is_at_request_line.store(ends_here, Ordering::Relaxed);
        let end = is_at_request_line.clone();
        let response = respond(request.map(|body| RequestBody::new(body, end)), peer);
        async { Ok::<_, Infallible>(response.await) }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(io), service);
    let mut connection = pin!(connection.with_upgrades());
    let result = select! {
        result = &mut connection => result,
        () = control.stopped() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    // Other errors are those of the network.
    if let Err(error) = result
        && error.is_parse()
    {
        log.platform(format!("rejected a request: {error}"));
    }
}

/// A client's connection with encoded request targets: see [`RequestLine`].
///
/// hyper may have read the start of a pipelined request already. Then bytes after it may pass for a
/// request line, but they belong to a head, whose end does not change.
struct EncodedTargets {
    stream: TcpStream,
    /// The next byte is the first of a request.
    is_at_request_line: Arc<AtomicBool>,
    line: RequestLine,
    /// Encoded bytes that did not fit into the reader's buffer.
    encoded: Vec<u8>,
}

impl EncodedTargets {
    fn pass_on_encoded(&mut self, buffer: &mut ReadBuf<'_>) {
        let length = self.encoded.len().min(buffer.remaining());
        buffer.put_slice(&self.encoded[..length]);
        self.encoded.drain(..length);
    }
}

impl AsyncRead for EncodedTargets {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.encoded.is_empty() {
            let start = buffer.filled().len();
            ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
            let is_start = self.is_at_request_line.swap(false, Ordering::Relaxed);
            if !is_start && !self.line.is_partial() {
                return Poll::Ready(Ok(()));
            }
            let line = match &buffer.filled()[start..] {
                // The client has closed.
                [] => Some(self.line.take_partial()),
                bytes => self.line.read(bytes).map(Into::into),
            };
            buffer.set_filled(start);
            match line {
                Some(line) if line.is_empty() => return Poll::Ready(Ok(())),
                Some(line) => self.encoded = line,
                None => {}
            }
        }
        self.pass_on_encoded(buffer);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for EncodedTargets {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
