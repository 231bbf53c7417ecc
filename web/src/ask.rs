//! The question endpoint: one question in, one answer out, told as the model writes it.

use std::io;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use ask_core::attempts::{Attempts, Now, budget};
use ask_core::completion::{self, About, Answer};
use ask_core::lang::{Lang, Sentence};
use ask_core::rate;
use ask_core::refusal::Refusal;
use ask_core::reply::{Events, X_ACCEL_BUFFERING, about_headers};
use ask_core::route::{Arrival, receive};
use ask_core::settings::Fault;
use ask_core::shape::Shape;
use ask_core::stream::{Stream, broke_off};
use ask_core::{Asked, Failure, Received, Settings};
use bytes::Bytes;
use futures_util::stream::unfold;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Collected, LengthLimitError, Limited, StreamBody};
use hyper::body::Incoming;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout};

use crate::app::App;
use crate::body::{FromCaller, ReplyBody, RequestBody};
use crate::exchange::{Exchange, random};
use crate::provider::{Reply, by};

/// The platform carries no larger request and no larger reply, in bytes (583/11637).
const LARGEST: usize = 6 << 20;

/// A reply of the provider's that is larger holds no answer that the platform carries, in bytes.
const LARGEST_REPLY: usize = 32 << 20;

/// Where the model is silent for so long, server-sent events give a sign of life.
const SILENCE: Duration = Duration::from_secs(15);

/// The end of a reply that has said all follows at once, or its connection is not worth waiting for.
const END: Duration = Duration::from_secs(1);

/// Replies to a request to the question endpoint.
pub(crate) async fn reply(mut exchange: Exchange, request: Request<Incoming>) -> Response<ReplyBody> {
    let app = exchange.app.clone();
    let (parts, body) = request.into_parts();
    let deadline = time(&app, &parts.headers).map(|time| exchange.began + time);
    let body = match read(FromCaller::new(body, exchange.caller().clone()), deadline).await {
        Ok(body) => body,
        Err(failure) => {
            let reply = app.caller(&exchange, &parts.headers).failure(&failure);
            return exchange.whole(reply);
        }
    };
    let request = Request::from_parts(parts, body);
    let arrival = Arrival { request_id: &exchange.request_id, local: app.local, time: SystemTime::now() };
    let asked = match receive(&app.settings, &request, arrival) {
        Received::Question(asked) => asked,
        Received::Reply(reply) => return exchange.whole(reply),
    };
    if let Err(failure) = app.count(address(&exchange, request.headers())) {
        return exchange.whole(asked.caller.failure(&failure));
    }
    if app.settings.log_text {
        exchange.line.question = asked.messages.last().map(|message| message.content.clone());
    }
    let mut attempts = Attempts::new(&app.settings, &app.memory(), Instant::now().into_std());
    let answered = answer(&mut exchange, &asked, &mut attempts, deadline).await;
    let model = attempts.model().to_owned();
    match answered {
        Ok(Answered::Whole(answer)) => whole(exchange, &asked, &answer, &model),
        Ok(Answered::Begun(begun)) if asked.caller.shape == Shape::Json => {
            match gather(begun, deadline).await {
                Ok(answer) => whole(exchange, &asked, &answer, &model),
                Err(failure) => exchange.whole(asked.caller.failure(&failure)),
            }
        }
        Ok(Answered::Begun(begun)) => tell(exchange, asked, begun, model, deadline),
        Err(failure) => exchange.whole(asked.caller.failure(&failure)),
    }
}

/// How long an answer may take, from the arrival of the question: the platform's limit, and `ASK_TIMEOUT`.
fn time(app: &App, headers: &HeaderMap) -> Option<Duration> {
    let limit = headers.get("x-scf-timeout").filter(|_| app.on_scf);
    let limit = limit.and_then(|limit| limit.to_str().ok()?.parse().ok()).map(Duration::from_millis);
    match limit {
        Some(limit) => Some(budget(&app.settings, Some(limit))),
        None => app.settings.timeout,
    }
}

/// Who asks: as the platform says (583/96099), else the other end of the connection.
fn address(exchange: &Exchange, headers: &HeaderMap) -> IpAddr {
    let named = headers.get("x-scf-remote-addr").filter(|_| exchange.app.on_scf);
    let named = named.and_then(|address| rate::address(address.to_str().ok()?));
    named.unwrap_or(exchange.caller().peer)
}

/// The body of the request.
async fn read(body: FromCaller, deadline: Option<Instant>) -> Result<Vec<u8>, Failure> {
    if body.size_hint().lower() > LARGEST as u64 {
        return Err(Failure::BodyTooLarge);
    }
    let read = by(deadline, Limited::new(body, LARGEST).collect()).await.ok_or(Failure::Deadline)?;
    read.map(|body| body.to_bytes().into()).map_err(|error| match error.is::<LengthLimitError>() {
        true => Failure::BodyTooLarge,
        false => Failure::BodyUnreadable(Sentence::new("its body broke off", "请求体中途断开")),
    })
}

/// What the provider answers.
enum Answered {
    Whole(Answer),
    Begun(Begun),
}

/// An answer of which some text has come.
struct Begun {
    text: String,
    stream: Stream,
    body: Reply,
}

/// Asks until an answer begins, or there is a failure that does not pass, or no time is left.
async fn answer(
    exchange: &mut Exchange,
    asked: &Asked,
    attempts: &mut Attempts<'_>,
    deadline: Option<Instant>,
) -> Result<Answered, Failure> {
    loop {
        let refusal = match attempt(exchange, asked, attempts, deadline).await {
            Ok(answered) => return Ok(answered),
            Err(refusal) => refusal,
        };
        let now = Instant::now();
        let left = deadline.map(|deadline| deadline.saturating_duration_since(now));
        let now = Now { instant: now.into_std(), time: SystemTime::now(), left };
        // The upper 53 bits make a fraction.
        let jitter = (random() >> 11) as f64 / (1_u64 << 53) as f64;
        let wait = attempts.after(refusal, &mut exchange.app.memory(), now, jitter)?;
        sleep(wait).await;
    }
}

