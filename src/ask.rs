//! The event function: an event in, a reply out, a line in the log.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::Write;
use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use ask_core::attempts::{Attempts, Memory, Now, budget};
use ask_core::completion::Answer;
use ask_core::log::{self, Line};
use ask_core::question::Message;
use ask_core::rate::{self, Rates};
use ask_core::route::{Arrival, receive, receive_event, receive_too_long};
use ask_core::secret::Mask;
use ask_core::settings::ReplyForm;
use ask_core::{Asked, Failure, Received, Settings};
use http::{Request, Response};
use scf_runtime::Context;
use scf_runtime::http::{Event, MAX_REPLY, envelope};

use crate::provider::Provider;

/// Answers questions, one at a time.
pub(crate) struct Ask {
    settings: Settings,
    mask: Mask,
    /// Nothing where the settings do not allow for one; then no question gets that far.
    provider: Option<Provider>,
    memory: Memory,
    rates: Rates,
}

/// How an answer came about.
#[derive(Default)]
struct Effort {
    attempts: u32,
    upstream: Duration,
    model: String,
}

impl Ask {
    /// Takes the settings, sound or not: what is wrong with them becomes the answer to every question.
    pub(crate) fn new(mut settings: Settings) -> Self {
        let provider = Provider::new(&settings).map_err(|fault| settings.faults.push(fault)).ok();
        Self {
            mask: settings.mask(),
            settings,
            provider,
            memory: Memory::default(),
            rates: Rates::default(),
        }
    }

    /// Says on standard output what the owner should know from the start.
    pub(crate) fn announce(&self) {
        if let Some(fault) = self.settings.fault() {
            print(&log::fault(&fault));
        }
        if self.settings.is_open() {
            print(&log::open());
        }
    }

    /// Says on standard output why there will be no more answers.
    pub(crate) fn end(&self, why: &str) {
        print(&log::ended(why, &self.mask));
    }

    /// Replies to one event. The line in the log is written before the reply is handed over, since the instance is frozen
    /// right after.
    pub(crate) fn reply(&mut self, event: Vec<u8>, context: &Context) -> anyhow::Result<Vec<u8>> {
        let request_id = match context.request_id.as_str() {
            "" => format!("{:016x}", random()),
            named => named.to_owned(),
        };
        let arrival = Arrival { request_id: &request_id, local: false, time: SystemTime::now() };
        let mut address = None;
        let (mut line, received) = match Event::read(event) {
            Event::Http(request) => {
                address = remote_address(&request);
                let received = receive(&self.settings, &request, arrival);
                (Line::new(&request, &request_id), received)
            }
            Event::TooLong(request) => {
                let refused = receive_too_long(&self.settings, &request, arrival);
                (Line::new(&request, &request_id), Received::Reply(refused))
            }
            Event::Other(event) => {
                (unrequested(&request_id), receive_event(&self.settings, &event, &request_id))
            }
            // What cannot be read holds no question.
            Event::Unreadable(_) => {
                (unrequested(&request_id), receive_event(&self.settings, b"", &request_id))
            }
        };
        line.cold = context.cold;
        let (reply, caller) = match received {
            Received::Reply(reply) => (reply, None),
            Received::Question(asked) => {
                let deadline = context.received + budget(&self.settings, context.time_limit);
                let reply = match self.too_often(address) {
                    Some(failure) => asked.caller.failure(&failure),
                    None => self.reply_to(&asked, deadline, &mut line),
                };
                (reply, Some(asked.caller))
            }
        };
        line.replied(&reply);
        let bytes = match (self.bytes(reply), caller) {
            (Some(bytes), _) => bytes,
            (None, Some(caller)) => {
                let failure = caller.failure(&Failure::AnswerTooLarge);
                line.replied(&failure);
                self.bytes(failure).unwrap_or_default()
            }
            (None, None) => anyhow::bail!("the reply is larger than the platform carries"),
        };
        line.ms = millis(context.received.elapsed());
        print(&line.write(&self.mask));
        Ok(bytes)
    }

