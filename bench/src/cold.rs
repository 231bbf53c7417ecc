//! Cold start: from exec to the first `next`.

use std::hash::{DefaultHasher, Hasher};

use crate::api::Api;
use crate::exchange::Exchange;
use crate::peers::{Peer, Place};
use crate::results::{Goal, Section, Table};
use crate::stats::{median, micros, percentile, ratio};
use crate::upstream::Upstream;

pub(crate) const TITLE: &str = "Cold start";

/// Starts each in turn, many times.
pub(crate) fn measure(place: &Place, rounds: usize) -> anyhow::Result<Section> {
    let peers = [
        Peer::Floor,
        Peer::Ask,
        Peer::Bootstrap,
        Peer::Lean,
        Peer::Lambda,
        Peer::Node,
        Peer::Python,
    ];
    let upstream = Upstream::start(Exchange::Light.answer());
    let mut times = [const { Vec::new() }; 7];
    let mut memory = [0.0; 7];
    for round in 0..rounds {
        // Shuffled: a large process leaves its core in another state than a small one.
        let mut order = [0, 1, 2, 3, 4, 5, 6];
        order.sort_by_key(|peer| {
            let mut hasher = DefaultHasher::new();
            hasher.write_usize(round * peers.len() + peer);
            hasher.finish()
        });
        for peer in order {
            let api = Api::start(Exchange::Light);
            let process = peers[peer].start(place, &api, &upstream.url)?;
            let began = process.started;
            times[peer].push(micros(api.first_next()? - began));
            memory[peer] = process.memory("VmHWM")?;
        }
    }
    let [floor, ask, _, _, _, node, _] = &times;
    let mut table =
        Table::new(&["function", "p50 ms", "p99 ms", "ratio to the floor", "peak RSS MB"]);
    for ((peer, times), memory) in peers.into_iter().zip(&times).zip(memory) {
        let (p50, p99) = (median(times) / 1000.0, percentile(times, 99) / 1000.0);
        let ratio = ratio(times, floor);
        let memory = memory / 1024.0;
        table.row(
            peer.name(),
            [
                format!("{p50:.2}"),
                format!("{p99:.2}"),
                format!("{ratio:.2}"),
                format!("{memory:.1}"),
            ],
        );
    }
    Ok(Section {
        title: TITLE,
        how: format!("From exec to the first `next`, {rounds} starts of each in shuffled rounds."),
        table,
        goals: vec![
            Goal::at_most("`ask` to the floor", ratio(ask, floor), 1.1),
            Goal::at_least("the article's to `ask`", ratio(node, ask), 100.0),
        ],
    })
}
