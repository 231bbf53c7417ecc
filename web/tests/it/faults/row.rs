//! A row of the table, and its checks.

use std::time::Duration;

use serde_json::Value;
use testkit::table::{expect, expect_eq};
use testkit::{Disconnect, End, Response};

use super::client::{Client, Question, Received};
use super::expected::{Expected, Format, attempts};
use super::script::{FAULTS, Fault};
use super::upstream::{Observed, Transport};
use crate::support::{BEARER, TOKEN, WAIT_LIMIT};

/// `ASK_TIMEOUT`: the shortest that three attempts with their delays fit into.
pub(super) const TIMEOUT: Duration = Duration::from_secs(3);

/// Maximum wait for the end of an upstream's connection: one second is promised, and one is for a
/// busy machine.
pub(super) const SOON: Duration = Duration::from_secs(2);

/// The number of the next question, which is no row of the table.
pub(super) const NEXT: usize = 0;

#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) number: usize,
    pub(super) fault: Fault,
    pub(super) client: Client,
    pub(super) format: Format,
    pub(super) transport: Transport,
}

impl Row {
    pub(super) fn name(&self) -> String {
        let Self { fault, client, format, transport, .. } = self;
        format!("{fault:?} / {client:?} / {format:?} / {transport:?}")
    }

    pub(super) fn id(&self) -> String {
        format!("row-{}", self.number)
    }

    pub(super) fn question(&self) -> Question {
        let fault = FAULTS.iter().position(|fault| *fault == self.fault).unwrap();
        let line = match self.format {
            Format::Proxied => format!("POST /v1/rows/{fault}/{}", self.number),
            format => {
                format!("POST /ask?format={format:?}").to_lowercase().replacen("post", "POST", 1)
            }
        };
        let body = format!(
            "{fault} {} and a few words, so that there is something to cut in two",
            self.number
        );
        Question { line, id: self.id(), body }
    }

    pub(super) fn expected(&self) -> Expected {
        Expected::of(self.fault, self.format)
    }