async fn attempt(
    exchange: &mut Exchange,
    asked: &Asked,
    attempts: &Attempts<'_>,
    deadline: Option<Instant>,
) -> Result<Answered, Refusal> {
    let app = exchange.app.clone();
    let streamed = asked.caller.shape != Shape::Json || app.settings.partial;
    let key = attempts.key().map_or("", |key| key.expose());
    let body = completion::request(&app.settings, attempts.model(), &asked.messages, streamed);
    let request = post(&app.settings, key, body, streamed)?;
    exchange.ask();
    let (head, body) = app.provider()?.send(request, deadline).await?.into_parts();
    if streamed && head.status == StatusCode::OK && !is_json(&head.headers) {
        return begin(body, Stream::new(app.mask.clone()), deadline).await;
    }
    let collected =
        by(deadline, Limited::new(body, LARGEST_REPLY).collect()).await.ok_or(Failure::Deadline)?;
    let body = collected.map(Collected::to_bytes).map_err(|error| match error.is::<LengthLimitError>() {
        true => Failure::AnswerTooLarge.into(),
        false => broke_off(),
    })?;
    completion::read(head.status, &head.headers, &body, &app.mask).map(Answered::Whole)
}

/// The question as the provider takes it.
fn post(
    settings: &Settings,
    key: &str,
    body: Vec<u8>,
    streamed: bool,
) -> Result<Request<RequestBody>, Failure> {
    let accept = if streamed { "text/event-stream, application/json" } else { "application/json" };
    let unfit = |_| Failure::Config(Fault::new("OPENAI_API_KEY", "cannot be sent", "无法发送"));
    let mut authorization = HeaderValue::try_from(format!("Bearer {key}")).map_err(unfit)?;
    authorization.set_sensitive(true);
    let base_url = &settings.base_url;
    Request::builder()
        .method(Method::POST)
        .uri(format!("{}/chat/completions", base_url.path))
        .header(HOST, &base_url.authority)
        .header(AUTHORIZATION, authorization)
        .header(CONTENT_TYPE, "application/json")
        .header(ACCEPT, accept)
        .header(USER_AGENT, concat!("scf-ask/", env!("CARGO_PKG_VERSION")))
        .body(RequestBody::Whole(Some(body.into())))
        .map_err(|_| Failure::Config(Fault::new("OPENAI_BASE_URL", "cannot be asked", "无法访问")))
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|value| value.trim_start().to_ascii_lowercase().starts_with("application/json"))
}

/// Reads until there is something to show. Until then, a failure is a status, and may be tried again.
async fn begin(mut body: Reply, mut stream: Stream, deadline: Option<Instant>) -> Result<Answered, Refusal> {
    let mut text = String::new();
    while text.trim().is_empty() {
        let bytes =
            by(deadline, piece(&mut body)).await.ok_or(Failure::Deadline)?.map_err(|_| broke_off())?;
        match bytes {
            Some(bytes) if !stream.is_done() => text.push_str(&stream.push(&bytes)?),
            _ => {
                let last = stream.end()?;
                return Ok(Answered::Whole(Answer { text: text + &last.text, about: last.about }));
            }
        }
    }
    Ok(Answered::Begun(Begun { text, stream, body }))
}

/// The next bytes; nothing at the end.
async fn piece(body: &mut Reply) -> Result<Option<Bytes>, hyper::Error> {
    while let Some(frame) = body.frame().await {
        // Trailers say nothing that is needed.
        if let Ok(bytes) = frame?.into_data() {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

/// Reads what has begun to its end. Where time runs out, what has come is the answer.
async fn gather(mut begun: Begun, deadline: Option<Instant>) -> Result<Answer, Failure> {
    while !begun.stream.is_done() {
        match by(deadline, piece(&mut begun.body)).await {
            Some(Ok(Some(bytes))) => {
                begun.text += &begun.stream.push(&bytes).map_err(|refusal| refusal.failure)?;
            }
            Some(Ok(None)) => break,
            Some(Err(_)) => return Err(broke_off().failure),
            None => return Ok(so_far(begun.text, begun.stream.about())),
        }
    }
    let last = begun.stream.end().map_err(|refusal| refusal.failure)?;
    Ok(Answer { text: begun.text + &last.text, about: last.about })
}

/// What has arrived when time ran out.
fn so_far(text: String, about: &About) -> Answer {
    Answer { text, about: About { finish_reason: Some("deadline".into()), ..about.clone() } }
}

/// Replies with an answer that is all there.
fn whole(mut exchange: Exchange, asked: &Asked, answer: &Answer, model: &str) -> Response<ReplyBody> {
    let reply = asked.caller.answer(answer, model);
    if reply.body().len() > LARGEST {
        return exchange.whole(asked.caller.failure(&Failure::AnswerTooLarge));
    }
    exchange.line.answered(&answer.about, model);
    if exchange.app.settings.log_text {
        exchange.line.answer = Some(answer.text.clone());
    }
    exchange.whole(reply)
}

/// Replies with an answer that is still being written.
fn tell(
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
                false => match by(Some(until), piece(&mut open.body)).await {
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
        let rest = async move { while let Ok(Some(_)) = piece(&mut body).await {} };
        tokio::spawn(timeout(END, rest));
    }
}
