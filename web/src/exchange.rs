//! One request and its reply, as the log has it.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ask_core::log::Line;
use http::{Request, Response, Version};
use http_body::Body;

use crate::app::App;
use crate::caller::{Busy, Caller};

/// The status in the log where the caller left before there was one: nginx's number for it.
const LEFT: u16 = 499;

/// One request that is being answered. Its line is written once: when the reply is whole, before its last piece is
/// handed over, since an instance may be frozen right after; or when the exchange ends otherwise.
pub(crate) struct Exchange {
    pub(crate) app: Arc<App>,
    pub(crate) line: Line,
    pub(crate) request_id: String,
    busy: Busy,
    version: Version,
    began: Instant,
    asked: Option<Instant>,
    is_logged: bool,
}

impl Exchange {
    /// A request has come.
    pub(crate) fn begin<B: Body>(app: Arc<App>, caller: Arc<Caller>, request: &Request<B>) -> Self {
        let named = request.headers().get("x-scf-request-id").and_then(|id| id.to_str().ok());
        let request_id = named.filter(|id| !id.is_empty()).map_or_else(random_id, str::to_owned);
        let mut line = Line::new(request, &request_id);
        line.cold = app.cold.swap(false, Ordering::Relaxed);
        let busy = caller.begin(!request.body().is_end_stream());
        let version = request.version();
        Self { app, line, request_id, busy, version, began: Instant::now(), asked: None, is_logged: false }
    }

    /// The caller's connection.
    pub(crate) fn caller(&self) -> &Arc<Caller> {
        &self.busy.0
    }

    /// The provider is about to be asked.
    pub(crate) fn ask(&mut self) {
        self.line.attempts += 1;
        self.asked.get_or_insert_with(Instant::now);
    }

    /// The head of the reply is known.
    pub(crate) fn replied<B>(&mut self, reply: &Response<B>) {
        self.line.replied(reply);
    }

    /// The reply is whole.
    pub(crate) fn end(mut self) {
        self.log();
    }

    /// The reply breaks off in its middle, and the caller is to see that.
    pub(crate) fn break_off(mut self, code: &str) {
        if self.version < Version::HTTP_11 {
            self.caller().reset_at_close();
        }
        self.line.code = Some(code.to_owned());
        self.log();
    }

    fn log(&mut self) {
        if std::mem::replace(&mut self.is_logged, true) {
            return;
        }
        self.line.ms = millis(self.began.elapsed());
        self.line.upstream_ms = self.asked.map(|asked| millis(asked.elapsed()));
        let line = std::mem::take(&mut self.line).write(&self.app.mask);
        print(&line);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if self.is_logged {
            return;
        }
        if self.line.status == 0 {
            self.line.status = LEFT;
        }
        self.line.code = Some("caller_left".into());
        self.log();
    }
}

/// Writes a line into the log, in one piece. Where there is no log any more, the reply still counts.
pub(crate) fn print(line: &str) {
    let _ = std::io::stdout().lock().write_all(line.as_bytes());
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}

/// An id of random digits, from the keys that the standard library draws for its hash maps.
fn random_id() -> String {
    let state = RandomState::new();
    format!("{:016x}{:016x}", state.hash_one(0), state.hash_one(1))
}
