//! A reply of any bytes, cut anywhere, is the same answer or the same failure.

#![no_main]

use std::iter;
use std::num::NonZeroUsize;
use std::sync::LazyLock;

use ask_core::completion::{AttemptError, Decoder, End};
use ask_core::lang::Lang;
use ask_core::response::Responder;
use ask_core::settings::Redactor;
use ask_core::{Answer, Failure, Format, Settings};
use http::{HeaderMap, Response, StatusCode};
use libfuzzer_sys::fuzz_target;
use scf_ask_fuzz::oracle::check_answer;
use scf_ask_fuzz::{KEY, check_response, holds_run, leaks, split_message};
use serde_json::json;

static REDACTOR: LazyLock<Redactor> =
    LazyLock::new(|| Settings::from_pairs(&[("OPENAI_API_KEY", KEY)]).redactor());

// The first line has the status and the lengths of the pieces, in turn. Headers, an empty line and
// the body follow.
fuzz_target!(|bytes: &[u8]| {
    let Some((first_line, headers, body)) = split_message(bytes) else { return };
    let mut numbers = first_line.split(' ');
    let status = numbers.next().and_then(|status| status.parse().ok());
    let lengths = numbers.filter_map(|length| length.parse().ok()).collect();
    let reply = Reply { status: status.unwrap_or_default(), headers, body, lengths };
    let [eof, truncated] = [End::Eof, End::Truncated].map(|end| {
        let whole = reply.decode(iter::once(body), end);
        assert_eq!(reply.decode(reply.pieces(), end), whole, "in pieces, {end:?}");
        assert_eq!(reply.decode_and_take(reply.pieces(), end), whole, "taken, {end:?}");
        whole
    });
    match (&eof, &truncated) {
        (Ok(answer), truncated) => assert_eq!(truncated.as_ref(), Ok(answer), "after the end"),
        (Err(error), _) => check_failure(&error.failure),
    }
    match truncated {
        Ok(answer) => {
            assert!(reply.status.is_success());
            assert!(!answer.text.trim().is_empty());
            check_answer(body, &answer.text);
            check_responses(&answer);
        }
        Err(error) => check_failure(&error.failure),
    }
});

struct Reply<'a> {
    status: StatusCode,
    headers: HeaderMap,
    body: &'a [u8],
    lengths: Vec<NonZeroUsize>,
}

impl<'a> Reply<'a> {
    /// Returns the pieces of the body. Without lengths, each has one byte.
    fn pieces(&self) -> impl Iterator<Item = &'a [u8]> {
        let mut lengths = self.lengths.iter().cycle();
        let mut rest = self.body;
        iter::from_fn(move || {
            let length = lengths.next().map_or(1, |length| length.get()).min(rest.len());
            let (piece, after) = rest.split_at(length);
            rest = after;
            (!piece.is_empty()).then_some(piece)
        })
    }

    fn decoder(&self) -> Decoder {
        Decoder::new(self.status, &self.headers, REDACTOR.clone())
    }

    fn decode(
        &self,
        pieces: impl Iterator<Item = &'a [u8]>,
        end: End,
    ) -> Result<Answer, AttemptError> {
        let mut decoder = self.decoder();
        for piece in pieces {
            decoder.decode(piece)?;
        }
        decoder.finish(end)
    }

    /// Takes the text of each piece, and stops if the reply is complete, as the functions do.
    fn decode_and_take(
        &self,
        pieces: impl Iterator<Item = &'a [u8]>,
        mut end: End,
    ) -> Result<Answer, AttemptError> {
        let mut decoder = self.decoder();
        let mut text = String::new();
        for piece in pieces {
            decoder.decode(piece)?;
            text += &decoder.take_text();
            if decoder.is_done() {
                end = End::Eof;
                break;
            }
        }
        let last = decoder.finish(end)?;
        Ok(Answer { text: text + &last.text, ..last })
    }
}

fn responders() -> impl Iterator<Item = Responder> {
    Format::ALL.into_iter().flat_map(|format| {
        [Lang::En, Lang::Zh].map(|lang| Responder::new(lang, format, HeaderMap::new(), "id-1"))
    })
}

/// Checks that only the text itself, which is the model's, may hold a part of the key.
fn check_responses(answer: &Answer) {
    for responder in responders() {
        let response = responder.answer(answer.clone(), "m");
        assert_eq!(response.status(), StatusCode::OK);
        check_response(&response);
        check_headers(&response);
        match responder.format {
            Format::Text => assert_eq!(response.body(), answer.text.as_bytes()),
            _ if holds_run(&answer.text, KEY, 8) => {}
            _ => assert!(!holds_run(&String::from_utf8_lossy(response.body()), KEY, 8)),
        }
    }
}

/// Checks that the messages hold no part of the key, and that the body has the message alone.
fn check_failure(failure: &Failure) {
    for responder in responders() {
        let message = failure.message(responder.lang);
        assert!(!leaks(&message, KEY), "{message}");
        let response = responder.failure(failure);
        assert!(!response.status().is_success());
        check_response(&response);
        check_headers(&response);
        match responder.format {
            Format::Text => assert_eq!(response.body(), message.as_bytes()),
            Format::Json | Format::Sse | Format::Ndjson => {
                let object = json!({"code": failure.code(), "error": message, "message": message});
                assert_eq!(response.body(), object.to_string().as_bytes());
            }
        }
    }
}

/// Checks headers as names, which may share a word with a key.
fn check_headers(response: &Response<Vec<u8>>) {
    for value in response.headers().values() {
        assert!(!holds_run(&String::from_utf8_lossy(value.as_bytes()), KEY, 8), "{value:?}");
    }
}
