//! The event loop against a runtime API that replies by a script. A test writes each response
//! itself, invalid ones included, so the API is an [`Upstream`].

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use scf_runtime::{Context, Failure, Runtime};
use testkit::runtime_api::NEXT;
use testkit::{Request, Turn, Upstream, WAIT_LIMIT, http};

/// Accepts a POST.
pub(crate) fn ok() -> Turn {
    http::response(200, &[], "ok").into()
}

/// Returns an event.
pub(crate) fn event(body: impl AsRef<[u8]>) -> Turn {
    event_with(&["request_id: r-1"], body)
}

/// Returns an event with these headers.
pub(crate) fn event_with(headers: &[&str], body: impl AsRef<[u8]>) -> Turn {
    http::response(200, headers, body).into()
}

/// Starts a runtime API that takes these turns. The call after them gets no response.
pub(crate) fn start_api(turns: impl IntoIterator<Item = Turn>) -> Arc<Upstream> {
    Arc::new(Upstream::new(turns.into_iter().chain([Turn::silent()])))
}

/// Runs the loop until the call after these turns. Returns all calls.
#[track_caller]
pub(crate) fn run<E, H, const N: usize>(turns: [Turn; N], handler: H) -> Vec<Request>
where
    E: Into<Failure>,
    H: FnMut(Vec<u8>, &Context) -> Result<Vec<u8>, E> + Send + 'static,
{
    run_on(&start_api(turns), WAIT_LIMIT, N + 1, handler)
}

/// Runs the loop against this API, with this maximum outage, until it has received `count` calls.
#[track_caller]
pub(crate) fn run_on<E, H>(
    api: &Arc<Upstream>,
    max_outage: Duration,
    count: usize,
    handler: H,
) -> Vec<Request>
where
    E: Into<Failure>,
    H: FnMut(Vec<u8>, &Context) -> Result<Vec<u8>, E> + Send + 'static,
{
    let runtime = Runtime::new(&api.address().to_string()).unwrap().max_outage(max_outage);
    // Keeps the port taken: a retry must not reach the API of another test.
    let kept = api.clone();
    thread::spawn(move || {
        runtime.run_bytes(handler).unwrap();
        drop(kept);
    });
    api.wait_for_requests(count);
    api.requests()
}

/// A handler that returns the event.
pub(crate) fn echo(event: Vec<u8>, _: &Context) -> Result<Vec<u8>, Failure> {
    Ok(event)
}

/// Returns the paths of the calls. Checks that `next` is a GET and all others are a POST.
#[track_caller]
pub(crate) fn paths(calls: &[Request]) -> Vec<&str> {
    for call in calls {
        let method = if call.target() == NEXT { "GET" } else { "POST" };
        assert_eq!(call.line(), format!("{method} {} HTTP/1.1", call.target()));
    }
    calls.iter().map(|call| call.target()).collect()
}
