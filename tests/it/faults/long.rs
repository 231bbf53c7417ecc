//! What takes long to show. The rows do not wait for it.

use std::io::{self, BufReader, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::api::Api;
use super::platform::Platform;
use super::provider::bytes;
use super::surroundings::{Process, Surroundings};
use super::{ANSWER, ask, question, read};
use crate::support::{Request, answer, listen};

/// Where the freeze was longer than a connection may be idle, a connection that has gone meanwhile without a word is not
/// waited for.
pub(super) fn a_freeze() -> Result<()> {
    let is_first = AtomicBool::new(true);
    let provider = listen(move |stream| {
        let is_first = is_first.swap(false, Ordering::AcqRel);
        let mut stream = BufReader::new(stream);
        while Request::read(&mut stream).is_some() {
            stream.get_mut().write_all(&bytes(answer("Yes."))).unwrap();
            if is_first {
                // Nothing comes back on it any more.
                let _ = io::copy(&mut stream, &mut io::sink());
            }
        }
    });
    let api = Api::start();
    let process =
        Process::start(Surroundings::Well, ask(format!("http://{}", provider.address)), &api);
    let limit = Duration::from_secs(20);
    let asks = || {
        api.settled()?;
        api.offer("one", limit, question("What is Rust?"));
        read(&api.settled()?, limit, Platform::Well, &[ANSWER])
    };
    asks()?;
    process.freeze();
    thread::sleep(Duration::from_secs(31));
    process.thaw();
    asks()
}

/// The process says why it ends, and ends with status 1, when the runtime API has been away for a minute.
pub(super) fn a_minute_without_a_runtime_api() -> Result<()> {
    let api = Api::start();
    let process = Process::start(Surroundings::Well, ask("http://127.0.0.1:1/v1".into()), &api);
    api.settled()?;
    api.shut();
    api.hang_up();
    let began = Instant::now();
    let words = ["{\"level\":\"error\"", "the runtime API at", "keeps failing", "refused"];
    process.says_within(Duration::from_secs(90), &words)?;
    ensure!(began.elapsed() > Duration::from_secs(50), "it took {:?}", began.elapsed());
    ensure!(process.ended() == Some(1), "another status than 1");
    Ok(())
}
