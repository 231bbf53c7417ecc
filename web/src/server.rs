//! Connections in, each served by a task of its own.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use ask_core::proxy::Failure;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use crate::app::App;
use crate::caller::{CLOSED, Caller};
use crate::connect::is_out_of_descriptors;
use crate::exchange::Exchange;
use crate::unserved;

/// Heads of requests may have this many bytes.
const LARGEST_HEAD: usize = 64 * 1024;

/// Whoever is turned away for want of file descriptors is listened to for so long: others are in the queue.
const TURN_AWAY: Duration = Duration::from_millis(100);

/// Serves until `stop` comes, then lets what is running end, for as long as `ASK_DRAIN` says.
pub(crate) async fn run(listener: TcpListener, app: Arc<App>, stop: impl Future<Output = ()>) {
    let (stopping, running) = watch::channel(());
    let mut spare = Spare::default();
    let mut stop = pin!(stop);
    loop {
        spare.keep(&listener);
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    tokio::spawn(serve(stream, peer.ip(), app.clone(), running.clone()));
                }
                Err(error) if is_out_of_descriptors(&error) => spare.turn_away(&listener, &app).await,
                // The caller has gone before it was its turn.
                Err(_) => {}
            },
            () = &mut stop => break,
        }
    }
    // Whoever is in the queue has been told by the system that it is connected.
    if let Ok(queue) = listener.into_std() {
        loop {
            let (stream, peer) = match queue.accept() {
                Ok(accepted) => accepted,
                // The caller has gone before it was its turn.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(_) => break,
            };
            if let Ok(stream) =
                stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream))
            {
                tokio::spawn(serve(stream, peer.ip(), app.clone(), running.clone()));
            }
        }
    }
    drop((spare, running));
    stopping.send_replace(());
    // What has not ended by then is broken off.
    let _ = timeout(app.settings.drain, stopping.closed()).await;
}

/// Serves one connection.
async fn serve(stream: TcpStream, peer: IpAddr, app: Arc<App>, running: watch::Receiver<()>) {
    // Without it, pieces would wait for each other. A socket that refuses is one that has closed.
    let _ = stream.set_nodelay(true);
    let mut stopping = running.clone();
    let (io, caller) = Caller::new(stream, peer, running);
    let service = service_fn(|request| {
        // A caller that leaves right away is in the log, too: hyper may not come to asking for the reply.
        let exchange = Exchange::begin(app.clone(), caller.clone(), &request);
        let reply = app.reply(exchange, request);
        async { Ok::<_, Infallible>(reply.await) }
    });
    let connection = http1::Builder::new()
        .max_buf_size(LARGEST_HEAD)
        .max_header_size(LARGEST_HEAD)
        // hyper would look out for the caller's leaving, too, and take a buffer for it.
        .half_close(CLOSED.is_some())
        // What is small is copied sooner than it is written from where it is, and lets go of the buffer that it came in.
        .writev(false)
        .serve_connection(TokioIo::new(io), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let mut is_stopping = false;
    loop {
        tokio::select! {
            biased;
            ended = &mut connection => {
                let failure = match ended {
                    Err(error) if error.is_parse_too_large() => Failure::HeadTooLarge,
                    Err(error) if error.is_parse() => Failure::Head,
                    _ => return caller.linger().await,
                };
                return caller.refuse(|| unserved::reply(&app, &failure)).await;
            }
            () = caller.given_up() => return,
            () = stopped(&mut stopping), if !is_stopping => {
                is_stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// Waits until the server stops, and until a request that was there by then has been read.
async fn stopped(stopping: &mut watch::Receiver<()>) {
    // An error says that the server has gone, too.
    let _ = stopping.changed().await;
    yield_now().await;
}

/// A file descriptor that is kept for the case that there are no others: to say so takes one.
#[derive(Default)]
struct Spare(Option<OwnedFd>);

impl Spare {
    fn keep(&mut self, listener: &TcpListener) {
        if self.0.is_none() {
            self.0 = listener.as_fd().try_clone_to_owned().ok();
        }
    }

    /// Tells the next caller in the queue that it cannot be served.
    async fn turn_away(&mut self, listener: &TcpListener, app: &App) {
        if self.0.take().is_none() {
            // Somebody else was faster: wait until a connection has ended.
            return sleep(Duration::from_millis(50)).await;
        }
        // There may be nobody: the system misses a descriptor before it looks into the queue.
        if let Poll::Ready(Ok((mut stream, _))) =
            poll_fn(|cx| Poll::Ready(listener.poll_accept(cx))).await
        {
            // Whether the caller stays to hear it is the caller's affair.
            let _ = timeout(TURN_AWAY, turn_away(&mut stream, app)).await;
        }
    }
}

async fn turn_away(stream: &mut TcpStream, app: &App) -> io::Result<()> {
    stream.write_all(&unserved::reply(app, &ask_core::Failure::Descriptors.into())).await?;
    stream.shutdown().await?;
    // Closing with unread bytes in the socket would take the reply away from the caller.
    let mut dropped = [0; 1024];
    while stream.read(&mut dropped).await? > 0 {}
    Ok(())
}
