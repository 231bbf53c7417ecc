//! Peak memory.

use crate::api::Api;
use crate::exchange::Exchange;
use crate::peers::{Peer, Place};
use crate::results::{Goal, Section, Table};
use crate::upstream::Upstream;

pub(crate) const TITLE: &str = "Memory";

/// The number of answers before the peak is read.
const ANSWERS: usize = 10_000;
/// The size of the large answer, in bytes.
const LARGE: usize = 5_000_000;

/// Measures each in turn: many small answers in one process, one large one in another.
pub(crate) fn measure(place: &Place, _: usize) -> anyhow::Result<Section> {
    let peers = [Peer::Floor, Peer::Ask, Peer::Lean, Peer::Lambda, Peer::Node, Peer::Python];
    let small = Upstream::start(Exchange::Light.answer());
    let large =
        Upstream::start(&Exchange::Light.answer().repeat(LARGE / Exchange::Light.answer().len()));
    let mut table = Table::new(&[
        "function",
        "peak RSS MB after 10,000 answers",
        "after one of 5 MB",
        "answers of 5 MB",
    ]);
    let mut ask = (0.0, 0.0);
    for peer in peers {
        let many = peak(peer, place, &small, ANSWERS)? / 1024.0;
        let one = peak(peer, place, &large, 1)? / 1024.0;
        let by_answer = one * 1024.0 * 1024.0 / LARGE as f64;
        if peer == Peer::Ask {
            ask = (many, by_answer);
        }
        table.row(
            peer.name(),
            [format!("{many:.1}"), format!("{one:.1}"), format!("{by_answer:.1}")],
        );
    }
    Ok(Section {
        title: TITLE,
        how: "`VmHWM` of the function's process.".to_owned(),
        table,
        goals: vec![
            Goal::at_most("MB of `ask` after 10,000 answers", ask.0, 4.0),
            Goal::at_most("`ask` after one of 5 MB, by the answer", ask.1, 4.0),
        ],
    })
}

fn peak(peer: Peer, place: &Place, upstream: &Upstream, answers: usize) -> anyhow::Result<f64> {
    let mut api = Api::start(Exchange::Light);
    let process = peer.start(place, &api, &upstream.url)?;
    api.round(answers)?;
    process.memory("VmHWM")
}
