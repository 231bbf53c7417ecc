//! The fault table: a failure of the upstream, of the platform, or around the process.
//!
//! A row has one [`Fault`] of the upstream, one [`runtime_api::Fault`], and the [`Surroundings`] of
//! the process; most have two at once. For each row a process is started, asked while the faults
//! last, and asked again afterwards. Expected: one reply with the right code and in time, the next
//! answer from the same process, and no thread, file or socket more than before.
//!
//! To run one row or some: `ROWS='closes in headers / Slow' cargo test -p scf-ask faults`. The
//! value is a part of the name that a failure shows.
//!
//! A new fault of the upstream is a line in `rows.rs`, one of the platform a variant of
//! [`runtime_api::Fault`], other surroundings a variant of [`Surroundings`]. It then meets every
//! value of the other two lists.

mod long;
mod rows;
mod surroundings;
mod upstream;

use std::collections::BTreeSet;
use std::sync::{Arc, Once};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use testkit::process::{Process, Resources};
use testkit::runtime_api::{self, Event, Post, RESPONSE, RuntimeApi};
use testkit::table::is_selected;
use testkit::{all_pairs, run_table};

use self::rows::{UPSTREAM_ROWS, UpstreamRow};
use self::surroundings::Surroundings;
use self::upstream::{Fault, FaultyUpstream};
use crate::support::App;

