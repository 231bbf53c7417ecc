//! Two hundred thousand answers and twenty thousand streams with a fault in one of fifty: each reply is the right one,
//! each has its line in the log, and at the end the processes are as they were at the start.

mod answers;
mod provider;
mod streams;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::peers::Place;
use crate::process::Process;
use crate::results::{Goal, Section, Table};

pub(crate) const TITLE: &str = "Soak";

/// Answers in a round; a tenth of it is streams.
const ANSWERS: usize = 1000;
const STREAMS: usize = ANSWERS / 10;

/// Memory may grow by so many kilobytes and so many per cent.
const MORE: (f64, f64) = (512.0, 10.0);

/// Both functions, one after the other.
pub(crate) fn measure(place: &Place, rounds: usize) -> anyhow::Result<Section> {
    let provider = provider::start()?;
    let began = Instant::now();
    let answers = answers::soak(place, provider, rounds).context("answers")?;
    let streams = streams::soak(place, provider, rounds).context("streams")?;
    let mut table = Table::new(&["function", "after", "RSS kB", "descriptors", "threads"]);
    let mut goals = Vec::new();
    for (name, what, count, soaked) in
        [("`ask`", "answers", ANSWERS, answers), ("`ask-web`", "streams", STREAMS, streams)]
    {
        for (after, state) in [(count.max(ANSWERS), &soaked.first), (rounds * count, &soaked.last)]
        {
            table.row(name, state.cells(&format!("{after} {what}")));
        }
        goals.extend(soaked.goals(name));
    }
    let took = began.elapsed().as_secs();
    Ok(Section {
        title: TITLE,
        how: format!(
            "{} answers and {} streams, half of these through the proxy, {} at a time, with a fault in one of fifty: \
             every reply was the one to its question, and had its one line in the log. It took {took} s.",
            rounds * ANSWERS,
            rounds * STREAMS,
            streams::AT_ONCE,
        ),
        table,
        goals,
    })
}

/// What a process takes.
#[derive(Clone, Copy, Debug, PartialEq)]
struct State {
    memory: f64,
    descriptors: usize,
    threads: usize,
}

/// What it took when it had warmed up, and at the end.
struct Soaked {
    first: State,
    last: State,
}

impl State {
    /// As it is once nothing more changes.
    fn of(process: &Process) -> anyhow::Result<Self> {
        let now = || -> anyhow::Result<_> {
            let (descriptors, threads) = (process.count("fd")?, process.count("task")?);
            Ok(Self { memory: process.memory("VmRSS")?, descriptors, threads })
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

    fn cells(self, after: &str) -> [String; 4] {
        let Self { memory, descriptors, threads } = self;
        [after.to_owned(), format!("{memory:.0}"), descriptors.to_string(), threads.to_string()]
    }
}

impl Soaked {
    fn goals(&self, name: &str) -> [Goal; 3] {
        let Self { first, last } = self;
        let most = first.memory * (1.0 + MORE.1 / 100.0) + MORE.0;
        let same = |what: &str, first, last| Goal::same(&format!("{what} of {name}"), first, last);
        [
            Goal::at_most(&format!("kB of {name}"), last.memory, most),
            same("descriptors", first.descriptors, last.descriptors),
            same("threads", first.threads, last.threads),
        ]
    }
}

/// Checks that a log has one line for each of so many requests, whose ids end in their numbers, and that it is the right
/// one: status and code.
fn account(
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
        let said =
            (field(&line, "status"), field(&line, "code").map(|code| code.trim_matches('"')));
        ensure!(
            said == (Some(&status.to_string()), Some(code.unwrap_or("null"))),
            "not {status} {code:?}: {line}"
        );
    }
    let missing = seen.iter().position(|seen| !seen);
    ensure!(missing.is_none(), "no line of {ids}{}", missing.unwrap_or_default());
    Ok(())
}

/// A member of a line of the log, as it is written.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split_once(&format!("\"{name}\":"))?.1.split([',', '}']).next()
}