    /// Counts a question of this address, and says where there were too many.
    fn too_often(&mut self, address: Option<IpAddr>) -> Option<Failure> {
        self.rates.count(address?, self.settings.rate?, Instant::now()).err()
    }

    fn reply_to(&mut self, asked: &Asked, deadline: Instant, line: &mut Line) -> Response<Vec<u8>> {
        let mut effort = Effort::default();
        let answer = self.answer(&asked.messages, deadline, &mut effort);
        line.attempts = effort.attempts;
        line.upstream_ms = Some(millis(effort.upstream));
        if self.settings.log_text {
            line.question = asked.messages.last().map(|message| message.content.clone());
            line.answer = answer.as_ref().ok().map(|answer| answer.text.clone());
        }
        match answer {
            Ok(answer) => {
                line.answered(&answer.about, &effort.model);
                asked.caller.answer(answer, &effort.model)
            }
            Err(failure) => asked.caller.failure(&failure),
        }
    }

    /// Asks until there is an answer, a failure that does not pass, or no time left.
    fn answer(
        &mut self,
        messages: &[Message],
        deadline: Instant,
        effort: &mut Effort,
    ) -> Result<Answer, Failure> {
        // A provider is there whenever the settings are sound, and only then does a question come here.
        let Some(provider) = &self.provider else { return Err(Failure::Deadline) };
        let began = Instant::now();
        let mut attempts = Attempts::new(&self.settings, &self.memory, began);
        let answer = loop {
            let refusal = match provider.ask(&self.settings, &attempts, messages, deadline) {
                Ok(answer) => break Ok(answer),
                Err(refusal) => refusal,
            };
            let now = Now {
                instant: Instant::now(),
                time: SystemTime::now(),
                left: Some(deadline.saturating_duration_since(Instant::now())),
            };
            // The upper 53 bits make a fraction.
            let jitter = (random() >> 11) as f64 / (1_u64 << 53) as f64;
            match attempts.after(refusal, &mut self.memory, now, jitter) {
                Ok(wait) => thread::sleep(wait),
                Err(failure) => break Err(failure),
            }
        };
        effort.attempts = attempts.count;
        effort.upstream = began.elapsed();
        effort.model = attempts.model().to_owned();
        answer
    }

    /// The reply as it is posted; nothing where it is larger than the platform carries.
    fn bytes(&self, reply: Response<Vec<u8>>) -> Option<Vec<u8>> {
        match self.settings.reply_form {
            ReplyForm::Envelope => envelope(reply).ok(),
            ReplyForm::Passthrough => {
                Some(reply.into_body()).filter(|body| body.len() <= MAX_REPLY)
            }
        }
    }

    /// Answers one question from a command line.
    pub(crate) fn once(&mut self, question: &str) -> Result<String, Failure> {
        if let Some(fault) = self.settings.fault() {
            return Err(Failure::Config(fault));
        }
        let messages = ask_core::question::alone(question, &self.settings)?;
        let deadline = Instant::now() + budget(&self.settings, None);
        self.answer(&messages, deadline, &mut Effort::default()).map(|answer| answer.text)
    }
}

/// Who asks, as the platform says (document 583/96099); some captures have a port behind it.
fn remote_address<B>(request: &Request<B>) -> Option<IpAddr> {
    rate::address(request.headers().get("x-scf-remote-addr")?.to_str().ok()?)
}

/// The line of an event that is no request.
fn unrequested(request_id: &str) -> Line {
    let mut line = Line::new(&Request::new(()), request_id);
    line.method.clear();
    line
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}

/// A random number, from the keys that the standard library draws for its hash maps.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Writes a line into the log. Where there is no log any more, the answer still counts.
fn print(line: &[u8]) {
    let _ = std::io::stdout().write_all(line);
}
