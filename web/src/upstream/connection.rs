//! A connection to the upstream.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio_util::io::InspectReader;

use super::connect::UpstreamIo;
use super::request_body::RequestBody;

/// Maximum size of the read and the write buffer, and so of the head of a response, in bytes.
const MAX_BUFFER: usize = 64 * 1024;

/// Maximum number of header lines of a response. ureq has the same limit.
const MAX_HEADERS: usize = 128;

/// The future that reads and writes on a connection when polled.
pub(super) type Driver = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// A connection to the upstream.
pub(super) struct Connection {
    sender: SendRequest<RequestBody>,
    /// `None` after the connection has ended.
    pub(super) driver: Option<Driver>,
    received_any: Arc<AtomicBool>,
}

impl Connection {
    /// Starts HTTP/1.1 on an open stream.
    pub(super) async fn handshake(stream: Box<dyn UpstreamIo>) -> hyper::Result<Self> {
        let received_any = Arc::new(AtomicBool::new(false));
        let flag = received_any.clone();
        let stream = InspectReader::new(stream, move |bytes: &[u8]| {
            // EOF has no bytes.
            if !bytes.is_empty() {
                flag.store(true, Ordering::Relaxed);
            }
        });
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(MAX_BUFFER)
            .max_headers(MAX_HEADERS)
            .writev(false)
            .handshake(TokioIo::new(stream))
            .await?;
        Ok(Self { sender, driver: Some(Box::pin(driver.with_upgrades())), received_any })
    }

    /// Sends a request and waits for the head of the response.
    pub(super) fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>> {
        self.received_any.store(false, Ordering::Relaxed);
        // Sent here, so that the future does not carry the request.
        let response = self.sender.try_send_request(request);
        let driver = &mut self.driver;
        async {
            let mut response = pin!(response);
            poll_fn(|cx| {
                poll_driver(driver, cx);
                response.as_mut().poll(cx)
            })
            .await
        }
    }

    /// Returns whether a byte of the last response has arrived.
    pub(super) fn received_any(&self) -> bool {
        self.received_any.load(Ordering::Relaxed)
    }

    /// Returns whether the connection is open and waits for a request. Notices what the upstream
    /// has sent or closed in the meantime.
    pub(super) fn is_idle(&mut self) -> bool {
        poll_driver(&mut self.driver, &mut Context::from_waker(Waker::noop()));
        self.driver.is_some() && self.sender.is_ready()
    }
}

/// Polls a driver. The response or its body reports how the connection ended.
pub(super) fn poll_driver(driver: &mut Option<Driver>, cx: &mut Context<'_>) {
    if let Some(running) = driver
        && running.as_mut().poll(cx).is_ready()
    {
        *driver = None;
    }
}
