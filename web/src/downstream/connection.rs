//! The client's connection, and the timeouts on it.

use std::borrow::Cow;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Shutdown};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use request_line::RequestLine;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

/// Timeout for the head of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Timeout for an idle connection. Gateways close theirs earlier, most after 60 s: the side that
/// may send must be the one that closes.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);

/// Time for which the rest of a request is read and dropped after an early response. Closing a
/// socket with unread bytes would discard the response.
const LINGER_TIMEOUT: Duration = Duration::from_secs(5);

/// Time beyond the deadline for a client that reads its response slowly.
const WRITE_GRACE: Duration = Duration::from_secs(1);

/// The readiness of a socket whose peer has closed, even if bytes before its FIN are unread.
///
/// On Linux it comes with the interest in urgent data. On other systems, hyper detects the FIN.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) const PEER_CLOSED: Option<Interest> = Some(Interest::PRIORITY);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) const PEER_CLOSED: Option<Interest> = None;

/// Controls a client's connection, beside its bytes.
#[derive(Debug)]
pub(crate) struct ClientHandle {
    /// The peer's address.
    pub(crate) peer: IpAddr,
    socket: Socket,
    phase: Mutex<Phase>,
    has_unread_body: AtomicBool,
    /// Set if the next byte is the first of a request.
    is_at_request_line: AtomicBool,
    /// Dropped with the connection. A graceful stop waits for it.
    _running: watch::Receiver<()>,
}

/// The write half of the client's socket.
///
/// `OwnedWriteHalf` sends FIN when dropped. Forget it instead, so that a reset stays possible.
#[derive(Debug)]
struct Socket(Option<OwnedWriteHalf>);

impl AsRef<TcpStream> for Socket {
    fn as_ref(&self) -> &TcpStream {
        match &self.0 {
            Some(socket) => socket.as_ref(),
            None => unreachable!("only `drop` takes the socket"),
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Some(socket) = self.0.take() {
            socket.forget();
        }
    }
}

/// The state of a connection.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Waiting for the head of a request, since this time.
    Head(Instant),
    /// Answering a request, until this time at most.
    Busy(Option<Instant>),
    /// Waiting for the next request, since this time.
    Idle(Instant),
}

/// The bytes of a client's connection. Request targets are encoded: see [`RequestLine`].
///
/// hyper may have read the start of a pipelined request already. Then bytes after it may pass for a
/// request line, but they belong to a head, whose end does not change.
pub(crate) struct ClientIo {
    read: OwnedReadHalf,
    client: Arc<ClientHandle>,
    line: RequestLine,
    /// Encoded bytes that did not fit into the reader's buffer.
    encoded: Vec<u8>,
}

/// Marks a request as in progress while it exists.
#[derive(Debug)]
pub(crate) struct RequestGuard(Arc<ClientHandle>);

impl ClientHandle {
    /// Splits a connection into its bytes and its handle.
    pub(crate) fn new(
        stream: TcpStream,
        peer: IpAddr,
        running: watch::Receiver<()>,
    ) -> (ClientIo, Arc<Self>) {
        let (read, socket) = stream.into_split();
        let socket = Socket(Some(socket));
        let phase = Mutex::new(Phase::Head(Instant::now()));
        let client = Arc::new(Self {
            peer,
            socket,
            phase,
            has_unread_body: AtomicBool::new(false),
            is_at_request_line: AtomicBool::new(true),
            _running: running,
        });
        let (line, encoded) = Default::default();
        (ClientIo { read, client: client.clone(), line, encoded }, client)
    }

    /// Starts a request. `has_body` is set if it has a body to read, `is_upgrade` if it asks for
    /// another protocol.
    pub(crate) fn start_request(self: Arc<Self>, has_body: bool, is_upgrade: bool) -> RequestGuard {
        *self.phase() = Phase::Busy(None);
        self.has_unread_body.store(has_body, Ordering::Relaxed);
        self.is_at_request_line.store(!has_body && !is_upgrade, Ordering::Relaxed);
        RequestGuard(self)
    }

    /// Sets the deadline of the current response. A client that does not read would block it
    /// forever.
    pub(crate) fn set_deadline(&self, deadline: Instant) {
        *self.phase() = Phase::Busy(deadline.checked_add(WRITE_GRACE));
    }

    /// Returns whether the deadline of the current response has passed.
    pub(crate) fn deadline_passed(&self) -> bool {
        matches!(*self.phase(), Phase::Busy(Some(deadline)) if deadline <= Instant::now())
    }