/// The status and the code of a reply; an answer has no code.
type Expected = (u16, &'static str);

const ANSWER: Expected = (200, "");
const LATE: Expected = (504, "deadline");
const FAILED: Expected = (502, "upstream_failed");
const UNREACHABLE: Expected = (502, "upstream_unreachable");

/// Rows at a time: most of them wait.
const WORKERS: usize = 32;

/// `ASK_TIMEOUT` in rows without an answer.
const SHORT: Duration = Duration::from_secs(2);

/// Maximum wait for a line in the log.
const LINE_LIMIT: Duration = Duration::from_secs(30);

#[derive(Clone, Copy)]
struct Row {
    upstream: &'static UpstreamRow,
    platform: runtime_api::Fault,
    surroundings: Surroundings,
}

/// Returns each fault alone, and a choice of rows in which any two faults meet.
fn rows() -> Vec<Row> {
    let sizes = [UPSTREAM_ROWS.len(), runtime_api::Fault::ALL.len(), Surroundings::ALL.len()];
    let alone = (0..3).flat_map(|list| {
        let only = move |fault| std::array::from_fn(|at| if at == list { fault } else { 0 });
        (0..sizes[list]).map(only)
    });
    let chosen: BTreeSet<[usize; 3]> = alone.chain(all_pairs(sizes)).collect();
    let row = |[upstream, platform, surroundings]: [usize; 3]| Row {
        upstream: &UPSTREAM_ROWS[upstream],
        platform: runtime_api::Fault::ALL[platform],
        surroundings: Surroundings::ALL[surroundings],
    };
    chosen.into_iter().map(row).collect()
}

#[test]
fn every_event_gets_one_reply_whatever_fails() {
    thread::scope(|scope| {
        // These wait for a minute, and no row waits for them.
        for (_, check) in long::CHECKS.into_iter().filter(|(name, _)| is_selected(name)) {
            scope.spawn(check);
        }
        run_table(WORKERS, &rows(), Row::name, Row::check);
    });
}

impl Row {
    fn name(&self) -> String {
        format!("{} / {:?} / {:?}", self.upstream.name, self.platform, self.surroundings)
    }

    /// The platform's time limit, and `ASK_TIMEOUT`.
    fn limits(&self) -> (Duration, Option<Duration>) {
        let freezes = self.surroundings == Surroundings::FrozenDuring;
        match freezes || self.upstream.expected.contains(&LATE) {
            true => (Duration::from_secs(5), Some(SHORT)),
            false => (Duration::from_secs(20), None),
        }
    }

    fn check(&self) -> Result<()> {
        let https = self.surroundings == Surroundings::Https;
        let upstream = FaultyUpstream::start(&self.upstream.fault, https);
        let api = RuntimeApi::start_unique();
        let mut app = app(upstream.url());
        if let Some(limit) = self.limits().1 {
            app = app.set("ASK_TIMEOUT", limit.as_secs().to_string());
        }
        if self.platform == runtime_api::Fault::RefuseNext && !self.surroundings.is_warm() {
            api.set_fault(self.platform);
        }
        let process = Arc::new(self.surroundings.start(app, &api));
        self.run(&upstream, &api, &process).with_context(|| process.output().join("\n"))
    }

    fn run(
        &self,
        upstream: &FaultyUpstream,
        api: &RuntimeApi,
        process: &Arc<Process>,
    ) -> Result<()> {
        let limit = self.limits().0;
        let refuses_next = self.platform == runtime_api::Fault::RefuseNext;
        if self.surroundings.is_warm() {
            api.wait_until_idle().context("start")?;
            if refuses_next {
                api.set_fault(self.platform);
            }
            api.offer(event("before", limit, "What is Rust?"));
        }
        if refuses_next {
            process.wait_for_line(LINE_LIMIT, &["next", "refused", "again"])?;
            api.resume();
        }
        let posts = api.wait_until_idle().context("get ready")?.posts;
        if self.surroundings.is_warm() {
            check_posts(&posts, limit, runtime_api::Fault::None, &[ANSWER])
                .context("the question before")?;
        }
        let before = Resources::of(process.id())?;

        let freezes = self.surroundings == Surroundings::FrozenDuring;
        let asked = process.clone();
        let frozen = Arc::new(Once::new());
        let freeze = frozen.clone();
        upstream.begin_fault(move || {
            if freezes {
                freeze.call_once(|| asked.freeze());
            }
        });
        if self.surroundings == Surroundings::FrozenBetween {
            process.freeze();
            api.disconnect();
            upstream.disconnect();
            process.thaw();
        }
        if !refuses_next {
            api.set_fault(self.platform);
        }
        api.offer(event("during", limit, &self.upstream.question()));
        if freezes {
            let handed_out = api.wait_until_handed_out()?;
            if !self.upstream.fault.sees_the_client() {
                process.freeze();
            }
            // The length of the freeze.
            thread::sleep((SHORT + SHORT / 10).saturating_sub(handed_out.elapsed()));
            // The upstream may see the client only now, on a busy machine.
            frozen.call_once(|| {});
            process.thaw();
        }
        if self.platform == runtime_api::Fault::RefuseResponse {
            process.wait_for_line(LINE_LIMIT, &["response", "refused", "again"])?;
            api.resume();
        }
        check_posts(&api.wait_until_idle()?.posts, limit, self.platform, &self.expected())?;

        upstream.end_fault();
        api.set_fault(runtime_api::Fault::None);
        api.offer(event("after", limit, "What is Rust?"));
        check_posts(&api.wait_until_idle()?.posts, limit, runtime_api::Fault::None, &[ANSWER])
            .context("the next question")?;
        ensure!(process.is_running(), "the process has ended");
        // One connection to the platform, and one to the upstream.
        let after = Resources { threads: 1, files: before.files, sockets: 2 };
        Ok(after.wait_until_equal(process.id())?)
    }

    /// The upstream's fault decides, unless the process was frozen until the deadline.
    fn expected(&self) -> Vec<Expected> {
        let late: &[Expected] = match &self.upstream.fault {
            _ if self.surroundings != Surroundings::FrozenDuring => &[],
            // It may not have got further than the name.
            Fault::Refuses | Fault::Stalls => &[LATE, UNREACHABLE],
            // No time is left for a retry.
            Fault::CutsOnce(..) => &[LATE, FAILED],
            _ => &[LATE],
        };
        [self.upstream.expected, late].concat()
    }
}

/// Checks that a function has posted what is due, with one of these replies.
fn check_posts(
    posts: &[Post],
    limit: Duration,
    platform: runtime_api::Fault,
    expected: &[Expected],
) -> Result<()> {
    let paths: Vec<_> = posts.iter().map(|post| post.path.as_str()).collect();
    ensure!(paths == platform.expected_posts(), "posted {paths:?}");
    let replies: Vec<_> = posts.iter().filter(|post| post.path == RESPONSE).collect();
    for reply in &replies {
        let envelope = reply.json();
        let (status, code) = (&envelope["statusCode"], &envelope["headers"]["x-error-code"]);
        let is = |(is_status, is_code): &Expected| {
            *status == *is_status && code.as_str().unwrap_or_default() == *is_code
        };
        if !expected.iter().any(is) {
            bail!("{expected:?} became {status} {code}: {}", envelope["body"]);
        }
        ensure!(reply.after < limit, "it took {:?}", reply.after);
    }
    let is_repeated = replies.iter().all(|reply| reply.body == replies[0].body);
    ensure!(
        is_repeated || platform == runtime_api::Fault::Redeliver,
        "the reply was not repeated as it was"
    );
    Ok(())
}

fn app(url: String) -> App {
    App::at(url).set("ASK_MAX_QUESTION", "2000000")
}

fn event(id: &str, limit: Duration, question: &str) -> Event {
    let event = json!({
        "httpMethod": "POST", "path": "/", "headers": {}, "queryString": {}, "body": question,
    });
    Event::with_limit(id, limit, event.to_string())
}
