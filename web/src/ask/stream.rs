//! Streams an answer to the client as the model writes it.

use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ask_core::completion::{CompletionInfo, End};
use ask_core::response::{AnswerEncoder, Responder, X_ACCEL_BUFFERING, add_answer_headers};
use ask_core::{Failure, Format};
use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
use http::{HeaderValue, Response, StatusCode};
use http_body::{Body, Frame};
use tokio::time::{Instant, timeout_at};

use super::completion::{
    Completion, CompletionResult, PendingCompletion, StreamingCompletion, drain,
};
use crate::downstream::{BodyError, CallStats, ReplyBody};
use crate::state::AppState;
use crate::upstream::with_deadline;

/// Interval of keep-alives while the model has no new text.
pub(super) const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// An answer that is being streamed.
pub(super) struct AnswerStream {
    phase: Phase,
    encoder: AnswerEncoder,
    responder: Responder,
    /// The time of the next keep-alive. The upstream may send chunks without text for long.
    keep_alive_at: Instant,
    deadline: Option<Instant>,
    state: Arc<AppState>,
    stats: Arc<CallStats>,
}

/// The progress of an answer.
pub(super) enum Phase {
    /// No text has arrived.
    Waiting(PendingCompletion),
    /// The first text has arrived and is not sent yet.
    FirstChunk(Box<StreamingCompletion>),
    /// More text may arrive.
    Streaming(Box<StreamingCompletion>),
    /// The answer has ended.
    Done,
}

/// A piece of the response body.
struct Piece {
    bytes: Result<Bytes, BodyError>,
    is_last: bool,
}

impl Piece {
    fn next(bytes: impl Into<Bytes>) -> Self {
        Self { bytes: Ok(bytes.into()), is_last: false }
    }

    fn last(bytes: impl Into<Bytes>) -> Self {
        Self { bytes: Ok(bytes.into()), is_last: true }
    }
}

impl AnswerStream {
    /// Creates a stream in this phase.
    pub(super) fn new(
        phase: Phase,
        responder: Responder,
        deadline: Option<Instant>,
        state: Arc<AppState>,
        stats: Arc<CallStats>,
    ) -> Self {
        let keep_alive_at = match phase {
            // The client has already waited `KEEP_ALIVE_INTERVAL`, so send a keep-alive at once.
            Phase::Waiting(_) => Instant::now(),
            _ => Instant::now() + KEEP_ALIVE_INTERVAL,
        };
        let encoder = AnswerEncoder::new(responder.format);
        Self { phase, encoder, responder, keep_alive_at, deadline, state, stats }
    }

    /// Returns the response that streams the answer.
    pub(super) fn into_response(
        self,
        info: &CompletionInfo,
        requested_model: &str,
    ) -> Response<ReplyBody> {
        let content_type = self.responder.format.content_type();
        let mut response = self.responder.response(StatusCode::OK, content_type, "");
        add_answer_headers(response.headers_mut(), info, requested_model);
        response.headers_mut().insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
        let pieces = unfold(self, |mut answer| async {
            let piece = answer.next().await?;
            answer.keep_alive_at = Instant::now() + KEEP_ALIVE_INTERVAL;
            Some((piece, answer))
        });
        response.map(|_| ReplyBody::stream(AnswerBody { pieces: Box::pin(pieces), ended: false }))
    }

    /// Returns the next piece, or `None` after the end.
    async fn next(&mut self) -> Option<Piece> {
        loop {
            let piece = match mem::replace(&mut self.phase, Phase::Done) {
                Phase::Waiting(mut pending) => {
                    match timeout_at(self.keep_alive_at, &mut pending).await {
                        Ok(result) => self.start(result),
                        Err(_) => {
                            self.phase = Phase::Waiting(pending);
                            self.keep_alive()
                        }
                    }
                }
                Phase::FirstChunk(mut streaming) => {
                    let mut bytes = self.encoder.start();
                    bytes.extend(self.encode(&streaming.decoder.take_text()));
                    self.phase = Phase::Streaming(streaming);
                    Some(Piece::next(bytes))
                }
                Phase::Streaming(streaming) => self.read(streaming).await,
                Phase::Done => return None,
            };
            if piece.is_some() {
                return piece;
            }
        }
    }

