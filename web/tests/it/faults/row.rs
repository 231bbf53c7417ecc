//! One row of the table, and what is promised for it.

use std::time::Duration;

use serde_json::Value;

use super::callers::{Caller, Goodbye, Got, Question};
use super::expected::{Expected, Shape, attempts, is};
use super::provider::{Sight, Way};
use super::reply::{End, replies};
use super::script::{FAULTS, Fault};
use crate::support::{KEY, PATIENCE, TOKEN, header};

/// The time for an answer: as short as three attempts allow, with the waits between them.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(3);

/// Where a caller has left, or has got its reply, the provider's connection ends within a second; the other is for a
/// machine that has much else to do.
pub(crate) const SOON: Duration = Duration::from_secs(2);

/// The number of a row that is not in the table: the next question.
pub(crate) const NEXT: usize = 0;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) number: usize,
    pub(crate) fault: Fault,
    pub(crate) caller: Caller,
    pub(crate) shape: Shape,
    pub(crate) way: Way,
}

impl Row {
    pub(crate) fn id(&self) -> String {
        format!("row-{}", self.number)
    }

    pub(crate) fn question(&self) -> Question {
        let fault = FAULTS.iter().position(|fault| *fault == self.fault).unwrap();
        let line = match self.shape {
            Shape::Proxied => format!("POST /v1/rows/{fault}/{}", self.number),
            shape => format!("POST /ask?format={}", format!("{shape:?}").to_lowercase()),
        };
        let body = format!(
            "{fault} {} and a few words, so that there is something to cut in two",
            self.number
        );
        Question { line, id: self.id(), body }
    }

    pub(crate) fn expected(&self) -> Expected {
        Expected::of(self.fault, self.shape)
    }

