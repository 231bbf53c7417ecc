//! What the platform and the present instance have said to each other.

use std::sync::Arc;

use axum::{body::Bytes, http::HeaderMap};
use tokio::sync::watch;

/// How the function finished an invocation.
#[derive(Clone)]
pub(crate) enum Outcome {
    Response(Bytes),
    ResponseTooLarge,
    Error(Bytes),
}

/// What a reply was good for.
pub(crate) enum Finished {
    /// It is the outcome.
    InTime,
    /// The invocation was finished already: no effect.
    Before,
    /// There is no invocation that the instance could know of.
    NothingFetched,
}

/// The table between the two. The platform lays out an event, the function its reply; each waits for the other.
#[derive(Clone, Default)]
pub(crate) struct Exchange {
    table: Arc<watch::Sender<Table>>,
}

#[derive(Default)]
struct Table {
    ready: bool,
    /// The instance wanted an event before it was ready.
    asked_early: bool,
    invocation: Option<Pending>,
    /// An earlier invocation of this instance is finished, so that one more reply may be a late one.
    finished_before: bool,
}

/// An event, and in the end its reply.
struct Pending {
    event: Bytes,
    head: HeaderMap,
    fetched: bool,
    outcome: Option<Outcome>,
}

impl Table {
    /// The invocation that still waits for its reply.
    fn open(&mut self) -> Option<&mut Pending> {
        self.invocation.as_mut().filter(|invocation| invocation.outcome.is_none())
    }

    /// Takes the invocation off the table.
    fn conclude(&mut self) -> Option<Pending> {
        let invocation = self.invocation.take()?;
        self.finished_before |= invocation.fetched;
        Some(invocation)
    }
}

/// The platform's side.
impl Exchange {
    /// A new instance begins.
    pub(crate) fn reset(&self) {
        self.table.send_replace(Table::default());
    }

    /// Waits until the instance has said that it is ready.
    pub(crate) async fn ready(&self) {
        self.until(|table| table.ready.then_some(())).await;
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.table.borrow().ready
    }

    pub(crate) fn asked_early(&self) -> bool {
        self.table.borrow().asked_early
    }

    /// Lays out an event, with the headers that go with it.
    pub(crate) fn deliver(&self, event: Bytes, head: HeaderMap) {
        let invocation = Pending { event, head, fetched: false, outcome: None };
        self.change(|table| table.invocation = Some(invocation));
    }

    /// Waits for the reply to the event that was laid out.
    pub(crate) async fn outcome(&self) -> Outcome {
        self.until(|table| match &table.invocation {
            Some(Pending { outcome: Some(_), .. }) => table.conclude()?.outcome,
            _ => None,
        })
        .await
    }

    /// Waits for no reply any more: what the function still says has no effect. Tells whether it had fetched the
    /// event.
    pub(crate) fn abandon(&self) -> bool {
        self.change(Table::conclude).is_some_and(|invocation| invocation.fetched)
    }
}

/// The function's side.
impl Exchange {
    /// Tells whether it was for the first time; only that counts.
    pub(crate) fn say_ready(&self) -> bool {
        self.change(|table| !std::mem::replace(&mut table.ready, true))
    }

    /// Notes, and tells, that the instance asks for an event without being ready.
    pub(crate) fn asks_early(&self) -> bool {
        self.change(|table| {
            table.asked_early |= !table.ready;
            !table.ready
        })
    }

    /// Waits for an event. It stays on the table: who asks again before answering gets it again.
    pub(crate) async fn next(&self) -> (HeaderMap, Bytes) {
        self.until(|table| {
            let invocation = table.open()?;
            invocation.fetched = true;
            Some((invocation.head.clone(), invocation.event.clone()))
        })
        .await
    }

    /// Lays out the reply, if it is the first.
    pub(crate) fn finish(&self, outcome: Outcome) -> Finished {
        self.change(|table| {
            let late =
                table.finished_before || table.invocation.as_ref().is_some_and(|it| it.fetched);
            match table.open().filter(|invocation| invocation.fetched) {
                Some(invocation) => {
                    invocation.outcome = Some(outcome);
                    Finished::InTime
                }
                None if late => Finished::Before,
                None => Finished::NothingFetched,
            }
        })
    }
}

impl Exchange {
    fn change<T>(&self, change: impl FnOnce(&mut Table) -> T) -> T {
        let mut result = None;
        self.table.send_modify(|table| result = Some(change(table)));
        result.expect("`send_modify` calls its closure, once")
    }

    /// Tries again with each change of the table, until there is something to take.
    async fn until<T>(&self, mut take: impl FnMut(&mut Table) -> Option<T>) -> T {
        let mut changes = self.table.subscribe();
        loop {
            let mut taken = None;
            self.table.send_if_modified(|table| {
                taken = take(table);
                taken.is_some()
            });
            if let Some(taken) = taken {
                return taken;
            }
            // An error would mean that the table is gone, and it is a part of `self`.
            let _ = changes.changed().await;
        }
    }
}
