//! The promise for each fault, in each format.

use serde_json::Value;
use testkit::Response;
use testkit::table::{expect, expect_eq};

use super::script::{Connect, FailureMode, Fault, PIECES, Script, Stage};
use crate::support::{KEY, check_common_headers};

/// The format of an answer, or the upstream's own response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Proxied,
    Text,
    Json,
    Sse,
    Ndjson,
}

pub(super) const FORMATS: &[Format] =
    &[Format::Proxied, Format::Text, Format::Json, Format::Sse, Format::Ndjson];

/// The promise to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// A complete answer, or the upstream's response in its place, with this status.
    Complete(u16),
    /// Our error with this status and one of these codes.
    Error(u16, &'static [&'static str]),
    /// The beginning of the answer, then a cut with this code in the log.
    Cut(&'static str),
    /// An answer that never ends; this comes last.
    Endless(&'static str),
}

pub(super) const LATE: Expected = Expected::Error(504, &["deadline"]);

/// The number of requests to the upstream.
pub(super) fn attempts(fault: Fault, format: Format) -> u64 {
    use Connect::{NoTls, Stalled, TlsSilent, WrongName, WrongRoot};
    let is_transient = match fault {
        Fault::Connect(failure) => {
            !matches!(failure, Stalled | TlsSilent | NoTls | WrongName | WrongRoot)
        }
        Fault::In(Stage::Before, mode) => {
            matches!(mode, FailureMode::Closed | FailureMode::Reset)
        }
        Fault::Status(status) => matches!(status, 429 | 500 | 503),
        Fault::In(..) | Fault::None => false,
    };
    if is_transient && format != Format::Proxied { 3 } else { 1 }
}

impl Expected {
    pub(super) fn of(fault: Fault, format: Format) -> Self {
        use FailureMode::{Ended, Nonsense, Silent, TooLarge};
        use Format::{Json, Ndjson, Proxied, Sse, Text};
        use Stage::{AfterHead, Before, InBody, InHead, LastByte};
        let failed = |code| Self::Error(502, code);
        match (fault, format) {
            (Fault::None, _) => Self::Complete(200),
            // Also in the proxy: no connection takes longer than 10 s.
            (Fault::Connect(Connect::Stalled | Connect::TlsSilent), _) => LATE,
            // It shows while connecting or with the request.
            (Fault::Connect(Connect::Reset), _) => {
                failed(&["upstream_unreachable", "upstream_failed"])
            }
            (Fault::Connect(_), _) => failed(&["upstream_unreachable"]),
            (Fault::Status(status), Proxied) => Self::Complete(status),
            (Fault::Status(401), _) => failed(&["upstream_key"]),
            (Fault::Status(429), _) => Self::Error(429, &["upstream_busy"]),
            (Fault::Status(500..), _) => failed(&["upstream_failed"]),
            (Fault::Status(_), _) => failed(&["upstream_refused"]),

            (Fault::In(stage, Silent), Proxied) => Self::Endless(match stage {
                Before | InHead => "",
                AfterHead => "\r\n\r\n",
                InBody => PIECES[0],
                LastByte => "[DONE]",
            }),
            (Fault::In(LastByte, _), Text | Sse | Ndjson) => Self::Complete(200),
            (Fault::In(InBody, Silent), Text | Sse | Ndjson) => Self::Cut("deadline"),
            (Fault::In(_, Silent), _) => LATE,
            (Fault::In(Before | InHead, _), _) => failed(&["upstream_failed"]),
            // The proxy does not judge a complete response.
            (Fault::In(_, Ended | Nonsense | TooLarge), Proxied) => Self::Complete(200),
            (Fault::In(_, TooLarge), Json) => failed(&["answer_too_large"]),
            (Fault::In(_, _), Proxied) | (Fault::In(InBody, _), Text | Sse | Ndjson) => {
                Self::Cut("upstream_failed")
            }
            (Fault::In(..), _) => failed(&["upstream_failed"]),
        }
    }

    /// Checks a response.
    pub(super) fn check(
        self,
        response: &Response,
        fault: Fault,
        format: Format,
        id: &str,
    ) -> Result<(), String> {
        let is_ours = format != Format::Proxied || matches!(self, Self::Error(..));
        if is_ours {
            check_common_headers(response, id)?;
        }
        if response.head.len() >= 4096 || response.text().contains(&KEY[KEY.len() - 4..]) {
            return Err("a head of 4 KB, or a part of the key".into());
        }
        match self {
            Self::Complete(status) => {
                expect_eq(response.status(), status, "the status")?;
                expect(response.is_complete, "a cut")?;
                self.check_answer(response, fault, format)
            }
            Self::Error(status, codes) => {
                expect_eq(response.status(), status, "the status")?;
                expect(response.is_complete, "a cut")?;
                let code = response.header("x-error-code").unwrap_or_default();
                expect(codes.contains(&code), format!("the code {code}"))?;
                check_error(response, format, code)
            }
            Self::Cut(_) => {
                expect_eq(response.status(), 200, "the status")?;
                expect_eq(response.header("x-error-code"), None, "the code")?;
                expect_eq(
                    response.is_complete,
                    matches!(format, Format::Sse | Format::Ndjson),
                    "the completeness",
                )?;
                self.check_answer(response, fault, format)
            }
            Self::Endless(_) => {
                expect_eq(response.status(), 200, "the status")?;
                expect(!response.is_complete, "a complete response")?;
                self.check_answer(response, fault, format)
            }
        }
    }

    /// Checks the body of an answer, or of its beginning.
    fn check_answer(self, response: &Response, fault: Fault, format: Format) -> Result<(), String> {
        let is_complete = matches!(self, Self::Complete(_));
        let text = response.text();
        let all = PIECES.concat();
        let answer = if is_complete { all.as_str() } else { PIECES[0] };
        match format {
            Format::Proxied => expect(response.body == Script::streamed(fault).content, "the body"),
            Format::Text => expect_eq(text.as_str(), answer, "the text"),
            Format::Json => expect_eq(json(&text)?["text"].as_str(), Some(answer), "the text"),
            Format::Sse => {
                let events: Vec<&str> = text.split_terminator("\n\n").collect();
                let (last, pieces) = events.split_last().ok_or("no event")?;
                let pieces: Result<String, String> = pieces
                    .iter()
                    .map(|event| {
                        let (id, data) = event.split_once("\ndata: ").ok_or("no data")?;
                        expect(id.starts_with("id: "), "an id")?;
                        Ok(json(data)?["text"].as_str().ok_or("no text")?.to_owned())
                    })
                    .collect();
                expect_eq(pieces?.as_str(), answer, "the text")?;
                match is_complete {
                    true => expect_eq(*last, "data: [DONE]", "the end"),
                    false => check_sentence(
                        &json(last.strip_prefix("data: ").ok_or("no error")?)?["error"],
                    ),
                }
            }
            Format::Ndjson => {
                let lines: Result<Vec<Value>, String> = text.lines().map(json).collect();
                let lines = lines?;
                let kind = |line: &Value| line["type"].as_str().unwrap_or_default().to_owned();
                let [first, pieces @ .., last] = &lines[..] else { return Err("no lines".into()) };
                expect_eq(kind(first).as_str(), "begin", "the first line")?;
                expect(pieces.iter().all(|line| kind(line) == "item"), "items")?;
                let text: String =
                    pieces.iter().filter_map(|line| line["content"].as_str()).collect();
                expect_eq(text.as_str(), answer, "the text")?;
                match is_complete {
                    true => expect_eq(kind(last).as_str(), "end", "the last line"),
                    false => {
                        expect_eq(kind(last).as_str(), "error", "the last line")?;
                        check_sentence(&last["content"])
                    }
                }
            }
        }
    }
}

fn check_error(response: &Response, format: Format, code: &str) -> Result<(), String> {
    let text = response.text();
    match format {
        Format::Text => check_sentence(&Value::String(text)),
        Format::Proxied => {
            let error = &json(&text)?["error"];
            expect_eq(error["code"].as_str(), Some(code), "the code in the body")?;
            check_sentence(&error["message"])
        }
        Format::Json | Format::Sse | Format::Ndjson => {
            let body = json(&text)?;
            expect_eq(body["code"].as_str(), Some(code), "the code in the body")?;
            expect_eq(&body["error"], &body["message"], "the sentence")?;
            check_sentence(&body["error"])
        }
    }
}

fn check_sentence(value: &Value) -> Result<(), String> {
    match value.as_str() {
        Some(text) if text.contains(' ') && text.ends_with('.') => Ok(()),
        _ => Err(format!("no sentence: {value}")),
    }
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("{error} in {text:?}"))
}
