//! The state of a soaked process, and the account of its log.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use testkit::Resources;

use crate::process::Process;
use crate::results::Goal;

/// Answers and streams in a round.
pub(super) const ANSWERS: usize = 1000;
pub(super) const STREAMS: usize = ANSWERS / 10;

/// Maximum growth of the memory, in kB and in per cent.
pub(super) const MAX_GROWTH: (f64, f64) = (512.0, 10.0);

/// The memory of a process in kB, and its resources.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct State {
    memory: f64,
    resources: Resources,
}

/// The state after the warm-up, and at the end.
pub(super) struct Soaked {
    pub(super) first: State,
    pub(super) last: State,
}

impl State {
    /// Waits until the state does not change any more.
    pub(super) fn of(process: &Process) -> anyhow::Result<Self> {
        let now = || -> anyhow::Result<_> {
            Ok(Self { memory: process.memory("VmRSS")?, resources: process.resources()? })
        };
        let mut state = now()?;
        for _ in 0..50 {
            std::thread::sleep(Duration::from_millis(200));
            let next = now()?;
            if next == state {
                break;
            }
            state = next;
        }
        Ok(state)
    }

    pub(super) fn cells(self, after: &str) -> [String; 4] {
        let Self { memory, resources } = self;
        let (descriptors, threads) = (resources.descriptors(), resources.threads);
        [after.to_owned(), format!("{memory:.0}"), descriptors.to_string(), threads.to_string()]
    }
}

impl Soaked {
    pub(super) fn goals(&self, name: &str) -> [Goal; 3] {
        let Self { first, last } = self;
        let most = first.memory * (1.0 + MAX_GROWTH.1 / 100.0) + MAX_GROWTH.0;
        let same = |what: &str, first, last| Goal::same(&format!("{what} of {name}"), first, last);
        [
            Goal::at_most(&format!("kB of {name}"), last.memory, most),
            same("descriptors", first.resources.descriptors(), last.resources.descriptors()),
            same("threads", first.resources.threads, last.resources.threads),
        ]
    }
}

/// Checks that a log has one line for each request, with the right status and code. The ids of the
/// requests end in their numbers.
pub(super) fn account(
    log: &Path,
    ids: &str,
    count: usize,
    right: impl Fn(usize) -> (u16, Option<&'static str>),
) -> anyhow::Result<()> {
    let mut seen = vec![false; count];
    for line in BufReader::new(File::open(log)?).lines() {
        let line = line?;
        let id = field(&line, "request_id").and_then(|id| id.trim_matches('"').strip_prefix(ids));
        let Some(number) =
            id.and_then(|number| number.parse::<usize>().ok()).filter(|number| *number < count)
        else {
            continue;
        };
        ensure!(!std::mem::replace(&mut seen[number], true), "a second line: {line}");
        let (status, code) = right(number);
        let logged =
            (field(&line, "status"), field(&line, "code").map(|code| code.trim_matches('"')));
        let expected = (Some(&*status.to_string()), Some(code.unwrap_or("null")));
        ensure!(logged == expected, "not {status} {code:?}: {line}");
    }
    let missing = seen.iter().position(|seen| !seen);
    ensure!(missing.is_none(), "no line of {ids}{}", missing.unwrap_or_default());
    Ok(())
}

/// The member of a log line, as written.
pub(super) fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split_once(&format!("\"{name}\":"))?.1.split([',', '}']).next()
}
