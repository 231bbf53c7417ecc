//! The provider, asked over hyper: connections are kept for the next request, and each is driven by the task that waits
//! for what comes out of it. A task of its own for the connection would cost a wake-up per piece.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use ask_core::proxy::transfer_coding;
use ask_core::settings::{Fault, Settings};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout_at};
use tokio_util::io::InspectReader;

use crate::body::RequestBody;
use crate::connect::{Connector, Unopened};
use crate::unanswered::Unanswered;

/// A connection that was idle for longer is not used again: a frozen instance does not see it go. A frozen process hears
/// of it from one clock, a machine that was halted as a whole from the other.
const IDLE: Duration = Duration::from_secs(60);

/// In so short a time nobody has frozen the process, or it is of no matter.
const FRESH: Duration = Duration::from_millis(10);

/// So many idle connections are kept: as many as an instance serves requests at a time (583/47183).
const MOST_IDLE: usize = 100;

/// Read and write buffers grow to this size at most, and so does the head of a reply, in bytes.
const LARGEST_BUFFER: usize = 64 * 1024;

/// The way to the provider, with the connections that are kept.
pub(crate) struct Provider {
    connector: Connector,
    idle: Mutex<VecDeque<Idle>>,
}

struct Idle {
    link: Link,
    since: (Instant, SystemTime),
}

/// What reads and writes on a connection whenever it is polled.
type Running = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// One connection.
struct Link {
    sender: SendRequest<RequestBody>,
    /// What drives it; nothing once it has ended.
    connection: Option<Running>,
    /// Whether a byte of the reply has come.
    heard: Arc<AtomicBool>,
}

impl Provider {
    /// Opens nothing. Fails where the settings do not allow for a connection.
    pub(crate) fn new(settings: &Settings) -> Result<Self, Fault> {
        Ok(Self { connector: Connector::new(settings)?, idle: Mutex::default() })
    }

    /// Sends a request, whose `Host` is set, and waits for the head of the reply, until the deadline where there is one. A
    /// kept connection that has gone since costs a new one and no more, unless a request went with it that may not be
    /// done twice, or whose body can be read only once.
    pub(crate) async fn send(
        self: &Arc<Self>,
        mut request: Request<RequestBody>,
        deadline: Option<Instant>,
    ) -> Result<Response<Reply>, Unanswered> {
        let mut anew = false;
        loop {
            let kept = if anew { None } else { self.kept().await };
            let was_kept = kept.is_some();
            let again = kept.as_ref().and_then(|_| again(&request));
            let mut link = match kept {
                Some(link) => link,
                // Boxed, since most requests need none.
                None => Box::pin(self.open(deadline)).await?,
            };
            let answered = {
                let answered = pin!(link.exchange(request));
                by(deadline, answered).await.ok_or(Unanswered::Late)?
            };
            let mut error = match answered {
                // Whoever gets the body could not tell where it ends, or what it is.
                Ok(response) if transfer_coding(response.headers()).is_err() => {
                    return Err(Unanswered::NotHttp(
                        "a transfer coding that nobody asked for".into(),
                    ));
                }
                Ok(response) => return Ok(self.reply(response, link)),
                Err(error) => error,
            };
            request = match error.take_message() {
                Some(request) if was_kept => request,
                None if is_gone(error.error()) && !link.has_heard() => {
                    // It may have been read: other kept ones are not tried, too.
                    anew = true;
                    *again.ok_or(Unanswered::Silent)?
                }
                _ => return Err(unanswered(error.error(), link.has_heard())),
            };
        }
    }

    fn reply(self: &Arc<Self>, response: Response<Incoming>, link: Link) -> Response<Reply> {
        let mut response =
            response.map(|body| Reply { body, link: Some(link), provider: self.clone() });
        // Nobody reads a body that is none.
        if response.body().is_end_stream() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
            response.body_mut().release();
        }
        response
    }

    async fn open(&self, deadline: Option<Instant>) -> Result<Link, Unanswered> {
        let wire = self.connector.connect(deadline).await.map_err(|unopened| match unopened {
            Unopened::Timeout if deadline.is_some_and(|deadline| deadline <= Instant::now()) => {
                Unanswered::Late
            }
            unopened => Unanswered::Unopened(unopened),
        })?;
        let heard = Arc::new(AtomicBool::new(false));
        let hears = heard.clone();
        let wire = InspectReader::new(wire, move |bytes: &[u8]| {
            // The end comes as nothing.
            if !bytes.is_empty() {
                hears.store(true, Ordering::Relaxed);
            }
        });
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(LARGEST_BUFFER)
            .writev(false)
            .handshake(TokioIo::new(wire))
            .await
            .map_err(|error| Unanswered::NotHttp(error.to_string()))?;
        Ok(Link { sender, connection: Some(Box::pin(connection.with_upgrades())), heard })
    }

    /// A kept connection that is still there, the one used last first.
    async fn kept(&self) -> Option<Link> {
        if self.idle().back().is_some_and(|last| last.age() > FRESH) {
            // The request may have been read before what else happened while the process was frozen was looked at.
            yield_now().await;
        }
        let mut kept_ones = self.idle();
        while let Some(mut kept) = kept_ones.pop_back() {
            if kept.age() < IDLE && kept.link.is_idle() {
                return Some(kept.link);
            }
        }
        None
    }

    fn keep(&self, link: Link) {
        let mut idle = self.idle();
        while idle.len() >= MOST_IDLE || idle.front().is_some_and(|first| first.age() >= IDLE) {
            idle.pop_front();
        }
        idle.push_back(Idle { link, since: (Instant::now(), SystemTime::now()) });
    }

    fn idle(&self) -> MutexGuard<'_, VecDeque<Idle>> {
        // The list is whole whenever the lock is free.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Idle {
    fn age(&self) -> Duration {
        let (since, time) = self.since;
        // A clock that was set back tells nothing.
        since.elapsed().max(time.elapsed().unwrap_or_default())
    }
}

