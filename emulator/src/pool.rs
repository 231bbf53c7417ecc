//! Distributes events among the instances of an event function.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::{
    select,
    sync::mpsc,
    task::{JoinHandle, JoinSet},
};

use crate::{
    control::Control,
    instance::{Instance, QueuedEvent},
};

/// The queue of events and the tasks of the instances.
pub(crate) struct Pool {
    instances: JoinSet<()>,
    dispatcher: JoinHandle<()>,
}

/// An instance, for the dispatcher.
struct Worker {
    events: mpsc::Sender<QueuedEvent>,
    is_running: Arc<AtomicBool>,
}

impl Pool {
    /// Starts the tasks.
    pub(crate) fn start(
        instances: Vec<Instance>,
        queue: mpsc::UnboundedReceiver<QueuedEvent>,
        control: Control,
    ) -> Self {
        let (idle, idled) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        let mut workers = Vec::new();
        for (number, instance) in instances.into_iter().enumerate() {
            let (sender, events) = mpsc::channel(1);
            workers.push(Worker { events: sender, is_running: instance.is_running() });
            let idle = idle.clone();
            // `send` fails only after the dispatcher has ended.
            tasks.spawn(instance.run(events, move || _ = idle.send(number)));
        }
        let dispatcher = tokio::spawn(dispatch(queue, workers, idled, control));
        Self { instances: tasks, dispatcher }
    }

    /// Waits until the platform has stopped and all instances have ended.
    pub(crate) async fn ended(self) {
        let Self { instances, dispatcher } = self;
        instances.join_all().await;
        // Fails only after a panic. Events that were not handled are dropped with it.
        let _ = dispatcher.await;
    }
}

/// Passes events on in the order of the queue, until the platform stops. An event goes to the
/// running instance that was last in use; only if all of them are busy, another is started.
async fn dispatch(
    mut queue: mpsc::UnboundedReceiver<QueuedEvent>,
    workers: Vec<Worker>,
    mut idled: mpsc::UnboundedReceiver<usize>,
    mut control: Control,
) {
    // The last one is used first.
    let mut idle: Vec<usize> = (0..workers.len()).rev().collect();
    loop {
        let event = select! {
            event = queue.recv(), if !idle.is_empty() => event,
            Some(number) = idled.recv() => {
                idle.push(number);
                continue;
            }
            () = control.stopped() => return,
        };
        let Some(event) = event else { return };
        // Skip the event if its client has disconnected.
        if event.done.is_closed() {
            continue;
        }
        while let Ok(number) = idled.try_recv() {
            idle.push(number);
        }
        let is_running = |number: &usize| workers[*number].is_running.load(Ordering::Relaxed);
        let place = idle.iter().rposition(is_running).unwrap_or(idle.len() - 1);
        // Fails only if the platform has stopped.
        let _ = workers[idle.remove(place)].events.send(event).await;
    }
}
