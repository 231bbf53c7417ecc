//! The question endpoint: one question in, one answer out, told as the model writes it.

use std::net::IpAddr;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use ask_core::access;
use ask_core::attempts::{Attempts, Now, budget};
use ask_core::completion::{self, About, Answer};
use ask_core::lang::Sentence;
use ask_core::query::Query;
use ask_core::rate;
use ask_core::refusal::Refusal;
use ask_core::reply::Caller;
use ask_core::route::{Arrival, receive};
use ask_core::settings::Fault;
use ask_core::shape::Shape;
use ask_core::stream::{Stream, broke_off};
use ask_core::{Asked, Failure, Received, Settings};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, request};
use http_body::Body;
use http_body_util::{BodyExt, Collected, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::app::App;
use crate::body::{FromCaller, ReplyBody, RequestBody};
use crate::exchange::{Exchange, random};
use crate::provider::{Reply, by};
use crate::tell::{SILENCE, State, tell};
use crate::unanswered::body_broke_off;

/// The platform carries no larger request and no larger reply, in bytes (583/11637).
const LARGEST: usize = 6 << 20;

/// Who shows no token may still be a widget that asks for its history, which takes no more, in bytes: nobody else is to
/// fill the memory.
const LARGEST_OF_STRANGERS: usize = 64 << 10;

/// Between two pieces of a question nobody is waited for longer: it is the time that a head has.
const PAUSE: Duration = Duration::from_secs(10);

/// A reply of the provider's that is larger holds no answer that the platform carries, in bytes.
const LARGEST_REPLY: usize = 32 << 20;

/// Replies to a request to the question endpoint.
pub(crate) async fn reply(
    mut exchange: Exchange,
    request: Request<Incoming>,
) -> Response<ReplyBody> {
    let app = exchange.app.clone();
    let (parts, body) = request.into_parts();
    let deadline = time(&app, &parts.headers).and_then(|time| exchange.began.checked_add(time));
    if let Some(deadline) = deadline {
        exchange.caller().ends_by(deadline);
    }
    let opened = opened(&app.settings, &parts);
    let largest = if opened.is_ok() { LARGEST } else { LARGEST_OF_STRANGERS };
    let body = match read(FromCaller::new(body, exchange.caller().clone()), largest, deadline).await
    {
        Ok(body) => body,
        Err(failure) => {
            let failure =
                opened.err().filter(|_| failure == Failure::BodyTooLarge).unwrap_or(failure);
            let reply = app.caller(&exchange, &parts.headers).failure(&failure);
            return exchange.whole(reply);
        }
    };
    let request = Request::from_parts(parts, body);
    let arrival =
        Arrival { request_id: &exchange.request_id, local: app.local, time: SystemTime::now() };
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
    let caller = asked.caller.clone();
    let mut finding: Finding = Box::pin(find(exchange, asked, deadline));
    let found = match caller.shape {
        // What stands between takes a connection without a word for a dead one, so that the status has to go now.
        Shape::Sse => match timeout(SILENCE, &mut finding).await {
            Ok(found) => found,
            Err(_) => {
                return tell(State::Finding(finding), &About::default(), "", caller, deadline);
            }
        },
        Shape::Text | Shape::Json | Shape::Ndjson => finding.await,
    };
    let Found { exchange, answered, model } = found;
    match answered {
        Ok(Answered::Whole(answer)) => whole(exchange, &caller, answer, &model),
        Ok(Answered::Begun(begun)) if caller.shape == Shape::Json => {
            match gather(begun, deadline).await {
                Ok(answer) => whole(exchange, &caller, answer, &model),
                Err(failure) => exchange.whole(caller.failure(&failure)),
            }
        }
        Ok(Answered::Begun(begun)) => {
            let about = begun.stream.about().clone();
            let asked_model = model.clone();
            tell(State::begun(exchange, begun, model), &about, &asked_model, caller, deadline)
        }
        Err(failure) => exchange.whole(caller.failure(&failure)),
    }
}

/// An answer that is being looked for.
pub(crate) type Finding = Pin<Box<dyn Future<Output = Found> + Send>>;

/// What came of it.
pub(crate) struct Found {
    pub(crate) exchange: Exchange,
    pub(crate) answered: Result<Answered, Failure>,
    /// The model that was asked last.
    pub(crate) model: String,
}

async fn find(mut exchange: Exchange, asked: Asked, deadline: Option<Instant>) -> Found {
    let app = exchange.app.clone();
    let mut attempts = Attempts::new(&app.settings, &app.memory(), Instant::now().into_std());
    let answered = answer(&mut exchange, &asked, &mut attempts, deadline).await;
    Found { exchange, answered, model: attempts.model().to_owned() }
}

/// How long an answer may take, from the arrival of the question: the platform's limit, and `ASK_TIMEOUT`.
fn time(app: &App, headers: &HeaderMap) -> Option<Duration> {
    let limit = headers.get("x-scf-timeout").filter(|_| app.on_scf);
    let limit =
        limit.and_then(|limit| limit.to_str().ok()?.parse().ok()).map(Duration::from_millis);
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

/// Whether the head of the request shows what it takes to ask.
fn opened(settings: &Settings, parts: &request::Parts) -> Result<(), Failure> {
    let query = Query::parse(parts.uri.query().unwrap_or_default().as_bytes())?;
    access::token(settings, &parts.headers, parts.uri.path(), &query, SystemTime::now())
}

/// The body of the request, where it is no larger and does not stop coming.
async fn read(
    body: FromCaller,
    largest: usize,
    deadline: Option<Instant>,
) -> Result<Vec<u8>, Failure> {
    if body.size_hint().lower() > largest as u64 {
        return Err(Failure::BodyTooLarge);
    }
    let mut body = Limited::new(body, largest);
    let mut read = Vec::new();
    loop {
        let patience = Instant::now() + PAUSE;
        let until = deadline.map_or(patience, |deadline| deadline.min(patience));
        match timeout_at(until, body.frame()).await {
            // Trailers say nothing that is needed.
            Ok(Some(Ok(frame))) => read.extend_from_slice(&frame.into_data().unwrap_or_default()),
            Ok(Some(Err(error))) if error.is::<LengthLimitError>() => {
                return Err(Failure::BodyTooLarge);
            }
            Ok(Some(Err(_))) => return Err(Failure::BodyUnreadable(body_broke_off())),
            Ok(None) => return Ok(read),
            Err(_) if deadline == Some(until) => return Err(Failure::Deadline),
            Err(_) => return Err(Failure::BodyUnreadable(body_stopped())),
        }
    }
}

fn body_stopped() -> Sentence {
    let seconds = PAUSE.as_secs();
    Sentence::new(
        format!("nothing of its body came for {seconds} s"),
        format!("请求体有 {seconds} 秒没有新数据"),
    )
}

/// What the provider answers.
pub(crate) enum Answered {
    Whole(Answer),
    Begun(Begun),
}

/// An answer of which some text has come.
pub(crate) struct Begun {
    pub(crate) text: String,
    pub(crate) stream: Stream,
    pub(crate) body: Reply,
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
    let (head, mut body) = app.provider()?.send(request, deadline).await?.into_parts();
    let mut first = None;
    // Not every provider streams because it was asked to, and not every one says what it sends.
    if streamed && head.status == StatusCode::OK && !is_json(&head.headers) {
        first = next_piece(&mut body, deadline).await?;
        if !first.as_ref().is_some_and(|first| first.trim_ascii_start().starts_with(b"{")) {
            return begin(first, body, Stream::new(app.mask.clone()), deadline).await;
        }
    }
    let collected =
        by(deadline, Limited::new(body, LARGEST_REPLY).collect()).await.ok_or(Failure::Deadline)?;
    let rest = match collected.map(Collected::to_bytes) {
        Ok(rest) => rest,
        // An error whose body breaks off is still that error: the status says enough.
        Err(_) if head.status != StatusCode::OK => Bytes::new(),
        Err(error) if error.is::<LengthLimitError>() => return Err(Failure::AnswerTooLarge.into()),
        Err(_) => return Err(broke_off()),
    };
    let body = [first.unwrap_or_default(), rest].concat();
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
    content_type.is_some_and(|value| {
        value.trim_start().to_ascii_lowercase().starts_with("application/json")
    })
}

/// Reads until there is something to show. Until then, a failure is a status, and may be tried again.
async fn begin(
    mut bytes: Option<Bytes>,
    mut body: Reply,
    mut stream: Stream,
    deadline: Option<Instant>,
) -> Result<Answered, Refusal> {
    let mut text = String::new();
    while let Some(some) = bytes {
        text.push_str(&stream.push(&some)?);
        if !text.trim().is_empty() {
            return Ok(Answered::Begun(Begun { text, stream, body }));
        }
        bytes = match stream.is_done() {
            true => None,
            false => next_piece(&mut body, deadline).await?,
        };
    }
    let last = stream.end()?;
    Ok(Answered::Whole(Answer { text: text + &last.text, about: last.about }))
}

async fn next_piece(body: &mut Reply, deadline: Option<Instant>) -> Result<Option<Bytes>, Refusal> {
    by(deadline, body.piece()).await.ok_or(Failure::Deadline)?.map_err(|_| broke_off())
}

/// Reads what has begun to its end. Where time runs out, what has come is the answer.
async fn gather(mut begun: Begun, deadline: Option<Instant>) -> Result<Answer, Failure> {
    while !begun.stream.is_done() {
        match by(deadline, begun.body.piece()).await {
            Some(Ok(Some(bytes))) => {
                begun.text += &begun.stream.push(&bytes).map_err(|refusal| refusal.failure)?;
            }
            Some(Ok(None)) => break,
            Some(Err(_)) => return Err(broke_off().failure),
            None => return Ok(begun.stream.so_far(begun.text)),
        }
    }
    let last = begun.stream.end().map_err(|refusal| refusal.failure)?;
    Ok(Answer { text: begun.text + &last.text, about: last.about })
}

/// Replies with an answer that is all there.
fn whole(
    mut exchange: Exchange,
    caller: &Caller,
    answer: Answer,
    model: &str,
) -> Response<ReplyBody> {
    let (about, said) =
        (answer.about.clone(), exchange.app.settings.log_text.then(|| answer.text.clone()));
    let reply = caller.answer(answer, model);
    if reply.body().len() > LARGEST {
        return exchange.whole(caller.failure(&Failure::AnswerTooLarge));
    }
    exchange.line.answered(&about, model);
    exchange.line.answer = said;
    exchange.whole(reply)
}
