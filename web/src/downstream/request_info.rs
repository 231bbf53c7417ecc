//! Facts about a request that are not in it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ask_core::completion::CompletionInfo;
use tokio::time::Instant;

use super::connection::ClientHandle;

/// The facts about a request that its handler needs.
pub(crate) struct RequestInfo {
    /// The id in `X-Request-Id`.
    pub(crate) id: String,
    /// The time of arrival.
    pub(crate) received: Instant,
    /// The client's connection.
    pub(crate) client: Arc<ClientHandle>,
    /// The statistics for the access log.
    pub(crate) stats: Arc<CallStats>,
}

/// The upstream statistics of one request.
///
/// The handler records them as they become known, and the access log reads them when the request
/// ends. So they are complete even if the client leaves in the middle.
#[derive(Default)]
pub(crate) struct CallStats(Mutex<StatsSnapshot>);

/// The statistics so far.
#[derive(Default)]
pub(crate) struct StatsSnapshot {
    /// Number of upstream requests.
    pub(crate) attempts: u32,
    /// Start of the first upstream request.
    pub(crate) upstream_start: Option<Instant>,
    /// The facts beside the answer, and the requested model.
    pub(crate) completion: Option<(CompletionInfo, String)>,
    /// The question, if it is logged.
    pub(crate) question: Option<String>,
    /// The answer, if it is logged.
    pub(crate) answer: Option<String>,
    /// The code of a failure after the response head.
    pub(crate) code: Option<&'static str>,
}

impl CallStats {
    /// Records the start of an upstream request.
    pub(crate) fn start_attempt(&self) {
        let mut stats = self.lock();
        stats.attempts += 1;
        stats.upstream_start.get_or_insert_with(Instant::now);
    }

    /// Records the question.
    pub(crate) fn set_question(&self, question: &str) {
        self.lock().question = Some(question.to_owned());
    }

    /// Records a part of the answer.
    pub(crate) fn add_answer(&self, text: &str) {
        self.lock().answer.get_or_insert_default().push_str(text);
    }

    /// Records the facts beside the answer.
    pub(crate) fn set_completion(&self, info: &CompletionInfo, requested_model: &str) {
        self.lock().completion = Some((info.clone(), requested_model.to_owned()));
    }

    /// Records the code of a failure after the response head.
    pub(crate) fn set_code(&self, code: &'static str) {
        self.lock().code = Some(code);
    }

    /// Returns the statistics and clears them.
    pub(crate) fn take(&self) -> StatsSnapshot {
        std::mem::take(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, StatsSnapshot> {
        // The statistics are valid whenever the lock is free.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
