//! Whatever goes wrong, at the provider's, at the platform's or around the process: an event gets one reply, with the
//! right code and in time, and the next question is answered by the same process.

mod api;
mod door;
mod long;
mod pairs;
mod platform;
mod provider;
mod provider_faults;
mod surroundings;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use api::{Api, Post, RESPONSE};
use pairs::pairs;
use platform::Platform;
use provider::{Fault, Provider};
use provider_faults::{PROVIDERS, ProviderRow};
use surroundings::{Holdings, Process, Surroundings};

use crate::support::{Ask, KEY};

/// A status and a code; none for an answer.
type Expected = (u16, &'static str);

const ANSWER: Expected = (200, "");
const LATE: Expected = (504, "deadline");
const FAILED: Expected = (502, "upstream_failed");
const UNREACHABLE: Expected = (502, "upstream_unreachable");

/// So many rows at a time: most of them wait.
const WORKERS: usize = 32;

/// The time for an answer that will not come.
const SHORT: Duration = Duration::from_secs(2);

/// One fault, or two or three at once.
#[derive(Clone, Copy)]
struct Row {
    provider: &'static ProviderRow,
    platform: Platform,
    surroundings: Surroundings,
}

#[test]
fn every_event_gets_one_reply_and_the_next_question_its_answer_whatever_fails() {
    let row = |[provider, platform, surroundings]: [usize; 3]| Row {
        provider: &PROVIDERS[provider],
        platform: Platform::ALL[platform],
        surroundings: Surroundings::ALL[surroundings],
    };
    let lengths = [PROVIDERS.len(), Platform::ALL.len(), Surroundings::ALL.len()];
    let rows: Vec<_> = pairs(lengths).into_iter().map(row).collect();
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let note = |name: &str, result: Result<()>| {
        if let Err(error) = result {
            failures.lock().unwrap().push(format!("{name}: {error:#}"));
        }
    };
    thread::scope(|scope| {
        // These two take their time, which the rows do not wait for.
        scope.spawn(|| {
            note("a minute without a runtime API", long::a_minute_without_a_runtime_api())
        });
        scope.spawn(|| note("a freeze longer than every keep-alive", long::a_freeze()));
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let name = format!(
                        "{} / {:?} / {:?}",
                        row.provider.name, row.platform, row.surroundings
                    );
                    note(&name, row.check());
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(
        failures.is_empty(),
        "{} of {} rows:\n{}",
        failures.len(),
        rows.len(),
        failures.join("\n")
    );
}

impl Row {
    /// How long the platform would wait, and how long an answer may take.
    fn limits(&self) -> (Duration, Option<Duration>) {
        match self.provider.expected.contains(&LATE)
            || self.surroundings == Surroundings::FrozenDuring
        {
            true => (Duration::from_secs(5), Some(SHORT)),
            false => (Duration::from_secs(20), None),
        }
    }

    fn check(&self) -> Result<()> {
        let provider =
            Provider::start(&self.provider.fault, self.surroundings == Surroundings::Https);
        let api = Api::start();
        let mut ask = ask(provider.url());
        if let Some(limit) = self.limits().1 {
            ask = ask.set("ASK_TIMEOUT", limit.as_secs().to_string());
        }
        if self.platform == Platform::RefusesNext && !self.surroundings.is_warm() {
            api.fall_ill(self.platform);
        }
        let process = Arc::new(Process::start(self.surroundings, ask, &api));
        self.live(&provider, &api, &process).with_context(|| process.said().join("\n"))
    }

    fn live(&self, provider: &Provider, api: &Api, process: &Arc<Process>) -> Result<()> {
        let limit = self.limits().0;
        let refuses_next = self.platform == Platform::RefusesNext;
        if self.surroundings.is_warm() {
            api.settled().context("start")?;
            if refuses_next {
                api.fall_ill(self.platform);
            }
            api.offer("before", limit, question("What is Rust?"));
        }
        if refuses_next {
            process.says(&["next", "refused", "trying again"])?;
            api.open();
        }
        let posts = api.settled().context("get ready")?;
        if self.surroundings.is_warm() {
            read(&posts, limit, Platform::Well, &[ANSWER]).context("the question before")?;
        }
        let before = process.holdings()?;

        let freezes = self.surroundings == Surroundings::FrozenDuring;
        let asked = process.clone();
        provider.fall_ill(move || {
            if freezes {
                asked.freeze()
            }
        });
        if self.surroundings == Surroundings::FrozenBetween {
            process.freeze();
            api.hang_up();
            provider.hang_up();
            process.thaw();
        }
        if !refuses_next {
            api.fall_ill(self.platform);
        }
        api.offer("during", limit, question(&self.provider.question()));
        if freezes {
            let handed = api.handed()?;
            if !self.provider.fault.is_noticed() {
                process.freeze();
            }
            // This is how long the freeze is.
            thread::sleep((SHORT + SHORT / 10).saturating_sub(handed.elapsed()));
            process.thaw();
        }
        if self.platform == Platform::RefusesReply {
            process.says(&["response", "refused", "trying again"])?;
            api.open();
        }
        read(&api.settled()?, limit, self.platform, &self.expected())?;

        provider.recover();
        api.recover();
        api.offer("after", limit, question("What is Rust?"));
        read(&api.settled()?, limit, Platform::Well, &[ANSWER]).context("the next question")?;
        ensure!(process.is_alive(), "the process has ended");
        // One connection to the platform, and one to the provider.
        process.holds(Holdings { threads: 1, files: before.files, sockets: 2 })
    }

    /// The provider's fault decides, unless the process was not there while the time passed.
    fn expected(&self) -> Vec<Expected> {
        let late: &[Expected] = match &self.provider.fault {
            _ if self.surroundings != Surroundings::FrozenDuring => &[],
            // It may not have got further than to the name.
            Fault::Refuses | Fault::Full => &[LATE, UNREACHABLE],
            // There is no time left to ask again.
            Fault::BreaksOnce(..) => &[LATE, FAILED],
            _ => &[LATE],
        };
        [self.provider.expected, late].concat()
    }
}

/// The posts are those that are due, and say one of these.
fn read(posts: &[Post], limit: Duration, platform: Platform, expected: &[Expected]) -> Result<()> {
    let paths: Vec<_> = posts.iter().map(|post| post.path.as_str()).collect();
    ensure!(paths == platform.posts(), "posted {paths:?}");
    let replies: Vec<_> = posts.iter().filter(|post| post.path == RESPONSE).collect();
    for reply in &replies {
        let envelope: Value = serde_json::from_slice(&reply.body).context("read the reply")?;
        let (status, code) = (&envelope["statusCode"], &envelope["headers"]["x-error-code"]);
        let is = |(is_status, is_code): &Expected| {
            *status == *is_status && code.as_str().unwrap_or_default() == *is_code
        };
        if !expected.iter().any(is) {
            bail!("{expected:?} became {status} {code}: {}", envelope["body"]);
        }
        ensure!(reply.after < limit, "it took {:?}", reply.after);
    }
    let is_same = replies.iter().all(|reply| reply.body == replies[0].body);
    ensure!(
        is_same || platform == Platform::HandsTwice,
        "the reply was posted again as another one"
    );
    Ok(())
}

fn ask(provider: String) -> Ask {
    let ask = Ask::bare().set("OPENAI_API_KEY", KEY).set("OPENAI_BASE_URL", provider);
    ask.set("ASK_MAX_QUESTION", "2000000")
}

fn question(question: &str) -> Vec<u8> {
    json!({"httpMethod": "POST", "path": "/", "headers": {}, "queryString": {}, "body": question})
        .to_string()
        .into_bytes()
}