impl Link {
    /// Sends a request, and waits for the head of the reply.
    fn exchange(
        &mut self,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>> {
        self.heard.store(false, Ordering::Relaxed);
        // Not an async function: it would carry the request about, which is sent right here.
        let reply = self.sender.try_send_request(request);
        let connection = &mut self.connection;
        async {
            let mut reply = pin!(reply);
            poll_fn(|cx| {
                drive(connection, cx);
                reply.as_mut().poll(cx)
            })
            .await
        }
    }

    /// Whether a byte of the reply to the last request has come.
    fn has_heard(&self) -> bool {
        self.heard.load(Ordering::Relaxed)
    }

    /// Whether it waits for a request. What the other side has sent or closed meanwhile is noticed here; nobody waits for
    /// what it does next.
    fn is_idle(&mut self) -> bool {
        drive(&mut self.connection, &mut Context::from_waker(Waker::noop()));
        self.connection.is_some() && self.sender.is_ready()
    }
}

/// Lets the connection read and write what it can. How it ended is told to whoever waits for the reply or its body.
fn drive(connection: &mut Option<Running>, cx: &mut Context<'_>) {
    if let Some(running) = connection
        && running.as_mut().poll(cx).is_ready()
    {
        *connection = None;
    }
}

/// What comes of it by the deadline.
pub(crate) async fn by<T>(
    deadline: Option<Instant>,
    waited_for: impl Future<Output = T>,
) -> Option<T> {
    match deadline {
        Some(deadline) => timeout_at(deadline, waited_for).await.ok(),
        None => Some(waited_for.await),
    }
}

/// The request as it can be sent again; nothing where it may not be done twice, or its body can be read only once.
fn again(request: &Request<RequestBody>) -> Option<Box<Request<RequestBody>>> {
    let mut again = Request::new(request.body().again(request.method())?);
    *again.method_mut() = request.method().clone();
    *again.uri_mut() = request.uri().clone();
    *again.headers_mut() = request.headers().clone();
    Some(Box::new(again))
}

/// Whether the connection has gone.
fn is_gone(error: &hyper::Error) -> bool {
    let is_io =
        std::error::Error::source(error).is_some_and(|source| source.is::<std::io::Error>());
    is_io || error.is_canceled() || error.is_closed() || error.is_incomplete_message()
}

fn unanswered(error: &hyper::Error, has_heard: bool) -> Unanswered {
    match is_gone(error) {
        // The request's body is all that comes from our side.
        _ if error.is_user() => Unanswered::BadBody,
        true if has_heard => Unanswered::BrokeOff,
        true => Unanswered::Silent,
        false => Unanswered::NotHttp(error.to_string()),
    }
}

/// The body of the provider's reply. Its connection is kept once it has been read to its end, and closed where it has
/// not.
pub(crate) struct Reply {
    body: Incoming,
    link: Option<Link>,
    provider: Arc<Provider>,
}

impl Reply {
    /// The next bytes; nothing at the end.
    pub(crate) async fn piece(&mut self) -> Result<Option<Bytes>, hyper::Error> {
        while let Some(frame) = self.frame().await {
            // Trailers say nothing that is needed.
            if let Ok(bytes) = frame?.into_data() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    /// The body has ended: the connection may serve the next request.
    fn release(&mut self) {
        if let Some(mut link) = self.link.take()
            && link.is_idle()
        {
            self.provider.keep(link);
        }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let reply = &mut *self;
        let mut frame = Pin::new(&mut reply.body).poll_frame(cx);
        if frame.is_pending()
            && let Some(link) = &mut reply.link
        {
            // Asking for a frame has made the connection willing to read one.
            drive(&mut link.connection, cx);
            frame = Pin::new(&mut reply.body).poll_frame(cx);
        }
        if matches!(frame, Poll::Ready(None)) || reply.body.is_end_stream() {
            reply.release();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::timeout;

    use super::*;

    /// A connection, and the provider's end of it.
    async fn opened(provider: &Provider, listener: &TcpListener) -> (Link, TcpStream) {
        let link = provider.open(None).await.unwrap();
        (link, listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn what_was_idle_for_too_long_is_closed_when_another_is_kept() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let settings =
            Settings::read(|name| (name == "OPENAI_BASE_URL").then(|| url.clone().into()));
        let provider = Provider::new(&settings).unwrap();
        let (old, mut of_old) = opened(&provider, &listener).await;
        let (young, of_young) = opened(&provider, &listener).await;
        let (new, _of_new) = opened(&provider, &listener).await;

        provider.keep(old);
        provider.keep(young);
        // The machine was halted meanwhile: one of the clocks has gone on.
        provider.idle()[0].since.1 -= IDLE;
        provider.idle()[1].since.1 -= IDLE / 2;
        provider.keep(new);
        let end = timeout(Duration::from_secs(20), of_old.read(&mut [0])).await.expect("an end");
        assert_eq!(end.unwrap(), 0);
        assert_eq!(provider.idle().len(), 2);
        of_young.try_read(&mut [0]).expect_err("still open");
    }
}
