//! Asks the provider, and shows the answer as it comes.

use std::thread;
use std::time::{Duration, Instant};

use ask_core::completion::{
    AttemptError, CompletionInfo, Cooldowns, Decoder, End, ImageUrl, Message, Retry, budget,
    request,
};
use ask_core::lang::{Lang, Localized};
use ask_core::request::single;
use ask_core::{Answer, Failure, Settings};
use ask_host::random;

use super::error::{Error, sentence};
use super::finish::check_finish_reason;
use super::output::{Output, print_error};
use super::pictures::with_pictures;
use super::variables::Variables;
use crate::attempts::first_success;
use crate::upstream::{BodyError, READ_BUFFER, UpstreamClient, UpstreamResponse};

/// The time for an answer without `ASK_TIMEOUT`.
pub(super) const TIME_LIMIT: Duration = Duration::from_secs(600);

/// A wait before a retry that is worth a line on standard error.
const LONG_WAIT: Duration = Duration::from_secs(2);

/// An answer, or the start of one.
enum Completion {
    /// A complete answer.
    Whole(Answer),
    /// A stream whose first text has arrived.
    Streaming(Box<Streaming>),
}

struct Streaming {
    decoder: Decoder,
    response: UpstreamResponse,
}

/// Asks a question, with pictures or without, and writes the answer.
///
/// # Errors
/// If there is no answer, or not all of it. What has arrived is written before.
pub(super) fn ask(
    variables: &Variables,
    question: &str,
    pictures: &[ImageUrl],
    output: &mut Output,
    lang: Lang,
) -> Result<(), Error> {
    let mut settings = variables.settings();
    if let Some(error) = settings.error() {
        return Err(Error::Failed(variables.explain(&error)));
    }
    if variables.source("ASK_MAX_QUESTION").is_none() {
        // The default limits the cost of a public function.
        settings.max_question = usize::MAX;
    }
    let client =
        UpstreamClient::new(&settings).map_err(|error| Error::Failed(variables.explain(&error)))?;
    let messages = single(question, &settings)?.into_iter();
    let messages: Vec<_> = messages.map(|message| with_pictures(message, pictures)).collect();
    let now = Instant::now();
    let deadline = now + settings.timeout.unwrap_or(TIME_LIMIT);
    let mut cooldowns = Cooldowns::default();
    let mut retry = Retry::new(&settings, None, &cooldowns, now, random());
    let wait = |wait: Duration| {
        if wait >= LONG_WAIT {
            print_error(waiting_line(wait).get(lang));
        }
        thread::sleep(wait);
    };
    let attempt = |retry: &Retry| start(&client, &settings, retry, &messages, deadline);
    let retry_deadline = now + budget(&settings, None);
    let completion = first_success(&mut retry, &mut cooldowns, retry_deadline, wait, attempt)?;
    let info = match completion {
        Completion::Whole(answer) => {
            output.write(&answer.text)?;
            answer.info
        }
        Completion::Streaming(streaming) => stream(*streaming, output)?,
    };
    check_finish_reason(info.unusual_finish_reason())
}

/// Makes one attempt, up to the first text.
fn start(
    client: &UpstreamClient,
    settings: &Settings,
    retry: &Retry<'_>,
    messages: &[Message],
    deadline: Instant,
) -> Result<Completion, AttemptError> {
    let request = || request(settings, retry.key(), retry.model(), messages, true);
    let mut response = client.send(request, deadline)?;
    let mut decoder = client.decoder(&response.head);
    let mut bytes = [0; READ_BUFFER];
    let end = loop {
        if decoder.is_done() {
            break End::Eof;
        }
        if decoder.has_text() {
            return Ok(Completion::Streaming(Box::new(Streaming { decoder, response })));
        }
        match response.read(&mut bytes) {
            Ok(0) => break End::Eof,
            Ok(read) => decoder.decode(&bytes[..read])?,
            Err(BodyError::Truncated) => break End::Truncated,
            Err(BodyError::Timeout) => return decoder.time_out(false).map(Completion::Whole),
        }
    };
    decoder.finish(end).map(Completion::Whole)
}

/// Writes the text of a stream as it arrives, and returns the facts beside it.
fn stream(streaming: Streaming, output: &mut Output) -> Result<CompletionInfo, Error> {
    let Streaming { mut decoder, mut response } = streaming;
    let mut bytes = [0; READ_BUFFER];
    let end = loop {
        output.write(&decoder.take_text())?;
        if decoder.is_done() {
            break End::Eof;
        }
        match response.read(&mut bytes) {
            Ok(0) => break End::Eof,
            Ok(read) => {
                if let Err(error) = decoder.decode(&bytes[..read]) {
                    output.write(&decoder.take_text())?;
                    return Err(cut(error.failure));
                }
            }
            Err(BodyError::Truncated) => break End::Truncated,
            Err(BodyError::Timeout) => return Err(cut(Failure::Deadline)),
        }
    };
    let answer = decoder.finish(end).map_err(|error| cut(error.failure))?;
    output.write(&answer.text)?;
    Ok(answer.info)
}

/// Returns the error of an answer that a failure ended.
fn cut(failure: Failure) -> Error {
    let reason = sentence(&failure);
    Error::failed(
        format!("The answer is incomplete. {}", reason.en),
        format!("回答不完整。{}", reason.zh),
    )
}

fn waiting_line(wait: Duration) -> Localized {
    let seconds = wait.as_secs_f32().ceil();
    Localized::new(
        format!("the provider asks to wait; trying again in {seconds} s"),
        format!("模型服务商要求等待，{seconds} 秒后重试"),
    )
}
