//! One request and its reply, as the log has it.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ask_core::log::Line;
use http::{Request, Response, Version};
use http_body::Body;
use tokio::time::Instant;

use crate::app::App;
use crate::body::{self, ReplyBody};
use crate::caller::{Busy, Caller};

/// The status in the log where the caller left before there was one: nginx's number for it.
const LEFT: u16 = 499;

/// One request that is being answered. Its line is written once: when the reply is whole, before its last piece is
/// handed over, since an instance may be frozen right after; or when the exchange ends otherwise.
pub(crate) struct Exchange {
    pub(crate) app: Arc<App>,
    pub(crate) line: Box<Line>,
    pub(crate) request_id: String,
    busy: Busy,
    version: Version,
    /// When it came.
    pub(crate) began: Instant,
    asked: Option<Instant>,
    is_logged: bool,
}

impl Exchange {
    /// A request has come.
    pub(crate) fn begin<B: Body>(app: Arc<App>, caller: Arc<Caller>, request: &Request<B>) -> Self {
        let named = request.headers().get("x-scf-request-id").and_then(|id| id.to_str().ok());
        let request_id = named.filter(|id| !id.is_empty()).map_or_else(random_id, str::to_owned);
        let mut line = Box::new(Line::new(request, &request_id));
        line.cold = app.cold.swap(false, Ordering::Relaxed);
        let busy = caller.begin(!request.body().is_end_stream());
        let version = request.version();
        Self {
            app,
            line,
            request_id,
            busy,
            version,
            began: Instant::now(),
            asked: None,
            is_logged: false,
        }
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

    /// Ends with a reply of our own that is all there.
    pub(crate) fn whole(mut self, reply: Response<Vec<u8>>) -> Response<ReplyBody> {
        self.replied(&reply);
        self.end();
        reply.map(body::whole)
    }

    /// The reply is whole.
    pub(crate) fn end(mut self) {
        self.log();
    }

    /// The reply breaks off in its middle, and the caller is to see that.
    pub(crate) fn break_off(self, code: &str) {
        if self.version < Version::HTTP_11 {
            self.caller().reset_at_close();
        }
        self.fail(code);
    }

    /// The reply ends, but not as it should.
    pub(crate) fn fail(mut self, code: &str) {
        self.line.code = Some(code.to_owned());
        self.log();
    }

    fn log(&mut self) {
        if std::mem::replace(&mut self.is_logged, true) {
            return;
        }
        self.line.ms = millis(self.began.elapsed());
        self.line.upstream_ms = self.asked.map(|asked| millis(asked.elapsed()));
        let line = std::mem::take(&mut *self.line).write(&self.app.mask);
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
        // Whoever takes nothing is let go when time is over.
        let code = if self.caller().is_late() { "deadline" } else { "caller_left" };
        self.line.code = Some(code.into());
        self.log();
    }
}

/// Writes a line into the log, in one piece. Where there is no log any more, the reply still counts.
pub(crate) fn print(line: &[u8]) {
    let _ = std::io::stdout().lock().write_all(line);
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}

/// A random number, from the keys that the standard library draws for its hash maps.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(())
}

/// An id for a request that comes without one.
pub(crate) fn random_id() -> String {
    format!("{:032x}", u128::from(random()) << 64 | u128::from(random()))
}
