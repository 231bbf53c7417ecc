//! The runtime API of a measured function: rounds of events, and the time of each.

use std::time::{Duration, Instant};

use anyhow::ensure;
use testkit::RuntimeApi;
use testkit::http::{excerpt, find};
use testkit::runtime_api::{Event, RESPONSE};

use crate::exchange::Exchange;

/// The events, and the check of their replies.
#[derive(Clone, Copy)]
pub(crate) struct Script {
    /// Returns the event of this number.
    pub(crate) event: fn(usize) -> Event,
    /// Returns whether this is the reply to the event of this number.
    pub(crate) is_right: fn(usize, &[u8]) -> bool,
}

/// The same event each time. A reply is right if it carries the answer.
fn script(exchange: Exchange) -> Script {
    const REQUEST_ID: &str = "5b9ea1c4-3e1f-4f6c-8d5b-0242ac110002";
    const LIMIT_MS: usize = 60_000;
    Script {
        event: match exchange {
            Exchange::Light => |_| event(REQUEST_ID, LIMIT_MS, Exchange::Light.event()),
            Exchange::Real => |_| event(REQUEST_ID, LIMIT_MS, Exchange::Real.event()),
        },
        is_right: |_, body| find(body, b"Rust ").is_some(),
    }
}

/// An event for SCF and for AWS Lambda, with a time limit in milliseconds.
pub(crate) fn event(request_id: &str, limit: usize, event: &str) -> Event {
    let headers = [
        &format!("request_id: {request_id}"),
        "memory_limit_in_mb: 128",
        &format!("time_limit_in_ms: {limit}"),
        &format!("Lambda-Runtime-Aws-Request-Id: {request_id}"),
        "Lambda-Runtime-Deadline-Ms: 4000000000000",
        "Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:1:function:ask",
        "Content-Type: application/json",
    ];
    Event::with_headers(&headers, event)
}

/// The runtime API of one function.
pub(crate) struct Api {
    runtime_api: RuntimeApi,
    script: Script,
    /// The number of events so far.
    sent: usize,
}

impl Api {
    /// Hands out the event of this exchange again and again.
    pub(crate) fn start(exchange: Exchange) -> Self {
        Self::with(script(exchange))
    }

    pub(crate) fn with(script: Script) -> Self {
        Self { runtime_api: RuntimeApi::start(), script, sent: 0 }
    }

    pub(crate) fn port(&self) -> u16 {
        self.runtime_api.address().port()
    }

    /// Waits for the first call of `next`, and returns its time.
    pub(crate) fn first_next(&self) -> anyhow::Result<Instant> {
        Ok(self.runtime_api.wait_until_idle()?.since)
    }

    /// Hands out `count` events, one after the other, and returns the time of each.
    pub(crate) fn round(&mut self, count: usize) -> anyhow::Result<Vec<Duration>> {
        self.first_next()?;
        let first = self.sent;
        self.sent += count;
        self.runtime_api.offer_all((first..self.sent).map(self.script.event));
        let idle = self.runtime_api.wait_until_idle()?;
        let replies = (idle.handed_out, idle.posts.len());
        ensure!(replies == (count, count), "{replies:?} events and replies, not {count}");
        for (number, post) in (first..).zip(&idle.posts) {
            // The last segment of the path is the same on AWS Lambda.
            let is_reply = post.path.rsplit('/').next() == RESPONSE.rsplit('/').next();
            let is_right = is_reply && (self.script.is_right)(number, &post.body);
            ensure!(is_right, "a wrong reply to {number}: {}", excerpt(&post.body));
        }
        Ok(idle.posts.iter().map(|post| post.after).collect())
    }
}
