use serde_json::{Value, json};

use super::content::{Content, TEXT};
use super::row::{Answer, Expected, Failure, Row};
use super::setup::{Format, KEYS, Setup};
use super::upstream::NEXT_ANSWER;
use crate::http::excerpt;
use crate::table::{expect, expect_eq};
use crate::{Request, Response};

/// Finish reasons of a model that just stopped.
const STOP: [&str; 3] = ["stop", "eos", "end_turn"];

/// Requests for one question with a failure that is retryable.
const ATTEMPTS: usize = 3;

/// A question: the response, the line in the access log, and the requests to the upstream.
pub(super) struct Exchange<'a> {
    pub(super) row: &'a Row,
    pub(super) setup: Setup,
    pub(super) format: Format,
    pub(super) response: Response,
    pub(super) log: Value,
    pub(super) requests: Vec<Request>,
}

impl Exchange<'_> {
    /// Checks everything that the row says.
    ///
    /// # Errors
    ///
    /// The first difference, with setup, format and response.
    pub(super) fn check(&self) -> Result<(), String> {
        self.check_all().map_err(|why| {
            let got = excerpt(&self.response.body);
            format!("{:?}, {}: {why}\n    got {got:?}", self.setup, self.format.name)
        })
    }

    fn check_all(&self) -> Result<(), String> {
        let streams = self.format.streams;
        let is_stream = self.setup == Setup::Partial || streams;
        for request in &self.requests {
            expect_eq(request.json()["stream"] == true, is_stream, "`stream` of the request")?;
        }
        let (reply, expected) = self.row.case(is_stream);
        match expected {
            Expected::Answer(answer) => {
                self.check_requests(1)?;
                self.check_answer(answer)
            }
            Expected::Failure(failure) if streams && !failure.shown.is_empty() => {
                self.check_requests(1)?;
                self.check_cut(failure)
            }
            Expected::Failure(failure) if self.setup == Setup::Lists && failure.moves_on() => {
                self.check_next(failure)
            }
            Expected::Failure(failure) => {
                let attempts = if failure.is_retried { ATTEMPTS } else { 1 };
                // A kept connection that the upstream closes costs a request, but no attempt.
                match reply.is_nothing() {
                    true => expect_eq(&self.log["attempts"], &attempts.into(), "attempts")?,
                    false => self.check_requests(attempts)?,
                }
                let busy = failure.code == "upstream_busy";
                self.check_failure(failure, reply.header("retry-after").filter(|_| busy))
            }
        }
    }

    fn check_requests(&self, count: usize) -> Result<(), String> {
        expect_eq(self.requests.len(), count, "the number of upstream requests")?;
        expect_eq(&self.log["attempts"], &count.into(), "attempts in the log")
    }

    fn check_log(&self, status: u16, code: Option<&str>) -> Result<(), String> {
        expect_eq(&self.log["status"], &status.into(), "the logged status")?;
        expect_eq(&self.log["code"], &code.into(), "the logged code")
    }

    /// Checks that the second request had the next key or the next model, and was answered.
    fn check_next(&self, failure: &Failure) -> Result<(), String> {
        self.check_requests(2)?;
        let values: Vec<_> = self
            .requests
            .iter()
            .map(|request| (request.header("authorization"), request.json()["model"].clone()))
            .collect();
        let by_key = failure.moves_to_next_key();
        expect_eq(values[0].0 != values[1].0, by_key, "the second request's key as another one")?;
        expect_eq(values[0].1 == values[1].1, by_key, "the second request's model as the same")?;
        expect_eq(self.response.text().as_str(), NEXT_ANSWER, "the text")?;
        self.check_log(200, None)
    }

    fn check_answer(&self, answer: &Answer) -> Result<(), String> {
        let response = &self.response;
        expect_eq(response.status(), 200, "the status")?;
        expect_eq(response.header("x-error-code"), None, "x-error-code")?;
        let model = match answer.model {
            Some(model) => Value::from(model),
            None => self.requests[0].json()["model"].clone(),
        };
        let mut visible = model.as_str().unwrap_or_default().to_owned();
        visible.retain(|char| char.is_ascii_graphic());
        expect_eq(response.header("x-model"), Some(visible.as_str()), "x-model")?;
        let unusual = answer.finish_reason.filter(|reason| !STOP.contains(reason));
        let is_streamed = response.header("transfer-encoding").is_some();
        match response.header("x-finish-reason") {
            // Not known yet when the head was sent.
            None if is_streamed => {}
            reason => expect_eq(reason, unusual, "x-finish-reason")?,
        }
        expect(response.is_complete, "a response that is cut")?;
        let [question_tokens, answer_tokens] = match answer.usage {
            Some((question, answer)) => [question, answer].map(Value::from),
            None => [Value::Null, Value::Null],
        };
        if response.header("content-type") == Some("application/json") {
            let object = response.json();
            let usage = object["usage"].clone();
            expect_eq(&usage["prompt_tokens"], &question_tokens, "prompt_tokens")?;
            expect_eq(&usage["completion_tokens"], &answer_tokens, "completion_tokens")?;
            let expected = json!({
                "text": answer.text, "output": answer.text, "model": model,
                "finish_reason": answer.finish_reason, "usage": usage,
            });
            expect_eq(&object, &expected, "the object")?;
        } else {
            let content = Content::of(response)?;
            expect_eq(content.text.as_str(), answer.text.as_str(), "the text")?;
            expect_eq(content.error, None, "the error")?;
            if response.header("content-type") != Some(TEXT) {
                expect(content.is_ended, "an answer without an end")?;
                expect_eq(content.finish_reason.as_deref(), unusual, "the finish reason")?;
            }
        }
        self.check_log(200, None)?;
        expect_eq(&self.log["model"], &model, "the logged model")?;
        expect_eq(&self.log["prompt_tokens"], &question_tokens, "logged prompt_tokens")?;
        expect_eq(&self.log["completion_tokens"], &answer_tokens, "logged completion_tokens")
    }

    /// Checks a failure before anything was sent.
    fn check_failure(&self, failure: &Failure, retry_after: Option<&str>) -> Result<(), String> {
        let response = &self.response;
        let status = if failure.code == "upstream_busy" { 429 } else { 502 };
        let code = (response.status(), response.header("x-error-code"));
        expect_eq(code, (status, Some(failure.code)), "the status and the code")?;
        expect(response.is_complete, "a response that is cut")?;
        expect_eq(response.header("retry-after"), retry_after, "retry-after")?;
        let message = match response.header("content-type") {
            Some(TEXT) => response.text(),
            Some("application/json") => {
                let object = response.json();
                let message = object["error"].clone();
                let expected = json!({"error": message, "message": message, "code": failure.code});
                expect_eq(&object, &expected, "the object")?;
                message.as_str().unwrap_or_default().to_owned()
            }
            other => return Err(format!("the content type of a failure is {other:?}")),
        };
        check_message(&message, failure)?;
        self.check_log(status, Some(failure.code))
    }

    /// Checks a failure after a part of the text was sent.
    fn check_cut(&self, failure: &Failure) -> Result<(), String> {
        let response = &self.response;
        expect_eq(response.status(), 200, "the status")?;
        let content = Content::of(response)?;
        expect_eq(content.text.as_str(), failure.shown, "the text")?;
        let is_text = response.header("content-type") == Some(TEXT);
        expect_eq(response.is_complete, !is_text, "the response as a complete one")?;
        expect(!content.is_ended, "the end of a cut answer")?;
        if !is_text {
            let message = content.error.ok_or("a cut answer has no error")?;
            check_message(&message, failure)?;
        }
        self.check_log(200, Some(failure.code))
    }
}

fn check_message(message: &str, failure: &Failure) -> Result<(), String> {
    expect(!message.is_empty(), "an empty message")?;
    for text in &failure.says {
        expect(message.contains(text), format!("no {text:?} in {message:?}"))?;
    }
    for text in &failure.hides {
        expect(!message.contains(text), format!("{text:?} in {message:?}"))?;
    }
    let mut runs = KEYS.iter().flat_map(|key| (0..key.len() - 3).map(|at| &key[at..at + 4]));
    match runs.find(|run| message.contains(run)) {
        Some(run) => Err(format!("{run:?} of a key in {message:?}")),
        None => Ok(()),
    }
}
