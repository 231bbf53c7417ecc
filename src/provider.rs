//! The provider, asked over ureq: one request at a time, all of it inside a deadline.

use std::io::{self, BufRead, BufReader, Read};
use std::time::{Duration, Instant};

use ask_core::attempts::Attempts;
use ask_core::completion::{self, Answer};
use ask_core::egress::{Egress, EgressKind};
use ask_core::lang::Sentence;
use ask_core::question::Message;
use ask_core::refusal::Refusal;
use ask_core::secret::Mask;
use ask_core::settings::Fault;
use ask_core::stream::{Stream, broke_off};
use ask_core::{Failure, Settings};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode, Uri};
use ureq::{Agent, Body, Error, Proxy, ProxyProtocol};

use crate::connect::{self, Unopened};
use crate::tls;
use crate::traffic::Traffic;

/// No connection takes longer to open; the address behind a name may be unreachable without a word.
const CONNECT: Duration = Duration::from_secs(10);

/// A connection that was idle for longer is not used again: a frozen instance does not see it go.
const IDLE: Duration = Duration::from_secs(30);

/// Room for what comes and what goes, in bytes. A reply's head must fit, all else may take several turns.
const INPUT: usize = 64 * 1024;
const OUTPUT: usize = 16 * 1024;

/// A reply that is larger holds no answer that the platform carries, in bytes.
const LARGEST_REPLY: u64 = 32 << 20;

/// The way to the provider, with the connection that is kept.
pub(crate) struct Provider {
    agent: Agent,
    traffic: Traffic,
    url: Uri,
    mask: Mask,
}

impl Provider {
    /// Reads the roots and chooses the proxy; nothing is sent. Fails where `SSL_CERT_FILE` cannot be used.
    pub(crate) fn new(settings: &Settings) -> Result<Self, Fault> {
        let roots = tls::roots(settings.cert_file.as_deref())?;
        let config = Agent::config_builder()
            .proxy(settings.egress.as_ref().map(proxy).transpose()?)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT))
            .max_idle_age(IDLE)
            .input_buffer_size(INPUT)
            .output_buffer_size(OUTPUT)
            .user_agent(concat!("scf-ask/", env!("CARGO_PKG_VERSION")))
            .build();
        let unusable = |_| Fault::new("OPENAI_BASE_URL", "cannot be used", "无法使用");
        let url = settings.base_url.completions().try_into().map_err(unusable)?;
        let traffic = Traffic::default();
        let agent = connect::agent(config, roots, traffic.clone());
        Ok(Self { agent, traffic, url, mask: settings.mask() })
    }

    /// One attempt at an answer. With `partial`, what has arrived at the deadline is the answer.
    pub(crate) fn ask(
        &self,
        settings: &Settings,
        attempts: &Attempts,
        messages: &[Message],
        deadline: Instant,
    ) -> Result<Answer, Refusal> {
        let body = completion::request(settings, attempts.model(), messages, settings.partial);
        let key = attempts.key().map_or("", |key| key.expose());
        let (head, body) = self.post(key, &body, settings.partial, deadline)?.into_parts();
        let length = body.content_length().unwrap_or(0).min(LARGEST_REPLY);
        let mut body = BufReader::new(body.into_with_config().limit(LARGEST_REPLY).reader());
        // Not every provider streams because it was asked to, and not every one says what it sends.
        if settings.partial && head.status == StatusCode::OK {
            let first = first_visible(&mut body).map_err(|error| broken(error.into(), deadline))?;
            if first != Some(b'{') {
                return self.read_stream(body, deadline);
            }
        }
        let mut whole = Vec::with_capacity(length as usize);
        if let Err(error) = body.read_to_end(&mut whole) {
            let refusal = broken(error.into(), deadline);
            // An error whose body breaks off is still that error: the status says enough.
            if head.status == StatusCode::OK || refusal.failure == Failure::Deadline {
                return Err(refusal);
            }
        }
        completion::read(head.status, &head.headers, &whole, &self.mask)
    }

    /// Posts the question. A connection that was kept may have gone since, which costs a new one and no more.
    fn post(
        &self,
        key: &str,
        body: &[u8],
        stream: bool,
        deadline: Instant,
    ) -> Result<Response<Body>, Refusal> {
        let accept =
            if stream { "text/event-stream, application/json" } else { "application/json" };
        let mut authorization = HeaderValue::try_from(format!("Bearer {key}")).map_err(|_| {
            Failure::Config(Fault::new("OPENAI_API_KEY", "cannot be sent", "无法发送"))
        })?;
        authorization.set_sensitive(true);
        let send = || {
            let left = deadline.saturating_duration_since(Instant::now());
            self.agent
                .post(self.url.clone())
                .config()
                .timeout_global(Some(left))
                .build()
                .header(AUTHORIZATION, authorization.clone())
                .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
                .header(ACCEPT, HeaderValue::from_static(accept))
                .send(body)
        };
        let (opened, heard) = (self.traffic.opened(), self.traffic.heard());
        let is_silent = || self.traffic.heard() == heard;
        let reply = match send() {
            Err(Error::Io(_)) if self.traffic.opened() == opened && is_silent() => send(),
            reply => reply,
        };
        reply.map_err(|error| match error {
            // The model may have been at work already.
            Error::Io(_) if !is_silent() => broke_off(),
            error => unanswered(error, deadline),
        })
    }

    fn read_stream(&self, mut body: impl Read, deadline: Instant) -> Result<Answer, Refusal> {
        let mut stream = Stream::new(self.mask.clone());
        let mut text = String::new();
        let mut bytes = [0; 8 * 1024];
        while !stream.is_done() {
            match body.read(&mut bytes) {
                Ok(0) => break,
                Ok(read) => text.push_str(&stream.push(&bytes[..read])?),
                Err(error) => {
                    let refusal = broken(error.into(), deadline);
                    return match refusal.failure {
                        Failure::Deadline if !text.trim().is_empty() => Ok(stream.so_far(text)),
                        _ => Err(refusal),
                    };
                }
            }
        }
        let last = stream.end()?;
        Ok(Answer { text: text + &last.text, about: last.about })
    }
}

