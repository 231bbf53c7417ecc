//! An answer that is told as the model writes it.

use std::io;
use std::time::Duration;

use ask_core::lang::Lang;
use ask_core::reply::{Events, X_ACCEL_BUFFERING, about_headers};
use ask_core::stream::{Stream, broke_off};
use ask_core::{Asked, Failure};
use futures_util::stream::unfold;
use http::{HeaderValue, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, StreamBody};
use tokio::task::yield_now;
use tokio::time::{Instant, timeout};

use crate::ask::Begun;
use crate::body::ReplyBody;
use crate::exchange::Exchange;
use crate::provider::{Reply, by};

/// Where the model is silent for so long, server-sent events give a sign of life.
const SILENCE: Duration = Duration::from_secs(15);

/// The end of a reply that has said all follows at once, or its connection is not worth waiting for.
const END: Duration = Duration::from_secs(1);

/// Replies with an answer that is still being written.
pub(crate) fn tell(
    mut exchange: Exchange,
    asked: Asked,
    begun: Begun,
    model: String,
    deadline: Option<Instant>,
) -> Response<ReplyBody> {
    let Begun { text, stream, body } = begun;
    let caller = asked.caller;
    let mut events = Events::new(caller.shape);
    let first = [events.begin(), events.piece(&text)].concat();
    let mut reply = caller.reply(StatusCode::OK, caller.shape.content_type(), "");
    reply.headers_mut().extend(about_headers(stream.about(), &model));
    reply.headers_mut().insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    exchange.replied(&reply);
    exchange.line.answer = exchange.app.settings.log_text.then_some(text);
    let telling = Telling {
        first: Some(first),
        open: Some(Open { exchange, stream, body }),
        events,
        lang: caller.lang,
        model,
        deadline,
    };
    reply.map(|_| {
        let frames = unfold(telling, |mut telling| async {
            let frame = telling.next().await?;
            Some((frame.map(|bytes| Frame::data(bytes.into())), telling))
        });
        StreamBody::new(frames).boxed_unsync()
    })
}

/// An answer that is being told.
struct Telling {
    first: Option<Vec<u8>>,
    /// Nothing once it has ended.
    open: Option<Open>,
    events: Events,
    lang: Lang,
    model: String,
    deadline: Option<Instant>,
}

/// An answer of which more is to come.
struct Open {
    exchange: Exchange,
    stream: Stream,
    body: Reply,
}

impl Telling {
    /// The next bytes for the caller; nothing after the end, and an error where it is broken off.
    async fn next(&mut self) -> Option<io::Result<Vec<u8>>> {
        if let Some(first) = self.first.take() {
            return Some(Ok(first));
        }
        loop {
            let mut open = self.open.take()?;
            let until = Instant::now() + SILENCE;
            let until = self.deadline.map_or(until, |deadline| deadline.min(until));
            let bytes = match open.stream.is_done() {
                true => Ok(None),
                false => match by(Some(until), open.body.piece()).await {
                    Some(bytes) => bytes,
                    None if self.deadline == Some(until) => return self.run_out(open).await,
                    None => {
                        self.open = Some(open);
                        match self.events.keep_alive() {
                            Some(sign) => return Some(Ok(sign.to_vec())),
                            None => continue,
                        }
                    }
                },
            };
            let pushed = match bytes {
                Ok(Some(bytes)) => open.stream.push(&bytes),
                Ok(None) => return self.end(open).await,
                Err(_) => Err(broke_off()),
            };
            let text = match pushed {
                Ok(text) => text,
                Err(refusal) => return self.fail(open.exchange, refusal.failure).await,
            };
            open.log(&text);
            self.open = Some(open);
            let piece = self.events.piece(&text);
            if !piece.is_empty() {
                return Some(Ok(piece));
            }
        }
    }

    /// The provider has said all.
    async fn end(&mut self, mut open: Open) -> Option<io::Result<Vec<u8>>> {
        let answer = match std::mem::take(&mut open.stream).end() {
            Ok(answer) => answer,
            Err(refusal) => return self.fail(open.exchange, refusal.failure).await,
        };
        open.log(&answer.text);
        open.exchange.line.answered(&answer.about, &self.model);
        open.exchange.end();
        read_to_end(open.body);
        let last = [self.events.piece(&answer.text), self.events.end()].concat();
        (!last.is_empty()).then_some(Ok(last))
    }

    /// Time has run out in the middle of the answer.
    async fn run_out(&mut self, mut open: Open) -> Option<io::Result<Vec<u8>>> {
        if !open.exchange.app.settings.partial {
            return self.fail(open.exchange, Failure::Deadline).await;
        }
        open.exchange.line.answered(open.stream.about(), &self.model);
        open.exchange.end();
        let last = self.events.end();
        (!last.is_empty()).then_some(Ok(last))
    }

    async fn fail(&mut self, exchange: Exchange, failure: Failure) -> Option<io::Result<Vec<u8>>> {
        if let Some(last) = self.events.failure(&failure, self.lang) {
            exchange.fail(failure.code());
            return Some(Ok(last));
        }
        exchange.break_off(failure.code());
        // What has come before is the caller's: hyper hands it over when there is nothing more at the moment.
        yield_now().await;
        Some(Err(io::Error::other(failure.code())))
    }
}

impl Open {
    /// Adds to the answer in the log, where it is wanted.
    fn log(&mut self, text: &str) {
        if let Some(answer) = &mut self.exchange.line.answer {
            answer.push_str(text);
        }
    }
}

/// Reads what is left of a reply that has said all, so that its connection can be kept.
fn read_to_end(mut body: Reply) {
    if !body.is_end_stream() {
        let rest = async move { while let Ok(Some(_)) = body.piece().await {} };
        tokio::spawn(timeout(END, rest));
    }
}