    /// Records that the body of the request has been read.
    pub(crate) fn set_body_read(&self) {
        self.has_unread_body.store(false, Ordering::Relaxed);
        self.is_at_request_line.store(true, Ordering::Relaxed);
    }

    /// Waits until the client closes during a request, or a timeout passes.
    pub(crate) async fn closed_or_timed_out(&self) {
        let mut closed = pin!(self.closed());
        let mut is_closed = false;
        let mut timer = pin!(sleep_until(Instant::now() + HEADER_TIMEOUT));
        poll_fn(|cx| {
            is_closed = is_closed || closed.as_mut().poll(cx).is_ready();
            let deadline = match *self.phase() {
                Phase::Busy(_) if is_closed => return Poll::Ready(()),
                Phase::Busy(None) => return Poll::Pending,
                Phase::Busy(Some(deadline)) => deadline,
                Phase::Head(since) => since + HEADER_TIMEOUT,
                Phase::Idle(since) => since + IDLE_TIMEOUT,
            };
            // Most deadlines move before they are reached, so reset the timer only if it fires, or
            // would fire too late.
            if timer.deadline() > deadline {
                timer.as_mut().reset(deadline);
            }
            ready!(timer.as_mut().poll(cx));
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
            timer.as_mut().poll(cx)
        })
        .await;
    }

    /// Waits until the client has closed its side.
    pub(crate) async fn closed(&self) {
        let Some(closed) = PEER_CLOSED else { return std::future::pending().await };
        // An error means closed too.
        let _ = self.socket.as_ref().ready(closed).await;
    }

    /// Closes after a response to an invalid request, whose rest is unread.
    pub(crate) async fn close_after_error(&self) {
        let _ = SockRef::from(self.socket.as_ref()).shutdown(Shutdown::Write);
        self.has_unread_body.store(true, Ordering::Relaxed);
        self.linger().await;
    }

    /// Reads and drops the rest of a request, so that closing does not discard the response. hyper
    /// has sent everything and has closed its side.
    pub(crate) async fn linger(&self) {
        if !self.has_unread_body.load(Ordering::Relaxed) {
            return;
        }
        let stream = self.socket.as_ref();
        // On the heap, because every connection has this future.
        let mut dropped = vec![0; 8 * 1024];
        let drain = async {
            while stream.readable().await.is_ok() {
                match stream.try_read(&mut dropped) {
                    Ok(1..) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Ok(0) | Err(_) => break,
                }
            }
        };
        let _ = timeout(LINGER_TIMEOUT, drain).await;
    }

    /// Resets the connection when it is closed. An HTTP/1.0 client could not tell a truncated
    /// response from a complete one.
    pub(crate) fn reset_on_close(&self) {
        // Fails only if the socket is closed already.
        let _ = self.socket.as_ref().set_zero_linger();
    }

    /// Records that bytes of a head may have arrived.
    fn start_head(&self) {
        let mut phase = self.phase();
        if matches!(*phase, Phase::Idle(_)) {
            *phase = Phase::Head(Instant::now());
        }
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        // The phase is valid whenever the lock is free.
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        *self.0.phase() = Phase::Idle(Instant::now());
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.encoded.is_empty() {
            this.pass_on_encoded(buf);
            return Poll::Ready(Ok(()));
        }
        loop {
            let start = buf.filled().len();
            ready!(Pin::new(&mut this.read).poll_read(cx, buf))?;
            this.client.start_head();
            let bytes = &buf.filled()[start..];
            let is_start = this.client.is_at_request_line.swap(false, Ordering::Relaxed);
            if !is_start && !this.line.is_partial() {
                return Poll::Ready(Ok(()));
            }
            let line = match bytes {
                [] => Some(this.line.take_partial().into()),
                bytes => this.line.read(bytes),
            };
            match line {
                Some(Cow::Borrowed(_)) => return Poll::Ready(Ok(())),
                Some(Cow::Owned(encoded)) => {
                    buf.set_filled(start);
                    this.encoded = encoded;
                    this.pass_on_encoded(buf);
                    return Poll::Ready(Ok(()));
                }
                None => buf.set_filled(start),
            }
        }
    }
}

impl ClientIo {
    fn pass_on_encoded(&mut self, buf: &mut ReadBuf<'_>) {
        let length = self.encoded.len().min(buf.remaining());
        let bytes: Vec<u8> = self.encoded.drain(..length).collect();
        buf.put_slice(&bytes);
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let stream = self.client.socket.as_ref();
        loop {
            ready!(stream.poll_write_ready(cx))?;
            match stream.try_write(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream = self.client.socket.as_ref();
        Poll::Ready(SockRef::from(stream).shutdown(Shutdown::Write))
    }
}
