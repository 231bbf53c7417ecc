//! Faults that take half a minute and longer to show.

use std::io::{self, BufReader, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use testkit::runtime_api::{self, RuntimeApi};
use testkit::{Endpoint, Request, chat};

use super::surroundings::Surroundings;
use super::{ANSWER, app, check_posts, event};

/// The checks with their names.
pub(super) const CHECKS: [(&str, fn()); 2] = [
    ("connection lost in a long freeze", connection_lost_in_a_long_freeze_costs_no_answer),
    ("a minute without a runtime API", process_ends_after_a_minute_without_a_runtime_api),
];

/// A connection that was lost during a long freeze was idle for too long to be used again.
fn connection_lost_in_a_long_freeze_costs_no_answer() {
    let is_first = AtomicBool::new(true);
    let upstream = Endpoint::start(move |stream| {
        let is_first = is_first.swap(false, Ordering::AcqRel);
        let mut stream = BufReader::new(stream);
        while Request::read(&mut stream).is_some() {
            stream.get_mut().write_all(&chat::completion("Yes.")).unwrap();
            if is_first {
                // Nothing is sent on it any more, no end either.
                let _ = io::copy(&mut stream, &mut io::sink());
            }
        }
    });
    let api = RuntimeApi::start();
    let process = Surroundings::Usual.start(app(format!("http://{}", upstream.address())), &api);
    let limit = Duration::from_secs(20);
    let ask = || {
        api.wait_until_idle().unwrap();
        api.offer(event("one", limit, "What is Rust?"));
        let posts = api.wait_until_idle().unwrap().posts;
        check_posts(&posts, limit, runtime_api::Fault::None, &[ANSWER]).unwrap();
    };
    ask();
    process.freeze();
    thread::sleep(Duration::from_secs(31));
    process.thaw();
    ask();
}

fn process_ends_after_a_minute_without_a_runtime_api() {
    let api = RuntimeApi::start_unique();
    let process = Surroundings::Usual.start(app("http://127.0.0.1:1/v1".into()), &api);
    api.wait_until_idle().unwrap();
    api.refuse();
    api.disconnect();
    let began = Instant::now();
    let words = ["\"level\":\"error\"", "runtime API", "refused"];
    process.wait_for_line(Duration::from_secs(90), &words).unwrap();
    assert!(began.elapsed() > Duration::from_secs(50), "it took {:?}", began.elapsed());
    assert_eq!(process.wait().code(), Some(1));
}
