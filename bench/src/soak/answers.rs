//! The event function, asked by events with a number.

use std::net::SocketAddr;

use testkit::http::find;
use testkit::runtime_api::Event;

use super::state::{ANSWERS, Soaked, State, account};
use super::upstream::{Fault, answer, of_answer};
use crate::api::{Api, Script, event};
use crate::peers::{Peer, Place};

/// The beginning of the request ids, before the number.
const IDS: &str = "soak-";

const SCRIPT: Script = Script { event: ask, is_right };

/// Runs rounds of answers; the first is the warm-up.
pub(super) fn soak(place: &Place, upstream: SocketAddr, rounds: usize) -> anyhow::Result<Soaked> {
    let mut api = Api::with(SCRIPT);
    let process = Peer::Ask.start(place, &api, &format!("http://{upstream}/v1"))?;
    api.round(ANSWERS)?;
    let first = State::of(&process)?;
    for _ in 1..rounds {
        api.round(ANSWERS)?;
    }
    let last = State::of(&process)?;
    account(&place.built.join("function.log"), IDS, rounds * ANSWERS, right)?;
    Ok(Soaked { first, last })
}

fn ask(number: usize) -> Event {
    let limit = match of_answer(number) {
        // Too short for a retry, which begins after half a second.
        Some(Fault::Silent | Fault::Reset | Fault::Garbled | Fault::HalfHead) => 400,
        Some(Fault::Late) => 50,
        _ => 60_000,
    };
    let request = format!(
        r#"{{"httpMethod":"GET","path":"/","headers":{{"accept":"*/*"}},"queryString":{{"question":"number {number}"}},"body":""}}"#
    );
    event(&format!("{IDS}{number}"), limit, &request)
}

/// The status and the code of the reply.
fn right(number: usize) -> (u16, Option<&'static str>) {
    match of_answer(number) {
        None | Some(Fault::Passing) => (200, None),
        Some(Fault::Busy) => (429, Some("upstream_busy")),
        Some(Fault::Key) => (502, Some("upstream_key")),
        Some(Fault::Model) => (502, Some("upstream_model")),
        Some(Fault::Refused | Fault::Redirect) => (502, Some("upstream_refused")),
        Some(Fault::Empty) => (502, Some("answer_empty")),
        Some(Fault::Late) => (504, Some("deadline")),
        Some(_) => (502, Some("upstream_failed")),
    }
}

fn is_right(number: usize, reply: &[u8]) -> bool {
    let has = |part: &str| find(reply, part.as_bytes()).is_some();
    let (status, code) = right(number);
    has(&format!("\"statusCode\":{status},"))
        && has(&format!("\"x-request-id\":\"{IDS}{number}\""))
        && match code {
            None => has(&format!("\"body\":\"{}\"", answer(number))),
            Some(code) => has(&format!("\"x-error-code\":\"{code}\"")),
        }
}
