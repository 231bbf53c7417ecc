//! Gets the completion of a question: one attempt after another.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ask_core::completion::{AttemptError, CurrentTime, Decoder, End, Retry, request};
use ask_core::{Answer, AskRequest, Failure, Format};
use ask_host::random;
use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Uri};
use http_body::Body as _;
use tokio::time::{Instant, sleep, timeout};

use crate::downstream::CallStats;
use crate::state::AppState;
use crate::upstream::{RequestBody, UpstreamBody, with_deadline};

/// Time for the rest of a complete reply. It follows at once, or its connection is not worth it.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// A completion in progress.
pub(super) type PendingCompletion = Pin<Box<dyn Future<Output = CompletionResult> + Send>>;

/// The result of the attempts at one question.
pub(super) struct CompletionResult {
    pub(super) completion: Result<Completion, Failure>,
    /// The model of the last attempt.
    pub(super) model: String,
}

/// An answer, or the start of one.
pub(super) enum Completion {
    /// A complete answer.
    Buffered(Answer),
    /// A stream whose first text has arrived.
    Streaming(Box<StreamingCompletion>),
}

/// An answer of which more may arrive.
pub(super) struct StreamingCompletion {
    pub(super) decoder: Decoder,
    pub(super) body: UpstreamBody,
    pub(super) model: String,
}

/// Makes attempts until an answer starts, a failure is not retryable, or the deadline passes.
pub(super) async fn complete(
    state: Arc<AppState>,
    stats: Arc<CallStats>,
    ask: AskRequest,
    deadline: Option<Instant>,
) -> CompletionResult {
    let now = Instant::now().into_std();
    let mut retry = {
        let model = ask.model.as_deref();
        Retry::new(&state.settings, model, &state.cooldowns(), now, random())
    };
    let completion = loop {
        let error = match attempt(&state, &stats, &ask, &retry, deadline).await {
            Ok(completion) => break Ok(completion),
            Err(error) => error,
        };
        let now = Instant::now();
        let remaining = deadline.map(|deadline| deadline.saturating_duration_since(now));
        let now = CurrentTime { instant: now.into_std(), system: SystemTime::now(), remaining };
        let next = retry.next_attempt(error, &mut state.cooldowns(), now, random());
        match next {
            Ok(wait) => sleep(wait).await,
            Err(failure) => break Err(failure),
        }
    };
    CompletionResult { completion, model: retry.model().to_owned() }
}

async fn attempt(
    state: &AppState,
    stats: &CallStats,
    ask: &AskRequest,
    retry: &Retry<'_>,
    deadline: Option<Instant>,
) -> Result<Completion, AttemptError> {
    let settings = &state.settings;
    let is_buffered = ask.responder.format == Format::Json;
    let stream = !is_buffered || settings.partial;
    let request = request(settings, retry.key(), retry.model(), &ask.messages, stream)?;
    let upstream = state.upstream()?;
    stats.start_attempt();
    let response = upstream.send(origin_form(request), deadline).await?;
    let (head, mut body) = response.into_parts();
    let mut decoder = Decoder::new(head.status, &head.headers, state.redactor.clone());
    let end = loop {
        if decoder.is_done() {
            drain(body);
            break End::Eof;
        }
        if decoder.has_text() && !is_buffered {
            let model = retry.model().to_owned();
            let streaming = StreamingCompletion { decoder, body, model };
            return Ok(Completion::Streaming(Box::new(streaming)));
        }
        match with_deadline(deadline, body.chunk()).await {
            Some(Ok(Some(bytes))) => decoder.decode(&bytes)?,
            Some(Ok(None)) => break End::Eof,
            Some(Err(_)) => break End::Truncated,
            None => return decoder.time_out(settings.partial).map(Completion::Buffered),
        }
    };
    decoder.finish(end).map(Completion::Buffered)
}

/// Converts a request with an absolute URL to the form that hyper's connections send.
fn origin_form(request: Request<Vec<u8>>) -> Request<RequestBody> {
    let (mut parts, body) = request.into_parts();
    let uri = std::mem::take(&mut parts.uri).into_parts();
    // An authority that was parsed fits into a header.
    if let Some(host) =
        uri.authority.and_then(|authority| HeaderValue::try_from(authority.as_str()).ok())
    {
        parts.headers.insert(HOST, host);
    }
    parts.uri = uri.path_and_query.map(Uri::from).unwrap_or_default();
    Request::from_parts(parts, RequestBody::Full(Some(Bytes::from(body))))
}

/// Reads the rest of a complete reply in the background, so that its connection can be reused.
pub(super) fn drain(mut body: UpstreamBody) {
    if !body.is_end_stream() {
        let rest = async move { while let Ok(Some(_)) = body.chunk().await {} };
        tokio::spawn(timeout(DRAIN_TIMEOUT, rest));
    }
}