/// Skips the blanks that some send while the model thinks, and looks at what comes then; nothing at the end.
fn first_visible(body: &mut impl BufRead) -> io::Result<Option<u8>> {
    loop {
        let bytes = body.fill_buf()?;
        let blanks = bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let (first, is_end) = (bytes.get(blanks).copied(), bytes.is_empty());
        body.consume(blanks);
        if first.is_some() || is_end {
            return Ok(first);
        }
    }
}

/// The proxy as ureq takes it.
fn proxy(egress: &Egress) -> Result<Proxy, Fault> {
    let protocol = match egress.kind {
        EgressKind::Http => ProxyProtocol::Http,
        EgressKind::Socks5 => ProxyProtocol::Socks5,
        EgressKind::Socks5h => ProxyProtocol::Socks5h,
    };
    let mut proxy = Proxy::builder(protocol)
        .host(&egress.host)
        .port(egress.port)
        .resolve_target(egress.kind == EgressKind::Socks5);
    if let Some((user, password)) = &egress.login {
        proxy = proxy.username(user.expose()).password(password.expose());
    }
    proxy.build().map_err(|_| Fault::new("HTTPS_PROXY", "cannot be used", "无法使用"))
}

/// Why there is no reply.
fn unanswered(error: Error, deadline: Instant) -> Refusal {
    match error {
        Error::Other(other) => match other.downcast::<Unopened>() {
            Ok(unopened) => unreached(*unopened, deadline),
            Err(other) => failed(&other.to_string()).into(),
        },
        Error::Timeout(_) => Failure::Deadline.into(),
        Error::Io(_) => {
            let said = Sentence::new(
                "it closed the connection without an answer",
                "它没有回答就断开了连接",
            );
            Refusal::passing(Failure::UpstreamFailed(said))
        }
        other => failed(&other.to_string()).into(),
    }
}

/// Why no connection was opened.
fn unreached(unopened: Unopened, deadline: Instant) -> Refusal {
    let (said, passing) = match unopened {
        Unopened::Connection(Error::Timeout(_)) if is_over(deadline) => {
            return Failure::Deadline.into();
        }
        Unopened::Connection(Error::Timeout(_)) => {
            (Sentence::new("it does not take the connection", "对方没有接受连接"), true)
        }
        Unopened::Connection(error) => (Sentence::new(error.to_string(), error.to_string()), true),
        Unopened::Name(host) => {
            let zh = format!("无法解析域名 {host}");
            (Sentence::new(format!("the name {host} cannot be resolved"), zh), true)
        }
        Unopened::Tls(why) => {
            (Sentence::new(format!("TLS: {why}"), format!("TLS 错误：{why}")), false)
        }
        Unopened::Proxy(why) => (
            Sentence::new(
                format!("the proxy does not connect: {why}"),
                format!("代理没有接通：{why}"),
            ),
            false,
        ),
    };
    Refusal { passing, ..Failure::UpstreamUnreachable(said).into() }
}

/// Why a reply that began is not whole.
fn broken(error: Error, deadline: Instant) -> Refusal {
    match error {
        Error::Timeout(_) => Failure::Deadline.into(),
        Error::BodyExceedsLimit(_) => Failure::AnswerTooLarge.into(),
        _ if is_over(deadline) => Failure::Deadline.into(),
        _ => broke_off(),
    }
}

fn failed(why: &str) -> Failure {
    Failure::UpstreamFailed(Sentence::new(
        format!("it does not speak HTTP: {why}"),
        format!("它说的不是 HTTP：{why}"),
    ))
}

/// Behind a SOCKS proxy, ureq waits for whole milliseconds, one cut for each address of a name: what it gives up just
/// before the deadline, it gives up because of it.
fn is_over(deadline: Instant) -> bool {
    Instant::now() + Duration::from_millis(20) >= deadline
}