    /// The last bytes of an answer that never ends.
    pub(super) fn last(&self) -> Option<&'static str> {
        match self.expected() {
            Expected::Endless(last) => Some(last),
            _ => None,
        }
    }

    /// Checks the client's response, and its time.
    pub(super) fn check_response(&self, received: &Received) -> Result<(), String> {
        let expected = self.expected();
        match self.client.disconnect() {
            None => {}
            Some(Disconnect::HalfClose) => return self.check_half_closed(received),
            Some(_) => return Ok(()),
        }
        let responses = Response::parse_all(&received.bytes, received.end)?;
        let is_endless = self.last().is_some();
        expect_eq(received.end == End::Open, is_endless, "the state of an open connection")?;
        self.check_time(received.took)?;
        match (&responses[..], self.client) {
            ([], _) if expected == Expected::Endless("") => Ok(()),
            ([response], client) if client != Client::Pipelining || !response.is_complete => {
                expected.check(response, self.fault, self.format, &self.id())
            }
            ([response, next], Client::Pipelining) => {
                expect_eq(next.status(), 200, "the status of the next response")?;
                expect(next.text().contains("version"), "the next response")?;
                expected.check(response, self.fault, self.format, &self.id())
            }
            (several, _) => Err(format!("{} responses", several.len())),
        }
    }

    /// Checks the response to a client that has closed its direction: the right one, or none.
    fn check_half_closed(&self, received: &Received) -> Result<(), String> {
        expect(received.end != End::Open, "an open connection")?;
        match &Response::parse_all(&received.bytes, received.end)?[..] {
            [] => Ok(()),
            [response] if self.is_unread(response.status(), response.header("x-error-code")) => {
                Ok(())
            }
            [response] if !response.is_complete => expect_eq(response.status(), 200, "the status"),
            [response] => self.expected().check(response, self.fault, self.format, &self.id()),
            several => Err(format!("{} responses", several.len())),
        }
    }

    /// Returns whether this is the error for an incomplete question.
    fn is_unread(&self, status: u16, code: Option<&str>) -> bool {
        matches!(self.client, Client::LeavesInBody(_))
            && (status, code) == (400, Some("body_unreadable"))
    }

    fn check_time(&self, took: Duration) -> Result<(), String> {
        let connecting = Duration::from_secs(10);
        let (least, most) = match (self.expected(), self.format) {
            (Expected::Error(504, _), Format::Proxied) => (connecting, connecting),
            (Expected::Error(504, _) | Expected::Cut("deadline"), _) => (TIMEOUT, TIMEOUT),
            _ if self.transport == Transport::Unlimited => (Duration::ZERO, WAIT_LIMIT),
            _ => (Duration::ZERO, TIMEOUT),
        };
        let is_in_time = least.mul_f64(0.95) <= took && took < most + SOON;
        expect(is_in_time, format!("the time of the response, {took:?}"))
    }

    /// Checks the lines of the access log.
    pub(super) fn check_log(&self, lines: &[Value]) -> Result<(), String> {
        let (least, most) = match self.client {
            Client::LeavesInHead(_) => (0, 0),
            // It may have left before its request was read.
            client if client.disconnect() == Some(Disconnect::Reset) => (0, 1),
            _ => (1, 1),
        };
        expect((least..=most).contains(&lines.len()), format!("the number of lines, {lines:?}"))?;
        let Some(line) = lines.first() else { return Ok(()) };
        let (status, code) =
            (line["status"].as_u64().unwrap_or_default() as u16, line["code"].as_str());
        let is_as_expected = match self.expected() {
            Expected::Complete(expected) => (status, code) == (expected, None),
            Expected::Error(expected, codes) => {
                status == expected && code.is_some_and(|code| codes.contains(&code))
            }
            Expected::Cut(expected) => (status, code) == (200, Some(expected)),
            Expected::Endless(last) => {
                (status, code) == (if last.is_empty() { 499 } else { 200 }, Some("caller_left"))
            }
        };
        if self.client.disconnect().is_none() {
            expect(is_as_expected, format!("the line {line}"))?;
            let path = if self.format == Format::Proxied {
                self.question().line[5..].to_owned()
            } else {
                "/ask".into()
            };
            expect_eq(line["path"].as_str(), Some(path.as_str()), "the path")?;
            return expect_eq(
                line["attempts"].as_u64(),
                Some(attempts(self.fault, self.format)),
                "the attempts",
            );
        }
        let has_left = matches!(status, 200 | 499) && code == Some("caller_left");
        expect(
            is_as_expected || has_left || self.is_unread(status, code),
            format!("the line {line}"),
        )
    }

    /// Checks the requests that the upstream has received.
    pub(super) fn check_requests(&self, observed: &Observed) -> Result<(), String> {
        let most = match self.fault {
            Fault::Connect(_) => 0,
            _ => attempts(self.fault, self.format) as usize,
        };
        let count = observed.requests.len();
        let least = if self.client.disconnect().is_none() { most } else { 0 };
        expect((least..=most).contains(&count), format!("the number of requests, {count}"))?;
        let question = self.question();
        for request in &observed.requests {
            let head = &request.head;
            let line = match self.format {
                Format::Proxied => question.line.as_str(),
                _ => "POST /v1/chat/completions",
            };
            expect(head.starts_with(&format!("{line} HTTP/1.1\r\n")), head)?;
            expect_eq(request.header("authorization"), Some(BEARER), "the key")?;
            expect(
                !(head.contains(TOKEN) || head.contains("x-scf") || head.contains("expect")),
                head,
            )?;
            let asked = match self.format {
                Format::Proxied => String::from_utf8_lossy(&request.body).into_owned(),
                _ => request.json()["messages"][0]["content"].as_str().unwrap().to_owned(),
            };
            expect_eq(asked, question.body.clone(), "the question")?;
        }
        Ok(())
    }
}
