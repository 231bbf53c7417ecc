//! The event loop for asynchronous handlers.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::task::Poll;
use std::thread;

use tokio::sync::{mpsc, oneshot};

use crate::context::Context;
use crate::error::Error;
use crate::failure::Failure;
use crate::runtime::Runtime;

/// An event on its way to the handler.
struct Invocation {
    event: Vec<u8>,
    context: Context,
    outcome: oneshot::Sender<thread::Result<Result<Vec<u8>, Failure>>>,
}

impl Runtime {
    /// Runs the loop of [`run_bytes`](Runtime::run_bytes) for an asynchronous handler.
    ///
    /// The calls of the runtime API block a thread of their own. The handler runs in the caller's
    /// task, one event at a time. Spawned tasks run on between events, but a frozen instance runs
    /// nothing. If the future is dropped, later events fail.
    ///
    /// # Errors
    /// Fails like [`run_bytes`](Runtime::run_bytes).
    pub async fn run_bytes_async<E, H>(self, mut handler: H) -> Result<(), Error>
    where
        E: Into<Failure>,
        H: AsyncFnMut(Vec<u8>, &Context) -> Result<Vec<u8>, E>,
    {
        let (events, mut invocations) = mpsc::channel(1);
        let event_loop = thread::spawn(move || {
            self.run_unspanned(|event, context| {
                let (outcome, handled) = oneshot::channel();
                let invocation = Invocation { event, context: context.clone(), outcome };
                let stopped = || Failure::new("Stopped", "the event loop was dropped");
                events.blocking_send(invocation).map_err(|_| stopped())?;
                match handled.blocking_recv() {
                    Ok(Ok(result)) => result,
                    Ok(Err(panic)) => resume_unwind(panic),
                    Err(_) => Err(stopped()),
                }
            })
        });
        while let Some(Invocation { event, context, outcome }) = invocations.recv().await {
            let handled = async { handler(event, &context).await.map_err(Into::into) };
            #[cfg(feature = "tracing")]
            let handled = tracing::Instrument::instrument(handled, context.span());
            // The event loop waits for it, unless the process is ending.
            let _ = outcome.send(catch_panic(handled).await);
        }
        match event_loop.join() {
            Ok(result) => result,
            Err(panic) => resume_unwind(panic),
        }
    }
}

/// Awaits the future; returns the payload if it panics.
async fn catch_panic<T>(future: impl Future<Output = T>) -> thread::Result<T> {
    let mut future = pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}
