//! The handler of the event function: an event in, a reply out, a line in the log.

use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use ask_core::access::{RateLimiter, parse_address};
use ask_core::access_log::{LogEntry, exit_line, millis, open_line, setting_error_line};
use ask_core::completion::{Cooldowns, Message, Retry, budget, request};
use ask_core::json::replace_lone_surrogates;
use ask_core::request::RequestContext;
use ask_core::settings::{Redactor, ReplyForm};
use ask_core::{Answer, AskRequest, Failure, Settings};
use ask_host::{print_line, random, random_id};
use http::{Request, Response};
use scf_runtime::Context;
use scf_runtime::http::{Event, MAX_REPLY, envelope};

use crate::attempts::first_success;
use crate::upstream::UpstreamClient;

/// Handles events one by one.
pub(crate) struct Handler {
    settings: Settings,
    redactor: Redactor,
    /// `None` if the settings are invalid. Then no question reaches it.
    upstream: Option<UpstreamClient>,
    cooldowns: Cooldowns,
    rate_limiter: RateLimiter,
}

/// The statistics of one question.
#[derive(Default)]
struct CallStats {
    attempts: u32,
    upstream: Duration,
    model: String,
}

impl Handler {
    /// Takes the settings, valid or not. An invalid one becomes the answer to every question.
    pub(crate) fn new(mut settings: Settings) -> Self {
        let upstream =
            UpstreamClient::new(&settings).map_err(|error| settings.errors.push(error)).ok();
        Self {
            redactor: settings.redactor(),
            settings,
            upstream,
            cooldowns: Cooldowns::default(),
            rate_limiter: RateLimiter::default(),
        }
    }

    /// Logs an invalid setting, and a warning if no token is set.
    pub(crate) fn log_start(&self) {
        if let Some(error) = self.settings.error() {
            print_line(&setting_error_line(&error));
        }
        if self.settings.is_open() {
            print_line(&open_line());
        }
    }

    /// Logs why the process exits.
    pub(crate) fn log_exit(&self, reason: &str) {
        print_line(&exit_line(reason, &self.redactor));
    }

    /// Handles one event. Writes the log line before it returns: the instance is frozen right after
    /// the reply.
    pub(crate) fn handle(&mut self, event: Vec<u8>, context: &Context) -> anyhow::Result<Vec<u8>> {
        let request_id = match context.request_id.as_str() {
            "" => random_id(),
            id => id.to_owned(),
        };
        let request_context =
            RequestContext { request_id: &request_id, local: false, now: SystemTime::now() };
        let settings = &self.settings;
        let mut address = None;
        let (mut entry, parsed) = match read_event(event) {
            Event::Http(request) => {
                address = client_address(&request);
                let parsed = AskRequest::from_request(settings, &request, request_context);
                (LogEntry::new(&request, &request_id), parsed)
            }
            Event::TooLong(request) => {
                let response = AskRequest::reject_long_query(settings, &request, request_context);
                (LogEntry::new(&request, &request_id), Err(Box::new(response)))
            }
            Event::Other(event) => {
                (event_entry(&request_id), AskRequest::from_event(settings, &event, &request_id))
            }
            // An invalid event has no question either.
            Event::Unreadable { .. } => {
                (event_entry(&request_id), AskRequest::from_event(settings, b"", &request_id))
            }
        };
        entry.cold = context.cold;
        let (response, responder) = match parsed {
            Err(response) => (*response, None),
            Ok(ask) => {
                let deadline = context.received + budget(&self.settings, context.time_limit);
                let response = match self.check_rate(address) {
                    Err(failure) => ask.responder.failure(&failure),
                    Ok(()) => self.answer(&ask, deadline, &mut entry),
                };
                (response, Some(ask.responder))
            }
        };
        entry.set_response(&response);
        let reply = match (self.encode(response), responder) {
            (Some(reply), _) => reply,
            (None, Some(responder)) => {
                let response = responder.failure(&Failure::AnswerTooLarge);
                entry.set_response(&response);
                self.encode(response).unwrap_or_default()
            }
            (None, None) => anyhow::bail!("the reply is larger than the platform carries"),
        };
        entry.ms = millis(context.received.elapsed());
        print_line(&entry.into_line(&self.redactor));
        Ok(reply)
    }

    fn check_rate(&mut self, address: Option<IpAddr>) -> Result<(), Failure> {
        match (address, self.settings.rate) {
            (Some(address), Some(rate)) => self.rate_limiter.check(address, rate, Instant::now()),
            _ => Ok(()),
        }
    }

    fn answer(
        &mut self,
        ask: &AskRequest,
        deadline: Instant,
        entry: &mut LogEntry,
    ) -> Response<Vec<u8>> {
        let mut stats = CallStats::default();
        let answer = self.complete(&ask.messages, ask.model.as_deref(), deadline, &mut stats);
        entry.attempts = stats.attempts;
        entry.upstream_ms = Some(millis(stats.upstream));
        if self.settings.log_text {
            entry.question = Some(ask.question().into_owned());
            entry.answer = answer.as_ref().ok().map(|answer| answer.text.clone());
        }
        match answer {
            Ok(answer) => {
                entry.set_completion(&answer.info, &stats.model);
                ask.responder.answer(answer, &stats.model)
            }
            Err(failure) => ask.responder.failure(&failure),
        }
    }

    /// Makes attempts until there is an answer, a failure that is not retryable, or the deadline
    /// passes.
    fn complete(
        &mut self,
        messages: &[Message],
        model: Option<&str>,
        deadline: Instant,
        stats: &mut CallStats,
    ) -> Result<Answer, Failure> {
        let Some(upstream) = &self.upstream else {
            // Unreachable: without it, the settings have an error, and no question comes here.
            return Err(Failure::Deadline);
        };
        let settings = &self.settings;
        let start = Instant::now();
        let mut retry = Retry::new(settings, model, &self.cooldowns, start, random());
        let attempt = |retry: &Retry| {
            let (key, model) = (retry.key(), retry.model());
            let request = || request(settings, key, model, messages, settings.partial);
            upstream.complete(request, settings.partial, deadline)
        };
        let answer =
            first_success(&mut retry, &mut self.cooldowns, deadline, thread::sleep, attempt);
        stats.attempts = retry.attempts;
        stats.upstream = start.elapsed();
        stats.model = retry.model().to_owned();
        answer
    }

    /// Returns the reply to post, or `None` if it is larger than the platform carries.
    fn encode(&self, response: Response<Vec<u8>>) -> Option<Vec<u8>> {
        match self.settings.reply_form {
            ReplyForm::Envelope => envelope(response).ok(),
            ReplyForm::Passthrough => {
                Some(response.into_body()).filter(|body| body.len() <= MAX_REPLY)
            }
        }
    }
}

/// Returns the client's address. Some gateways add a port.
///
/// <https://cloud.tencent.com/document/product/583/96099>
fn client_address<B>(request: &Request<B>) -> Option<IpAddr> {
    parse_address(request.headers().get("x-scf-remote-addr")?.to_str().ok()?)
}

/// Parses an event. A lone surrogate in a string, such as half of an emoji, becomes U+FFFD.
fn read_event(event: Vec<u8>) -> Event {
    match Event::read(event) {
        Event::Unreadable { event, error } => match replace_lone_surrogates(&event) {
            Some(repaired) => Event::read(repaired),
            None => Event::Unreadable { event, error },
        },
        event => event,
    }
}

/// Starts the log line of an event that is not an HTTP request.
fn event_entry(request_id: &str) -> LogEntry {
    let mut entry = LogEntry::new(&Request::new(()), request_id);
    entry.method.clear();
    entry
}
