//! An upstream that repeats the question, and may be held before it has finished.

use serde_json::Value;
use testkit::{Gate, Request, Response, Turn, Upstream, chat};

use crate::support::{App, TOKEN, Wire};

/// An upstream that answers with the question, in two pieces. Answers to a question that begins
/// with `slow` are held between them until the gate is open.
pub(crate) struct Echo {
    pub(crate) upstream: Upstream,
    pub(crate) gate: Gate,
}

impl Echo {
    pub(crate) fn start() -> Self {
        let gate = Gate::default();
        let held = gate.clone();
        let upstream = Upstream::by_request(move |_, request| {
            let question = question(request);
            let first = chat::STREAM.to_owned() + &chat::piece("You said ");
            let rest = chat::piece(&question) + chat::END;
            match question.starts_with("slow") {
                true => Turn::from(first).wait(&held).send(rest),
                false => Turn::from(first + &rest),
            }
        });
        Self { upstream, gate }
    }

    pub(crate) fn app(&self) -> App {
        App::at(&self.upstream.url("/v1"))
    }

    /// The questions so far.
    pub(crate) fn questions(&self) -> Vec<String> {
        self.upstream.requests().iter().map(question).collect()
    }
}

/// Returns the last segment of the path, or the question.
fn question(request: &Request) -> String {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let last = request.target().rsplit('/').next();
    body["messages"][0]["content"].as_str().or(last).unwrap_or_default().to_owned()
}

/// A question by way of the proxy, or as server-sent events.
pub(crate) fn ask(question: &str, is_proxied: bool) -> String {
    let target = match is_proxied {
        true => format!("/v1/{question}"),
        false => format!("/ask?format=sse&q={question}"),
    };
    format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\
         Connection: close\r\n\r\n"
    )
}

/// Expects the complete answer to this question, and nothing else.
#[track_caller]
pub(crate) fn assert_answers(response: &Response, question: &str) {
    assert!(response.status() == 200 && response.is_complete, "{question}: {response:?}");
    let text = response.text();
    let has = |part: &str| text.contains(&format!("\"{part}\""));
    let is_answer = has("You said ") && has(question) && text.ends_with(chat::DONE);
    assert!(is_answer, "{question}: {text}");
}

/// Expects the complete answer to this question to be all that comes.
#[track_caller]
pub(crate) fn assert_rest_answers(client: &mut Wire, question: &str) {
    assert_answers(&client.last_response(), question);
}