    /// What comes last where the end never comes.
    pub(crate) fn last(&self) -> Option<&'static str> {
        match self.expected() {
            Expected::Unending(last) => Some(last),
            _ => None,
        }
    }

    /// Whether the caller got what is promised, in time.
    pub(crate) fn check_reply(&self, got: &Got) -> Result<(), String> {
        let expected = self.expected();
        if let Caller::LeavingInHead(goodbye)
        | Caller::LeavingInBody(goodbye)
        | Caller::LeavingOnceItHasAsked(goodbye)
        | Caller::LeavingInReply(goodbye) = self.caller
        {
            return match goodbye {
                Goodbye::Reset => Ok(()),
                Goodbye::HalfClosed => self.check_reply_to_leaver(got),
            };
        }
        let replies = replies(&got.bytes, got.end)?;
        let is_unending = self.last().is_some();
        is(got.end == End::Open, is_unending, "whether the connection is open")?;
        self.check_time(got.took)?;
        match (&replies[..], self.caller) {
            ([], _) if expected == Expected::Unending("") => Ok(()),
            ([reply], caller) if caller != Caller::Pipelining || !reply.is_whole => {
                expected.check(reply, self.fault, self.shape, &self.id())
            }
            ([reply, next], Caller::Pipelining) => {
                is(next.status, 200, "the status of the next reply")?;
                is(next.text().contains("version"), true, "the next reply")?;
                expected.check(reply, self.fault, self.shape, &self.id())
            }
            (several, _) => Err(format!("{} replies", several.len())),
        }
    }

    /// Who has closed one side gets a whole reply, the right one, or none.
    fn check_reply_to_leaver(&self, got: &Got) -> Result<(), String> {
        is(got.end == End::Open, false, "whether the connection is open")?;
        match &replies(&got.bytes, got.end)?[..] {
            [] => Ok(()),
            [reply] if self.is_unread(reply.status, reply.header("x-error-code").as_deref()) => {
                Ok(())
            }
            [reply] if !reply.is_whole => is(reply.status, 200, "the status"),
            [reply] => self.expected().check(reply, self.fault, self.shape, &self.id()),
            several => Err(format!("{} replies", several.len())),
        }
    }

    /// Whether this is what is said of a question that breaks off.
    fn is_unread(&self, status: u16, code: Option<&str>) -> bool {
        matches!(self.caller, Caller::LeavingInBody(_))
            && (status, code) == (400, Some("body_unreadable"))
    }

    fn check_time(&self, took: Duration) -> Result<(), String> {
        let connecting = Duration::from_secs(10);
        let (least, most) = match (self.expected(), self.shape) {
            (Expected::Failure(504, _), Shape::Proxied) => (connecting, connecting),
            (Expected::Failure(504, _) | Expected::Broken("deadline"), _) => (TIMEOUT, TIMEOUT),
            _ if self.way == Way::Unhurried => (Duration::ZERO, PATIENCE),
            _ => (Duration::ZERO, TIMEOUT),
        };
        let is_in_time = least.mul_f64(0.95) <= took && took < most + SOON;
        is(is_in_time, true, &format!("in time, {took:?}"))
    }

    /// Whether the log has what is promised.
    pub(crate) fn check_log(&self, lines: &[Value]) -> Result<(), String> {
        let (least, most) = match self.caller {
            Caller::LeavingInHead(_) => (0, 0),
            // It may have gone before its request was read.
            Caller::LeavingInBody(Goodbye::Reset)
            | Caller::LeavingOnceItHasAsked(Goodbye::Reset) => (0, 1),
            Caller::LeavingInReply(Goodbye::Reset) => (0, 1),
            _ => (1, 1),
        };
        is(
            (least..=most).contains(&lines.len()),
            true,
            &format!("as many lines as that: {lines:?}"),
        )?;
        let Some(line) = lines.first() else { return Ok(()) };
        let (status, code) =
            (line["status"].as_u64().unwrap_or_default() as u16, line["code"].as_str());
        let is_as_expected = match self.expected() {
            Expected::Whole(expected) => (status, code) == (expected, None),
            Expected::Failure(expected, codes) => {
                status == expected && code.is_some_and(|code| codes.contains(&code))
            }
            Expected::Broken(expected) => (status, code) == (200, Some(expected)),
            Expected::Unending(last) => {
                (status, code) == (if last.is_empty() { 499 } else { 200 }, Some("caller_left"))
            }
        };
        if self.caller.stays() {
            is(is_as_expected, true, &format!("in the log {line}"))?;
            let path = if self.shape == Shape::Proxied {
                self.question().line[5..].to_owned()
            } else {
                "/ask".into()
            };
            is(line["path"].as_str(), Some(path.as_str()), "the path")?;
            return is(
                line["attempts"].as_u64(),
                Some(attempts(self.fault, self.shape)),
                "the attempts",
            );
        }
        let has_left = matches!(status, 200 | 499) && code == Some("caller_left");
        is(
            is_as_expected || has_left || self.is_unread(status, code),
            true,
            &format!("in the log {line}"),
        )
    }

    /// Whether the provider was asked what it should be, and as often.
    pub(crate) fn check_requests(&self, sight: &Sight) -> Result<(), String> {
        let most = match self.fault {
            Fault::Connect(_) => 0,
            _ => attempts(self.fault, self.shape) as usize,
        };
        let count = sight.requests.len();
        let least = if self.caller.stays() { most } else { 0 };
        is((least..=most).contains(&count), true, &format!("asked as often as that, {count}"))?;
        let question = self.question();
        for (head, body) in &sight.requests {
            let line = match self.shape {
                Shape::Proxied => question.line.as_str(),
                _ => "POST /v1/chat/completions",
            };
            is(head.starts_with(&format!("{line} HTTP/1.1\r\n")), true, head)?;
            is(header(head, "authorization"), Some(format!("Bearer {KEY}")), "the key")?;
            is(
                head.contains(TOKEN) || head.contains("x-scf") || head.contains("expect"),
                false,
                head,
            )?;
            let asked = match self.shape {
                Shape::Proxied => String::from_utf8_lossy(body).into_owned(),
                _ => serde_json::from_slice::<Value>(body).unwrap()["messages"][0]["content"]
                    .as_str()
                    .unwrap()
                    .to_owned(),
            };
            is(asked, question.body.clone(), "the question")?;
        }
        Ok(())
    }
}
