//! What is promised for each fault, in each shape of answer.

use serde_json::Value;

use super::reply::Reply;
use super::script::{Connect, Fault, How, PIECES, Script, Stage};
use crate::support::KEY;

/// The shapes of an answer: what the provider says, or what is asked of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Proxied,
    Text,
    Json,
    Sse,
    Ndjson,
}

pub(crate) const SHAPES: &[Shape] =
    &[Shape::Proxied, Shape::Text, Shape::Json, Shape::Sse, Shape::Ndjson];

/// What the caller gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// The answer, or what the provider says in its place, with this status.
    Whole(u16),
    /// A failure of ours: its status, and one of these codes.
    Failure(u16, &'static [&'static str]),
    /// The beginning of the answer, and then a break with this code in the log.
    Broken(&'static str),
    /// The end of it never comes: this is the last there is.
    Unending(&'static str),
}

pub(crate) const LATE: Expected = Expected::Failure(504, &["deadline"]);

/// How often the provider is asked.
pub(crate) fn attempts(fault: Fault, shape: Shape) -> u64 {
    use Connect::{NoTls, NotTaken, TlsSilent, WrongName, WrongRoot};
    let passes = match fault {
        Fault::Connect(how) => !matches!(how, NotTaken | TlsSilent | NoTls | WrongName | WrongRoot),
        Fault::In(Stage::Before, how) => matches!(how, How::Closed | How::Reset),
        Fault::Status(status) => matches!(status, 429 | 500 | 503),
        Fault::In(..) | Fault::None => false,
    };
    if passes && shape != Shape::Proxied { 3 } else { 1 }
}

impl Expected {
    pub(crate) fn of(fault: Fault, shape: Shape) -> Self {
        use How::{Ended, Nonsense, Silent, TooLarge};
        use Shape::{Json, Ndjson, Proxied, Sse, Text};
        use Stage::{AfterHead, Before, InBody, InHead, LastByte};
        let failed = |code| Self::Failure(502, code);
        match (fault, shape) {
            (Fault::None, _) => Self::Whole(200),
            // Also in the proxy: no connection takes longer than 10 s.
            (Fault::Connect(Connect::NotTaken | Connect::TlsSilent), _) => LATE,
            // It may be seen in connecting, or in asking.
            (Fault::Connect(Connect::Reset), _) => {
                failed(&["upstream_unreachable", "upstream_failed"])
            }
            (Fault::Connect(_), _) => failed(&["upstream_unreachable"]),
            (Fault::Status(status), Proxied) => Self::Whole(status),
            (Fault::Status(401), _) => failed(&["upstream_key"]),
            (Fault::Status(429), _) => Self::Failure(429, &["upstream_busy"]),
            (Fault::Status(500..), _) => failed(&["upstream_failed"]),
            (Fault::Status(_), _) => failed(&["upstream_refused"]),

            (Fault::In(stage, Silent), Proxied) => Self::Unending(match stage {
                Before | InHead => "",
                AfterHead => "\r\n\r\n",
                InBody => PIECES[0],
                LastByte => "[DONE]",
            }),
            (Fault::In(LastByte, _), Text | Sse | Ndjson) => Self::Whole(200),
            (Fault::In(InBody, Silent), Text | Sse | Ndjson) => Self::Broken("deadline"),
            (Fault::In(_, Silent), _) => LATE,
            (Fault::In(Before | InHead, _), _) => failed(&["upstream_failed"]),
            // It is not ours to judge.
            (Fault::In(_, Ended | Nonsense | TooLarge), Proxied) => Self::Whole(200),
            (Fault::In(_, TooLarge), Json) => failed(&["answer_too_large"]),
            (Fault::In(_, _), Proxied) | (Fault::In(InBody, _), Text | Sse | Ndjson) => {
                Self::Broken("upstream_failed")
            }
            (Fault::In(..), _) => failed(&["upstream_failed"]),
        }
    }

    /// Whether the reply is as it was promised.
    pub(crate) fn check(
        self,
        reply: &Reply,
        fault: Fault,
        shape: Shape,
        id: &str,
    ) -> Result<(), String> {
        let is_ours = shape != Shape::Proxied || matches!(self, Self::Failure(..));
        if is_ours {
            has_our_headers(reply, id)?;
        }
        if reply.head.len() >= 4096 || reply.text().contains(&KEY[KEY.len() - 4..]) {
            return Err("a head of 4 KB, or a part of the key".into());
        }
        match self {
            Self::Whole(status) => {
                is(reply.status, status, "the status")?;
                is(reply.is_whole, true, "whether it is whole")?;
                self.answer(reply, fault, shape)
            }
            Self::Failure(status, codes) => {
                is(reply.status, status, "the status")?;
                is(reply.is_whole, true, "whether it is whole")?;
                let code = reply.header("x-error-code").unwrap_or_default();
                is(codes.contains(&code.as_str()), true, &format!("the code {code}"))?;
                failure(reply, shape, &code)
            }
            Self::Broken(_) => {
                is(reply.status, 200, "the status")?;
                is(reply.header("x-error-code"), None, "the code")?;
                is(
                    reply.is_whole,
                    matches!(shape, Shape::Sse | Shape::Ndjson),
                    "whether it is whole",
                )?;
                self.answer(reply, fault, shape)
            }
            Self::Unending(_) => {
                is(reply.status, 200, "the status")?;
                is(reply.is_whole, false, "whether it is whole")?;
                self.answer(reply, fault, shape)
            }
        }
    }

    /// What is in a reply that is an answer, or the beginning of one.
    fn answer(self, reply: &Reply, fault: Fault, shape: Shape) -> Result<(), String> {
        let is_whole = matches!(self, Self::Whole(_));
        let text = reply.text();
        let all = PIECES.concat();
        let answer = if is_whole { all.as_str() } else { PIECES[0] };
        match shape {
            Shape::Proxied => {
                is(reply.body == Script::streamed(fault).content, true, "the provider's words")
            }
            Shape::Text => is(text.as_str(), answer, "the text"),
            Shape::Json => is(json(&text)?["text"].as_str(), Some(answer), "the text"),
            Shape::Sse => {
                let events: Vec<&str> = text.split_terminator("\n\n").collect();
                let (last, pieces) = events.split_last().ok_or("no event")?;
                let pieces: Result<String, String> = pieces
                    .iter()
                    .map(|event| {
                        let (id, data) = event.split_once("\ndata: ").ok_or("no data")?;
                        is(id.starts_with("id: "), true, "an id")?;
                        Ok(json(data)?["text"].as_str().ok_or("no text")?.to_owned())
                    })
                    .collect();
                is(pieces?.as_str(), answer, "the text")?;
                match is_whole {
                    true => is(*last, "data: [DONE]", "the end"),
                    false => {
                        sentence(&json(last.strip_prefix("data: ").ok_or("no error")?)?["error"])
                    }
                }
            }
            Shape::Ndjson => {
                let lines: Result<Vec<Value>, String> = text.lines().map(json).collect();
                let lines = lines?;
                let kind = |line: &Value| line["type"].as_str().unwrap_or_default().to_owned();
                let [first, pieces @ .., last] = &lines[..] else { return Err("no lines".into()) };
                is(kind(first).as_str(), "begin", "the first line")?;
                is(pieces.iter().all(|line| kind(line) == "item"), true, "items")?;
                let said: String =
                    pieces.iter().filter_map(|line| line["content"].as_str()).collect();
                is(said.as_str(), answer, "the text")?;
                match is_whole {
                    true => is(kind(last).as_str(), "end", "the last line"),
                    false => {
                        is(kind(last).as_str(), "error", "the last line")?;
                        sentence(&last["content"])
                    }
                }
            }
        }
    }
}

/// The headers that every reply of ours has.
pub(crate) fn has_our_headers(reply: &Reply, id: &str) -> Result<(), String> {
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("vary", "Accept, Origin"),
        ("x-request-id", id),
    ] {
        is(reply.header(name).as_deref(), Some(value), name)?;
    }
    Ok(())
}

fn failure(reply: &Reply, shape: Shape, code: &str) -> Result<(), String> {
    let text = reply.text();
    match shape {
        Shape::Text => sentence(&Value::String(text)),
        Shape::Proxied => {
            let error = &json(&text)?["error"];
            is(error["code"].as_str(), Some(code), "the code in the body")?;
            sentence(&error["message"])
        }
        Shape::Json | Shape::Sse | Shape::Ndjson => {
            let body = json(&text)?;
            is(body["code"].as_str(), Some(code), "the code in the body")?;
            is(&body["error"], &body["message"], "the sentence")?;
            sentence(&body["error"])
        }
    }
}

fn sentence(value: &Value) -> Result<(), String> {
    match value.as_str() {
        Some(text) if text.contains(' ') && text.ends_with('.') => Ok(()),
        _ => Err(format!("no sentence: {value}")),
    }
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("{error} in {text:?}"))
}

/// Says what differs.
pub(crate) fn is<T: PartialEq + std::fmt::Debug>(
    what: T,
    expected: T,
    name: &str,
) -> Result<(), String> {
    if what == expected { Ok(()) } else { Err(format!("{name} is {what:?}, not {expected:?}")) }
}
