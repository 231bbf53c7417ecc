//! The span of an invocation.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::thread;

use scf_runtime::{Context, Failure, Runtime};
use testkit::Turn;
use tracing::{Subscriber, info};

use crate::support::{event, ok, start_api};

/// The output of a subscriber.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl Write for &Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output {
    fn subscriber(&self) -> impl Subscriber + Send + Sync + 'static {
        let output: Arc<Output> = Arc::new(self.clone());
        tracing_subscriber::fmt().with_ansi(false).without_time().with_writer(output).finish()
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

const EXPECTED: [&str; 2] = [
    " INFO invocation{request_id=\"r-1\" cold=true}: it::tracing_spans: hello",
    " INFO invocation{request_id=\"r-1\" cold=false}: it::tracing_spans: hello",
];

/// Runs the loop for two events, and returns what the subscriber has written.
fn check(run: impl FnOnce(Runtime) + Send + 'static) {
    let turns: [Turn; 4] = [ok(), event("1"), ok(), event("2")];
    let api = start_api(turns);
    let runtime = Runtime::new(&api.address().to_string()).unwrap();
    let output = Output::default();
    let subscriber = output.subscriber();
    thread::spawn(move || tracing::subscriber::with_default(subscriber, || run(runtime)));
    api.wait_for_requests(5);
    assert_eq!(output.text().lines().collect::<Vec<_>>(), EXPECTED);
}

#[test]
fn each_event_has_a_span() {
    check(|runtime| {
        let hello = |event, _: &Context| {
            info!("hello");
            Ok::<_, Failure>(event)
        };
        runtime.run_bytes(hello).unwrap();
    });
}

#[cfg(feature = "tokio")]
#[test]
fn each_event_of_an_async_handler_has_one_span() {
    check(|runtime| {
        let hello = async |event, _: &Context| {
            tokio::task::yield_now().await;
            info!("hello");
            Ok::<_, Failure>(event)
        };
        let executor = tokio::runtime::Builder::new_current_thread().build().unwrap();
        executor.block_on(runtime.run_bytes_async(hello)).unwrap();
    });
}
