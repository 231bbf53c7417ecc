//! Asynchronous handlers.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use scf_runtime::{Context, Error, Failure, Runtime};
use testkit::runtime_api::{ERROR, NEXT, READY, RESPONSE};
use testkit::{Request, Turn, Upstream};
use tokio::sync::{mpsc, oneshot};
use tokio::task;

use crate::support::{event, ok, paths, start_api};

fn runtime(api: &Arc<Upstream>) -> Runtime {
    Runtime::new(&api.address().to_string()).unwrap().max_outage(Duration::ZERO)
}

/// Awaits the future on this thread.
fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Runs the loop until the call after these turns. Returns all calls.
#[track_caller]
fn run<E, H, const N: usize>(turns: [Turn; N], handler: H) -> Vec<Request>
where
    E: Into<Failure>,
    H: AsyncFnMut(Vec<u8>, &Context) -> Result<Vec<u8>, E> + Send + 'static,
{
    let api = start_api(turns);
    let runtime = runtime(&api);
    thread::spawn(move || block_on(runtime.run_bytes_async(handler)).unwrap());
    api.wait_for_requests(N + 1);
    api.requests()
}

#[test]
fn async_handler_gets_each_event_with_its_context() {
    let mut count = 0;
    let calls = run([ok(), event("a"), ok(), event("b"), ok()], async move |event, context| {
        task::yield_now().await;
        count += 1;
        let Context { request_id, cold, .. } = context;
        let event = String::from_utf8(event)?;
        anyhow::Ok(format!("{event} {count} {request_id} {cold}").into_bytes())
    });
    assert_eq!(paths(&calls), [READY, NEXT, RESPONSE, NEXT, RESPONSE, NEXT]);
    assert_eq!([calls[2].text(), calls[4].text()], ["a 1 r-1 true", "b 2 r-1 false"]);
}

#[test]
fn async_errors_and_panics_are_reported() {
    let turns = [ok(), event("error"), ok(), event("panic"), ok(), event("now"), ok(), event("on")];
    let calls = run(turns, async |event: Vec<u8>, _: &Context| {
        task::yield_now().await;
        match &*event {
            b"error" => Err("no"),
            b"panic" => panic!("sk-secret"),
            _ => Ok(event),
        }
    });
    assert_eq!(paths(&calls), [READY, NEXT, ERROR, NEXT, ERROR, NEXT, RESPONSE, NEXT, RESPONSE]);
    assert_eq!(calls[2].text(), r#"{"errorType":"&str","errorMessage":"no"}"#);
    assert_eq!(calls[4].text(), r#"{"errorType":"Panic","errorMessage":"the handler panicked"}"#);
    assert_eq!(calls[8].text(), "on");
}

#[test]
fn panic_before_the_first_await_is_reported() {
    // The call itself panics, not the future that it returns.
    fn call(_: Vec<u8>, _: &Context) -> std::future::Ready<Result<Vec<u8>, Failure>> {
        panic!("sk-secret")
    }
    let calls = run([ok(), event("1"), ok()], call);
    assert_eq!(paths(&calls), [READY, NEXT, ERROR, NEXT]);
}

#[test]
fn spawned_tasks_run_while_next_waits() {
    let api = start_api([ok(), event("1"), ok()]);
    let (sender, mut spawned) = mpsc::channel(1);
    let handler = async move |event: Vec<u8>, _: &Context| {
        let sender = sender.clone();
        let (replied, reply) = oneshot::channel::<()>();
        tokio::spawn(async move {
            // Ends when the handler has returned.
            let _ = reply.await;
            sender.send(()).await
        });
        drop(replied);
        Ok::<_, Failure>(event)
    };
    block_on(async {
        tokio::select! {
            ended = runtime(&api).run_bytes_async(handler) => panic!("{ended:?}"),
            () = async {
                spawned.recv().await.unwrap();
                let api = api.clone();
                // The last call of `next` gets no response.
                task::spawn_blocking(move || api.wait_for_requests(4)).await.unwrap();
            } => {}
        }
    });
}

#[test]
fn dropped_future_fails_the_next_event() {
    let api = start_api([ok(), event("1"), ok()]);
    let (sender, mut called) = mpsc::channel(1);
    let handler = async move |_: Vec<u8>, _: &Context| {
        sender.send(()).await.unwrap();
        std::future::pending::<Result<Vec<u8>, Failure>>().await
    };
    block_on(async {
        tokio::select! {
            ended = runtime(&api).run_bytes_async(handler) => panic!("{ended:?}"),
            called = called.recv() => called.unwrap(),
        }
    });
    api.wait_for_requests(4);
    let calls = api.requests();
    assert_eq!(paths(&calls), [READY, NEXT, ERROR, NEXT]);
    assert_eq!(
        calls[2].text(),
        r#"{"errorType":"Stopped","errorMessage":"the event loop was dropped"}"#
    );
}

#[test]
fn outage_ends_the_async_loop() {
    let api = start_api([Turn::closing()]);
    let handler = async |event, _: &Context| Ok::<_, Failure>(event);
    let error = block_on(runtime(&api).run_bytes_async(handler)).unwrap_err();
    assert!(matches!(error, Error::Outage { .. }), "{error}");
}
