//! The caller's connection: it is given up when the caller leaves, or takes too long.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Shutdown};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use crate::unserved::is_hypers;

/// The head of a request takes no longer to arrive.
const HEAD: Duration = Duration::from_secs(10);

/// A connection may be idle between two requests for so long. It is more than gateways let theirs be idle, 60 s with
/// most, since the side that may send must be the one that closes.
const IDLE: Duration = Duration::from_secs(120);

/// Where a reply was sent before the request was read, the rest of the request is read and dropped for so long: closing
/// a socket with unread bytes in it takes the reply away from the caller.
const LINGER: Duration = Duration::from_secs(5);

/// Whoever takes an answer slowly has so long beyond the time for it.
const OVERTIME: Duration = Duration::from_secs(1);

/// The readiness that is there once the other side has closed, whatever is unread before its end. On Linux it comes with
/// the wait for urgent data; where that is not to be had, hyper's own look-out is all there is.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) const CLOSED: Option<Interest> = Some(Interest::PRIORITY);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) const CLOSED: Option<Interest> = None;

/// The caller's connection, beside the bytes.
#[derive(Debug)]
pub(crate) struct Caller {
    /// The other end's address.
    pub(crate) peer: IpAddr,
    socket: Socket,
    phase: Mutex<Phase>,
    unread: AtomicBool,
    /// What hyper had to say was kept back: there is more to be said.
    unsaid: AtomicBool,
    /// Held as long as the connection is of use: a stop waits for it.
    _running: watch::Receiver<()>,
}

/// The caller's socket. Without this, dropping it would say goodbye, and a reset could not be one any more.
#[derive(Debug)]
struct Socket(Option<OwnedWriteHalf>);

impl AsRef<TcpStream> for Socket {
    fn as_ref(&self) -> &TcpStream {
        match &self.0 {
            Some(socket) => socket.as_ref(),
            None => unreachable!("only dropping takes it out"),
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

/// What the connection is doing.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// It waits for a head, or for the rest of one, since then.
    Head(Instant),
    /// A request is being answered, until then at the latest.
    Busy(Option<Instant>),
    /// It waits for the next request, since then.
    Idle(Instant),
}

/// The bytes of the caller's connection.
pub(crate) struct CallerIo {
    read: OwnedReadHalf,
    caller: Arc<Caller>,
}

/// A request is being answered as long as this is held.
#[derive(Debug)]
pub(crate) struct Busy(pub(crate) Arc<Caller>);

impl Caller {
    /// Takes the connection over, in its bytes and in what is to know of it.
    pub(crate) fn new(
        stream: TcpStream,
        peer: IpAddr,
        running: watch::Receiver<()>,
    ) -> (CallerIo, Arc<Self>) {
        let (read, socket) = stream.into_split();
        let socket = Socket(Some(socket));
        let phase = Mutex::new(Phase::Head(Instant::now()));
        let (unread, unsaid) = Default::default();
        let caller = Arc::new(Self { peer, socket, phase, unread, unsaid, _running: running });
        (CallerIo { read, caller: caller.clone() }, caller)
    }

    /// A request has come; `has_body` where more is to be read of it.
    pub(crate) fn begin(self: Arc<Self>, has_body: bool) -> Busy {
        *self.phase() = Phase::Busy(None);
        self.unread.store(has_body, Ordering::Relaxed);
        Busy(self)
    }

    /// The answer is to be told by then: a caller who takes nothing would keep it waiting for ever.
    pub(crate) fn ends_by(&self, deadline: Instant) {
        *self.phase() = Phase::Busy(deadline.checked_add(OVERTIME));
    }

    fn is_busy(&self) -> bool {
        matches!(*self.phase(), Phase::Busy(_))
    }

    /// Whether there is no more time for the answer.
    pub(crate) fn is_late(&self) -> bool {
        matches!(*self.phase(), Phase::Busy(Some(deadline)) if deadline <= Instant::now())
    }

    /// The body of the request has been read to its end.
    pub(crate) fn body_is_read(&self) {
        self.unread.store(false, Ordering::Relaxed);
    }

    /// Waits until the connection is of no more use: the caller has left while a request was being answered, or takes
    /// too long to send one.
    pub(crate) async fn given_up(&self) {
        let mut left = pin!(self.left());
        let mut has_left = false;
        let mut timer = pin!(sleep_until(Instant::now() + HEAD));
        poll_fn(|cx| {
            has_left = has_left || left.as_mut().poll(cx).is_ready();
            let deadline = match *self.phase() {
                Phase::Busy(_) if has_left => return Poll::Ready(()),
                Phase::Busy(None) => return Poll::Pending,
                Phase::Busy(Some(deadline)) => deadline,
                Phase::Head(since) => since + HEAD,
                Phase::Idle(since) => since + IDLE,
            };
            // Most deadlines move on before they come: the timer is set back only when it rings, or rings too late.
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

    /// Waits until the caller has closed its side.
    pub(crate) async fn left(&self) {
        let Some(closed) = CLOSED else { return std::future::pending().await };
        // An error is an end, too.
        let _ = self.socket.as_ref().ready(closed).await;
    }

    /// The head of a request cannot be read: says so, and closes.
    pub(crate) async fn refuse(&self, reply: impl FnOnce() -> Vec<u8>) {
        let stream = self.socket.as_ref();
        if self.unsaid.load(Ordering::Relaxed) {
            // It is short enough for any socket that is still there.
            let _ = stream.try_write(&reply());
        }
        let _ = SockRef::from(stream).shutdown(Shutdown::Write);
        self.unread.store(true, Ordering::Relaxed);
        self.linger().await;
    }

    /// Closes without cutting off a reply that the caller has not read yet. hyper has sent everything by now, and closed
    /// its side.
    pub(crate) async fn linger(&self) {
        if !self.unread.load(Ordering::Relaxed) {
            return;
        }
        let stream = self.socket.as_ref();
        // Not within the future: every connection would carry it about.
        let mut dropped = vec![0; 8 * 1024];
        let rest = async {
            while stream.readable().await.is_ok() {
                match stream.try_read(&mut dropped) {
                    Ok(1..) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Ok(0) | Err(_) => break,
                }
            }
        };
        // Whoever sends for longer has been told long since.
        let _ = timeout(LINGER, rest).await;
    }

    /// Has the connection reset when it is closed: an HTTP/1.0 caller could not tell its end from the end of a reply.
    pub(crate) fn reset_at_close(&self) {
        // Where it cannot be set, the socket is gone already.
        let _ = self.socket.as_ref().set_zero_linger();
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        // A phase is whole whenever the lock is free.
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        *self.0.phase() = Phase::Idle(Instant::now());
    }
}

impl AsyncRead for CallerIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.read).poll_read(cx, buf))?;
        let mut phase = self.caller.phase();
        if let Phase::Idle(_) = *phase {
            *phase = Phase::Head(Instant::now());
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for CallerIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        // What others have written may look the same.
        if !self.caller.is_busy() && is_hypers(buf) {
            self.caller.unsaid.store(true, Ordering::Relaxed);
            return Poll::Ready(Ok(buf.len()));
        }
        let stream = self.caller.socket.as_ref();
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
        if self.caller.unsaid.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        let stream = self.caller.socket.as_ref();
        Poll::Ready(SockRef::from(stream).shutdown(Shutdown::Write))
    }
}
