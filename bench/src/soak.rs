//! 200,000 answers and 20,000 streams, with a fault in one of fifty. Each reply must be the right
//! one and have its line in the log, and the processes must not grow.

mod answers;
mod state;
mod streams;
mod upstream;

use std::time::Instant;

use anyhow::Context as _;

use crate::peers::Place;
use crate::results::{Section, Table};
use state::{ANSWERS, STREAMS};

pub(crate) const TITLE: &str = "Soak";

/// Soaks both functions, one after the other.
pub(crate) fn measure(place: &Place, rounds: usize) -> anyhow::Result<Section> {
    let upstream = upstream::start()?;
    let began = Instant::now();
    let answers = answers::soak(place, upstream, rounds).context("answers")?;
    let streams = streams::soak(place, upstream, rounds).context("streams")?;
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
