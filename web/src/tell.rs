//! An answer that is told as the model writes it.

use std::time::Duration;
use std::{io, mem};

use ask_core::Failure;
use ask_core::completion::About;
use ask_core::lang::Lang;
use ask_core::reply::{Caller, Events, X_ACCEL_BUFFERING, about_headers};
use ask_core::stream::{Stream, broke_off};
use futures_util::stream::unfold;
use http::{HeaderValue, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, StreamBody};
use tokio::task::yield_now;
use tokio::time::{Instant, timeout, timeout_at};

use crate::ask::{Answered, Begun, Finding, Found};
use crate::body::ReplyBody;
use crate::exchange::Exchange;
use crate::provider::{Reply, by};

/// Where the model is silent for so long, server-sent events give a sign of life.
pub(crate) const SILENCE: Duration = Duration::from_secs(15);

/// The end of a reply that has said all follows at once, or its connection is not worth waiting for.
const END: Duration = Duration::from_secs(1);

/// Replies with an answer that is told as it comes.
pub(crate) fn tell(
    state: State,
    about: &About,
    asked_model: &str,
    caller: Caller,
    deadline: Option<Instant>,
) -> Response<ReplyBody> {
    let mut reply = caller.reply(StatusCode::OK, caller.shape.content_type(), "");
    reply.headers_mut().extend(about_headers(about, asked_model));
    reply.headers_mut().insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    // Where nothing has come yet, the silence has been borne already.
    let until = match state {
        State::Finding(_) => Instant::now(),
        _ => Instant::now() + SILENCE,
    };
    let events = Events::new(caller.shape);
    let telling = Telling { state, events, lang: caller.lang, silent_until: until, deadline };
    reply.map(|_| {
        let frames = unfold(telling, |mut telling| async {
            let frame = telling.next().await?;
            telling.silent_until = Instant::now() + SILENCE;
            Some((frame.map(|bytes| Frame::data(bytes.into())), telling))
        });
        StreamBody::new(frames).boxed_unsync()
    })
}

/// An answer that is being told.
struct Telling {
    state: State,
    events: Events,
    lang: Lang,
    /// When the caller is due a sign of life; what the provider sends may hold nothing to show for long.
    silent_until: Instant,
    deadline: Option<Instant>,
}

/// How far an answer has come.
pub(crate) enum State {
    /// It is being looked for.
    Finding(Finding),
    /// Its first text has come.
    Begun(Open, String),
    /// More is to come.
    Open(Open),
    /// All has been told.
    Over,
}

impl State {
    /// An answer of which the first text has come.
    pub(crate) fn begun(mut exchange: Exchange, begun: Begun, model: String) -> Self {
        let Begun { text, stream, body } = begun;
        exchange.line.status = StatusCode::OK.as_u16();
        exchange.line.answer = exchange.app.settings.log_text.then(|| text.clone());
        Self::Begun(Open { exchange, stream, body, model }, text)
    }
}

/// An answer of which more is to come.
pub(crate) struct Open {
    exchange: Exchange,
    stream: Stream,
    body: Reply,
    model: String,
}

impl Telling {
    /// The next bytes for the caller; nothing after the end, and an error where it is broken off.
    async fn next(&mut self) -> Option<io::Result<Vec<u8>>> {
        loop {
            let told = match mem::replace(&mut self.state, State::Over) {
                State::Finding(mut finding) => {
                    match timeout_at(self.silent_until, &mut finding).await {
                        Ok(found) => self.found(found).await,
                        Err(_) => {
                            self.state = State::Finding(finding);
                            self.sign_of_life()
                        }
                    }
                }
                State::Begun(open, text) => {
                    self.state = State::Open(open);
                    Some(Ok([self.events.begin(), self.events.piece(&text)].concat()))
                }
                State::Open(open) => self.more(open).await,
                State::Over => return None,
            };
            if told.is_some() {
                return told;
            }
        }
    }

    /// What came of the search, after the status had gone.
    async fn found(&mut self, found: Found) -> Option<io::Result<Vec<u8>>> {
        let Found { mut exchange, answered, model } = found;
        exchange.line.status = StatusCode::OK.as_u16();
        match answered {
            Ok(Answered::Begun(begun)) => {
                self.state = State::begun(exchange, begun, model);
                None
            }
            Ok(Answered::Whole(answer)) => {
                exchange.line.answered(&answer.about, &model);
                exchange.line.answer = exchange.app.settings.log_text.then(|| answer.text.clone());
                exchange.end();
                Some(Ok([self.events.begin(), self.events.piece(&answer.text), self.events.end()]
                    .concat()))
            }
            Err(failure) => self.fail(exchange, failure).await,
        }
    }

    /// What comes next of an open answer; nothing where it holds nothing to show.
    async fn more(&mut self, mut open: Open) -> Option<io::Result<Vec<u8>>> {
        let until =
            self.deadline.map_or(self.silent_until, |deadline| deadline.min(self.silent_until));
        let bytes = match open.stream.is_done() {
            true => Ok(None),
            false => match by(Some(until), open.body.piece()).await {
                Some(bytes) => bytes,
                None if self.deadline == Some(until) => return self.run_out(open).await,
                None => {
                    self.state = State::Open(open);
                    return self.sign_of_life();
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
        self.state = State::Open(open);
        let piece = self.events.piece(&text);
        (!piece.is_empty()).then_some(Ok(piece))
    }

    /// Only server-sent events have one; other shapes go on in silence.
    fn sign_of_life(&mut self) -> Option<io::Result<Vec<u8>>> {
        self.silent_until = Instant::now() + SILENCE;
        self.events.keep_alive().map(|sign| Ok(sign.to_vec()))
    }

    /// The provider has said all.
    async fn end(&mut self, mut open: Open) -> Option<io::Result<Vec<u8>>> {
        let answer = match mem::take(&mut open.stream).end() {
            Ok(answer) => answer,
            Err(refusal) => return self.fail(open.exchange, refusal.failure).await,
        };
        open.log(&answer.text);
        open.exchange.line.answered(&answer.about, &open.model);
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
        open.exchange.line.answered(open.stream.about(), &open.model);
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
