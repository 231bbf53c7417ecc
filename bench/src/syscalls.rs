//! The system calls of a warm answer, counted by strace.

use std::collections::BTreeMap;
use std::fs;

use crate::api::Api;
use crate::exchange::Exchange;
use crate::peers::{Peer, Place};
use crate::results::{Goal, Section, Table};
use crate::upstream::Upstream;

pub(crate) const TITLE: &str = "System calls of a warm answer";

/// The number of answers that are counted, after as many that are not.
const ANSWERS: usize = 200;

/// Calls that open or resolve something, or start a thread.
const COSTLY: [&str; 12] = [
    "open",
    "openat",
    "stat",
    "newfstatat",
    "statx",
    "access",
    "socket",
    "connect",
    "clone",
    "clone3",
    "fork",
    "execve",
];

/// Traces each, and counts the calls between two calls of `next`.
pub(crate) fn measure(place: &Place, _: usize) -> anyhow::Result<Section> {
    let upstream = Upstream::start(Exchange::Light.answer());
    let mut table = Table::new(&["function", "calls", "which"]);
    let mut goals = Vec::new();
    for peer in [Peer::Floor, Peer::Ask, Peer::Lean, Peer::Lambda, Peer::Node, Peer::Python] {
        let into = place.built.join("strace.log");
        let mut api = Api::start(Exchange::Light);
        let process = peer.trace(place, &api, &upstream.url, &into)?;
        api.round(2 * ANSWERS)?;
        process.end_traced()?;
        let trace = fs::read_to_string(&into)?;
        let calls = count(&trace);
        let each = |count: usize| count as f64 / ANSWERS as f64;
        let total = each(calls.values().sum());
        let mut by_count: Vec<_> = calls.iter().collect();
        by_count.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let which: Vec<String> =
            by_count.iter().map(|(name, count)| format!("{name} {:.2}", each(**count))).collect();
        table.row(peer.name(), [format!("{total:.1}"), which.join(", ")]);
        if peer == Peer::Ask {
            let costly: usize = COSTLY.iter().filter_map(|name| calls.get(*name)).sum();
            goals.push(Goal::at_most(
                "look-ups, files, threads and connections per answer of `ask`",
                each(costly),
                0.0,
            ));
        }
    }
    Ok(Section {
        title: TITLE,
        how: format!("Calls of all threads, by strace, per answer: the mean of {ANSWERS}."),
        table,
        goals,
    })
}

/// Counts the calls between the middle `next` and the last.
fn count(trace: &str) -> BTreeMap<&str, usize> {
    let lines: Vec<&str> = trace.lines().collect();
    let nexts: Vec<usize> =
        (0..lines.len()).filter(|at| lines[*at].contains("invocation/next")).collect();
    let mut calls = BTreeMap::new();
    let (Some(last), Some(first)) = (nexts.last(), nexts.iter().rev().nth(ANSWERS)) else {
        return calls;
    };
    for line in &lines[*first..*last] {
        // `1234  read(5, …) = 1`; a call that another thread interrupted: `<... read resumed>`.
        let call = line.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
        if let Some((name, _)) = call.split_once('(').filter(|_| !call.starts_with(['<', '+', '-']))
        {
            *calls.entry(name).or_default() += 1;
        }
    }
    calls
}
