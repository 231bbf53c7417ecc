//! Accepts connections and serves each in a task of its own.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use ask_core::Failure;
use ask_core::access_log::LogEntry;
use ask_host::{print_line, random_id};
use http::header::{CONNECTION, CONTENT_LENGTH};
use http::{HeaderMap, HeaderValue, Response};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use crate::downstream::{ClientHandle, PEER_CLOSED};
use crate::state::AppState;
use crate::upstream::is_out_of_descriptors;
use crate::{proxy, router};

/// Maximum size of the head of a request, in bytes.
const MAX_HEAD: usize = 64 * 1024;

/// Time for the response to a client that is rejected for want of descriptors. Others are waiting.
const REJECT_TIMEOUT: Duration = Duration::from_millis(100);

/// Pause before the next accept if no descriptor is left at all.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `stop` completes. Then running requests may finish, for `ASK_DRAIN` at most.
pub(crate) async fn run(
    listener: TcpListener,
    state: Arc<AppState>,
    stop: impl Future<Output = ()>,
) {
    let (stopping, running) = watch::channel(());
    let mut spare = SpareDescriptor::default();
    let mut stop = pin!(stop);
    loop {
        spare.restore(&listener);
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    tokio::spawn(serve(stream, peer.ip(), state.clone(), running.clone()));
                }
                Err(error) if is_out_of_descriptors(&error) => {
                    spare.reject_next(&listener, &state).await;
                }
                // The client has left the queue.
                Err(_) => {}
            },
            () = &mut stop => break,
        }
    }
    // For the clients in the queue, the system has completed the connection.
    if let Ok(queue) = listener.into_std() {
        loop {
            let (stream, peer) = match queue.accept() {
                Ok(accepted) => accepted,
                // The client has left the queue.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(_) => break,
            };
            if let Ok(stream) =
                stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream))
            {
                tokio::spawn(serve(stream, peer.ip(), state.clone(), running.clone()));
            }
        }
    }
    drop((spare, running));
    stopping.send_replace(());
    // Connections that are left after this time are closed.
    let _ = timeout(state.settings.drain, stopping.closed()).await;
}

/// Serves one connection.
async fn serve(
    stream: TcpStream,
    peer: IpAddr,
    state: Arc<AppState>,
    running: watch::Receiver<()>,
) {
    // Send each piece at once. Fails only if the socket is closed already.
    let _ = stream.set_nodelay(true);
    let mut stopping = running.clone();
    let (io, client) = ClientHandle::new(stream, peer, running);
    let service = service_fn(|request| {
        let response = router::handle(state.clone(), client.clone(), request);
        async { Ok::<_, Infallible>(response.await) }
    });
    let connection = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .max_header_size(MAX_HEAD)
        // `ClientHandle` detects a client that leaves. hyper would take a buffer to do so.
        .half_close(PEER_CLOSED.is_some())
        // Copying small pieces is cheaper than a vectored write, and frees the buffer they came in.
        .writev(false)
        .serve_connection(TokioIo::new(io), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let mut is_stopping = false;
    loop {
        tokio::select! {
            biased;
            result = &mut connection => {
                return match result {
                    Err(error) if error.is_parse() => {
                        log_invalid_head(&state, error.is_parse_too_large());
                        client.close_after_error().await;
                    }
                    _ => client.linger().await,
                };
            }
            () = client.closed_or_timed_out() => return,
            () = stopped(&mut stopping), if !is_stopping => {
                is_stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// Waits until the server stops, and a request that has arrived by then is read.
async fn stopped(stopping: &mut watch::Receiver<()>) {
    // An error means that the server is gone.
    let _ = stopping.changed().await;
    yield_now().await;
}

/// Logs a request whose head is invalid. hyper has responded with the bare status.
fn log_invalid_head(state: &AppState, is_too_large: bool) {
    let (status, code) = match is_too_large {
        true => (431, "head_too_large"),
        false => (400, "head_unreadable"),
    };
    let entry = LogEntry {
        request_id: random_id(),
        status,
        code: Some(code.into()),
        ..LogEntry::default()
    };
    print_line(&entry.into_line(&state.redactor));
}

/// A descriptor in reserve. Accepting a client to reject it takes one.
#[derive(Default)]
struct SpareDescriptor(Option<OwnedFd>);

impl SpareDescriptor {
    fn restore(&mut self, listener: &TcpListener) {
        if self.0.is_none() {
            self.0 = listener.as_fd().try_clone_to_owned().ok();
        }
    }

    /// Rejects the next client in the queue.
    async fn reject_next(&mut self, listener: &TcpListener, state: &AppState) {
        if self.0.take().is_none() {
            // Wait until a connection ends.
            return sleep(ACCEPT_PAUSE).await;
        }
        // The queue may be empty: the system reports the missing descriptor first.
        if let Poll::Ready(Ok((mut stream, _))) =
            poll_fn(|cx| Poll::Ready(listener.poll_accept(cx))).await
        {
            // The client may not wait for the response.
            let _ = timeout(REJECT_TIMEOUT, reject(&mut stream, state)).await;
        }
    }
}

/// Responds 503 and closes.
async fn reject(stream: &mut TcpStream, state: &AppState) -> io::Result<()> {
    let request_id = random_id();
    let failure = Failure::OutOfDescriptors.into();
    let mut response = proxy::error_response_to(state, &request_id, &HeaderMap::new(), &failure);
    let length = response.body().len().into();
    response.headers_mut().insert(CONTENT_LENGTH, length);
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    let mut entry = LogEntry { request_id, ..LogEntry::default() };
    entry.set_response(&response);
    print_line(&entry.into_line(&state.redactor));
    stream.write_all(&to_bytes(&response)).await?;
    stream.shutdown().await?;
    // Closing a socket with unread bytes would discard the response.
    let mut dropped = [0; 1024];
    while stream.read(&mut dropped).await? > 0 {}
    Ok(())
}

/// Writes a response in HTTP/1.1.
fn to_bytes(response: &Response<Vec<u8>>) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {}\r\n", response.status()).into_bytes();
    for (name, value) in response.headers() {
        bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    bytes.extend(b"\r\n");
    bytes.extend(response.body());
    bytes
}