    /// Handles the result of a completion that was waited for. The status line has been sent.
    fn start(&mut self, result: CompletionResult) -> Option<Piece> {
        match result.completion {
            Ok(Completion::Streaming(streaming)) => {
                self.phase = Phase::FirstChunk(streaming);
                None
            }
            Ok(Completion::Buffered(answer)) => {
                let start = self.encoder.start();
                let text = self.encode(&answer.text);
                Some(self.finish(&answer.info, &result.model, [start, text].concat()))
            }
            Err(failure) => Some(self.fail(&failure)),
        }
    }

    /// Reads the next chunk. Returns `None` if it has no text.
    async fn read(&mut self, mut streaming: Box<StreamingCompletion>) -> Option<Piece> {
        let until = self.deadline.map_or(self.keep_alive_at, |end| end.min(self.keep_alive_at));
        let end = match streaming.decoder.is_done() {
            true => End::Eof,
            false => match with_deadline(Some(until), streaming.body.chunk()).await {
                Some(Ok(Some(bytes))) => {
                    if let Err(error) = streaming.decoder.decode(&bytes) {
                        return Some(self.fail(&error.failure));
                    }
                    let text = self.encode(&streaming.decoder.take_text());
                    self.phase = Phase::Streaming(streaming);
                    return (!text.is_empty()).then(|| Piece::next(text));
                }
                Some(Ok(None)) => End::Eof,
                Some(Err(_)) => End::Truncated,
                None if self.deadline == Some(until) => return Some(self.time_out(streaming)),
                None => {
                    self.phase = Phase::Streaming(streaming);
                    return self.keep_alive();
                }
            },
        };
        let StreamingCompletion { decoder, body, model } = *streaming;
        drain(body);
        match decoder.finish(end) {
            Ok(answer) => {
                let text = self.encode(&answer.text);
                Some(self.finish(&answer.info, &model, text))
            }
            Err(error) => Some(self.fail(&error.failure)),
        }
    }

    /// Encodes new text, and records it if answers are logged.
    fn encode(&mut self, text: &str) -> Vec<u8> {
        if self.state.settings.log_text {
            self.stats.add_answer(text);
        }
        self.encoder.piece(text)
    }

    /// Returns the keep-alive, if the format has one.
    fn keep_alive(&mut self) -> Option<Piece> {
        self.keep_alive_at = Instant::now() + KEEP_ALIVE_INTERVAL;
        self.encoder.keep_alive().map(Piece::next)
    }

    /// Ends the stream at the deadline. With `ASK_PARTIAL`, the text so far is the answer. Plain
    /// text cannot tell its finish reason, and a cut text must not look complete.
    fn time_out(&mut self, streaming: Box<StreamingCompletion>) -> Piece {
        let partial = self.state.settings.partial && self.responder.format != Format::Text;
        match streaming.decoder.time_out(partial) {
            Ok(answer) => self.finish(&answer.info, &streaming.model, Vec::new()),
            Err(error) => self.fail(&error.failure),
        }
    }

    fn finish(&mut self, info: &CompletionInfo, model: &str, mut bytes: Vec<u8>) -> Piece {
        self.stats.set_completion(info, model);
        bytes.extend(self.encoder.finish(info));
        Piece::last(bytes)
    }

    fn fail(&mut self, failure: &Failure) -> Piece {
        match self.encoder.failure(failure, self.responder.lang) {
            Some(bytes) => {
                self.stats.set_code(failure.code());
                Piece::last(bytes)
            }
            None => Piece { bytes: Err(BodyError { code: failure.code() }), is_last: true },
        }
    }
}

/// The body of a response that streams an answer.
struct AnswerBody<S> {
    pieces: Pin<Box<S>>,
    ended: bool,
}

impl<S: Stream<Item = Piece>> Body for AnswerBody<S> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let piece = ready!(self.pieces.as_mut().poll_next(cx));
        self.ended = piece.as_ref().is_none_or(|piece| piece.is_last);
        Poll::Ready(match piece.map(|piece| piece.bytes) {
            // The end of a text has no bytes of its own.
            Some(Ok(bytes)) if bytes.is_empty() => None,
            Some(bytes) => Some(bytes.map(Frame::data)),
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}
