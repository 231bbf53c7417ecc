//! The start of the Web function, and its idle memory.

use crate::peers::Place;
use crate::proxies::Proxy;
use crate::results::{Goal, Section, Table};
use crate::stats::{median, micros, percentile, ratio};
use crate::stream_upstream;

pub(crate) const TITLE: &str = "Start of the Web function";

/// Starts each in turn, many times.
pub(crate) fn measure(place: &Place, rounds: usize) -> anyhow::Result<Section> {
    let upstream = stream_upstream::start()?;
    let proxies = [Proxy::AskWeb, Proxy::Go];
    let mut starts = [const { Vec::new() }; 2];
    let mut memory = [const { Vec::new() }; 2];
    for _ in 0..rounds {
        for ((proxy, starts), memory) in proxies.into_iter().zip(&mut starts).zip(&mut memory) {
            let running = proxy.start(place, upstream)?;
            starts.push(micros(running.start) / 1000.0);
            if let Some(process) = running.process {
                memory.push(process.memory("VmRSS")? / 1024.0);
            }
        }
    }
    let mut table = Table::new(&["function", "p50 ms", "p99 ms", "ratio to Go's", "idle RSS MB"]);
    for ((proxy, times), memory) in proxies.iter().zip(&starts).zip(&memory) {
        let (p50, p99, ratio) = (median(times), percentile(times, 99), ratio(times, &starts[1]));
        table.row(
            proxy.name(),
            [
                format!("{p50:.2}"),
                format!("{p99:.2}"),
                format!("{ratio:.2}"),
                format!("{:.1}", median(memory)),
            ],
        );
    }
    Ok(Section {
        title: TITLE,
        how: format!(
            "From exec to the first accepted connection, {rounds} starts of each in turn."
        ),
        table,
        goals: vec![
            Goal::at_most("ms of `ask-web` to listening", median(&starts[0]), 3.0),
            Goal::at_most("MB of `ask-web` idle", median(&memory[0]), 5.0),
        ],
    })
}
