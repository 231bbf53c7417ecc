//! The state of the current instance, shared by the platform and the runtime API.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use tokio::sync::watch;

/// The function's answer to an event.
#[derive(Clone)]
pub(crate) enum Outcome {
    Response(Vec<u8>),
    ResponseTooLarge,
    Error(Vec<u8>),
}

/// The result of posting an outcome.
pub(crate) enum Posted {
    Accepted,
    /// The invocation is finished, so the outcome has no effect.
    AlreadyFinished,
    /// The instance has not fetched an event.
    NotFetched,
}

/// The state of the current instance: whether it is ready, its event, and the outcome.
///
/// The platform delivers an event and waits for the outcome. The runtime API waits for an event
/// and posts the outcome.
#[derive(Clone, Default)]
pub(crate) struct InstanceState {
    state: Arc<watch::Sender<State>>,
}

#[derive(Default)]
struct State {
    ready: bool,
    /// The instance has called `next` before it was ready.
    next_before_ready: bool,
    /// The error of a call of `ready` that was rejected.
    ready_error: Option<String>,
    invocation: Option<Pending>,
    /// The instance has fetched an earlier event, so that a post may be late.
    fetched_before: bool,
}

/// An event and its outcome.
struct Pending {
    event: Bytes,
    head: HeaderMap,
    fetched: bool,
    outcome: Option<Outcome>,
}

impl State {
    /// Returns the invocation if it has no outcome yet.
    fn unfinished(&mut self) -> Option<&mut Pending> {
        self.invocation.as_mut().filter(|invocation| invocation.outcome.is_none())
    }

    /// Removes the invocation.
    fn take_invocation(&mut self) -> Option<Pending> {
        let invocation = self.invocation.take()?;
        self.fetched_before |= invocation.fetched;
        Some(invocation)
    }
}

/// Methods for the platform.
impl InstanceState {
    /// Resets the state for a new instance.
    pub(crate) fn reset(&self) {
        self.state.send_replace(State::default());
    }

    /// Waits until the instance is ready.
    pub(crate) async fn wait_ready(&self) {
        self.wait_for(|state| state.ready.then_some(())).await;
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.state.borrow().ready
    }

    /// Returns why the instance may not be ready, for the end of a sentence.
    pub(crate) fn ready_hint(&self) -> String {
        let state = self.state.borrow();
        match &state.ready_error {
            Some(error) => format!("; it was rejected: {error}"),
            None if state.next_before_ready => {
                "; GET /runtime/invocation/next returns no event before it".to_owned()
            }
            None => String::new(),
        }
    }

    /// Delivers an event with its response headers.
    pub(crate) fn deliver(&self, event: Bytes, head: HeaderMap) {
        let invocation = Pending { event, head, fetched: false, outcome: None };
        self.modify(|state| state.invocation = Some(invocation));
    }

    /// Waits for the outcome of the delivered event.
    pub(crate) async fn outcome(&self) -> Outcome {
        self.wait_for(|state| match &state.invocation {
            Some(Pending { outcome: Some(_), .. }) => state.take_invocation()?.outcome,
            _ => None,
        })
        .await
    }

    /// Gives up the delivered event, so that a later outcome has no effect. Returns whether the
    /// instance has fetched the event.
    pub(crate) fn abandon(&self) -> bool {
        self.modify(State::take_invocation).is_some_and(|invocation| invocation.fetched)
    }
}

/// Methods for the runtime API.
impl InstanceState {
    /// Marks the instance as ready. Returns `false` if it was ready before.
    pub(crate) fn mark_ready(&self) -> bool {
        self.modify(|state| !std::mem::replace(&mut state.ready, true))
    }

    /// Records that a call of `ready` was rejected.
    pub(crate) fn reject_ready(&self, error: &str) {
        self.modify(|state| state.ready_error = Some(error.to_owned()));
    }

    /// Records a call of `next`. Returns whether the instance is ready.
    pub(crate) fn record_next(&self) -> bool {
        self.modify(|state| {
            state.next_before_ready |= !state.ready;
            state.ready
        })
    }

    /// Waits for an event. Until it has an outcome, each call returns the same event.
    pub(crate) async fn next(&self) -> (HeaderMap, Bytes) {
        self.wait_for(|state| {
            let invocation = state.unfinished()?;
            invocation.fetched = true;
            Some((invocation.head.clone(), invocation.event.clone()))
        })
        .await
    }

    /// Posts the outcome. Only the first one counts.
    pub(crate) fn post(&self, outcome: Outcome) -> Posted {
        self.modify(|state| {
            let fetched =
                state.fetched_before || state.invocation.as_ref().is_some_and(|it| it.fetched);
            match state.unfinished().filter(|invocation| invocation.fetched) {
                Some(invocation) => {
                    invocation.outcome = Some(outcome);
                    Posted::Accepted
                }
                None if fetched => Posted::AlreadyFinished,
                None => Posted::NotFetched,
            }
        })
    }
}

impl InstanceState {
    fn modify<T>(&self, modify: impl FnOnce(&mut State) -> T) -> T {
        let mut result = None;
        self.state.send_modify(|state| result = Some(modify(state)));
        result.expect("`send_modify` calls its closure once")
    }

    /// Calls `take` after each change until it returns a value.
    async fn wait_for<T>(&self, mut take: impl FnMut(&mut State) -> Option<T>) -> T {
        let mut changes = self.state.subscribe();
        loop {
            let mut taken = None;
            self.state.send_if_modified(|state| {
                taken = take(state);
                taken.is_some()
            });
            if let Some(taken) = taken {
                return taken;
            }
            // Cannot fail: `self` owns the sender.
            let _ = changes.changed().await;
        }
    }
}
