//! The event function behind a runtime API that tells its replies apart.

use std::borrow::Cow;
use std::net::SocketAddr;

use super::provider::{Fault, answer, of_answer};
use super::{ANSWERS, Soaked, State, account};
use crate::api::{Api, Script, event};
use crate::http::find;
use crate::peers::{Peer, Place};

/// The ids of the requests end in their numbers.
const IDS: &str = "soak-";

const SCRIPT: Script = Script { event: ask, is_right };

/// Rounds of answers; the first warms it up.
pub(super) fn soak(place: &Place, provider: SocketAddr, rounds: usize) -> anyhow::Result<Soaked> {
    let api = Api::with(SCRIPT)?;
    let process = Peer::Ask.start(place, &api, &format!("http://{provider}/v1"))?;
    api.round(ANSWERS)?;
    let first = State::of(&process)?;
    for _ in 1..rounds {
        api.round(ANSWERS)?;
    }
    let last = State::of(&process)?;
    account(&place.built.join("function.log"), IDS, rounds * ANSWERS, right)?;
    Ok(Soaked { first, last })
}

fn ask(number: usize) -> Cow<'static, [u8]> {
    let limit = match of_answer(number) {
        // Too little time for a second attempt at what cannot be understood: half a second's wait does not fit.
        Some(Fault::Silent | Fault::Reset | Fault::Garbled | Fault::HalfHead) => 400,
        Some(Fault::Late) => 50,
        _ => 60_000,
    };
    let request = format!(
        r#"{{"httpMethod":"GET","path":"/","headers":{{"accept":"*/*"}},"queryString":{{"question":"number {number}"}},"body":""}}"#
    );
    event(&format!("{IDS}{number}"), limit, &request).into()
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
    let says = |what: &str| find(reply, what.as_bytes()).is_some();
    let (status, code) = right(number);
    says(&format!("\"statusCode\":{status},"))
        && says(&format!("\"x-request-id\":\"{IDS}{number}\""))
        && match code {
            None => says(&format!("\"body\":\"{}\"", answer(number))),
            Some(code) => says(&format!("\"x-error-code\":\"{code}\"")),
        }
}
