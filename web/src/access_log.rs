//! The access log: one line per request.

use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use ask_core::access_log::{LogEntry, millis};
use ask_host::print_line;
use bytes::Bytes;
use http::header::UPGRADE;
use http::{Request, Response, Version};
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use crate::downstream::{BodyError, CallStats, ClientHandle, ReplyBody, RequestGuard, RequestInfo};
use crate::state::AppState;

/// The logged status of a request whose client left before the response. nginx uses it too.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// Writes the line of one request: when the response is complete, before its last piece is sent.
///
/// An instance may be frozen right after the last piece. If the guard is dropped earlier, the
/// client has left.
pub(crate) struct AccessLog {
    state: Arc<AppState>,
    client: Arc<ClientHandle>,
    entry: Box<LogEntry>,
    stats: Arc<CallStats>,
    received: Instant,
    version: Version,
    is_written: bool,
    _guard: RequestGuard,
}

impl AccessLog {
    /// Starts the line of a request.
    pub(crate) fn start<B: Body>(
        state: Arc<AppState>,
        request: &Request<B>,
        info: &RequestInfo,
    ) -> Self {
        let mut entry = Box::new(LogEntry::new(request, &info.id));
        entry.cold = state.cold.swap(false, Ordering::Relaxed);
        let has_body = !request.body().is_end_stream();
        let is_upgrade = request.headers().contains_key(UPGRADE);
        Self {
            state,
            client: info.client.clone(),
            entry,
            stats: info.stats.clone(),
            received: info.received,
            version: request.version(),
            is_written: false,
            _guard: info.client.clone().start_request(has_body, is_upgrade),
        }
    }

    /// Attaches the log to a response. The line is written with the end of the body.
    pub(crate) fn attach(mut self, response: Response<ReplyBody>) -> Response<LoggedBody> {
        self.entry.set_response(&response);
        // hyper may not ask for the frames of a complete body, as in the response to HEAD.
        let is_complete = matches!(response.body(), ReplyBody::Full(_));
        if is_complete || response.body().is_end_stream() {
            self.write();
        }
        response.map(|body| LoggedBody { body, log: Some(self), error: None })
    }

    /// Writes the line of an aborted response.
    fn abort(&mut self, code: &str) {
        if self.version < Version::HTTP_11 {
            self.client.reset_on_close();
        }
        self.entry.code = Some(code.to_owned());
        self.write();
    }

    fn write(&mut self) {
        if mem::replace(&mut self.is_written, true) {
            return;
        }
        let mut entry = mem::take(&mut *self.entry);
        let stats = self.stats.take();
        entry.ms = millis(self.received.elapsed());
        entry.attempts = stats.attempts;
        entry.upstream_ms = stats.upstream_start.map(|start| millis(start.elapsed()));
        if let Some((info, requested_model)) = &stats.completion {
            entry.set_completion(info, requested_model);
        }
        if let Some(code) = stats.code {
            entry.code = Some(code.to_owned());
        }
        entry.question = stats.question;
        entry.answer = stats.answer;
        print_line(&entry.into_line(&self.state.redactor));
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        if self.is_written {
            return;
        }
        if self.entry.status == 0 {
            self.entry.status = CLIENT_CLOSED_REQUEST;
        }
        let code = if self.client.deadline_passed() { "deadline" } else { "caller_left" };
        self.entry.code = Some(code.into());
        self.write();
    }
}

/// The body of a response with its log.
pub(crate) struct LoggedBody {
    body: ReplyBody,
    /// `None` after the body has ended.
    log: Option<AccessLog>,
    /// An error that is returned with the next poll.
    error: Option<BodyError>,
}

impl LoggedBody {
    /// Ends the request, and lets the connection take the next one.
    fn end(&mut self) {
        if let Some(mut log) = self.log.take() {
            log.write();
        }
    }
}

impl Body for LoggedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(error) = self.error.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) => {
                if self.body.is_end_stream() {
                    self.end();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                if let Some(mut log) = self.log.take() {
                    log.abort(error.code);
                }
                // hyper sends what came before when no frame is ready.
                self.error = Some(error);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            None => {
                self.end();
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.error.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
