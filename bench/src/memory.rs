//! Memory at its peak.

use crate::api::Api;
use crate::peers::{Peer, Place};
use crate::provider;
use crate::results::{Goal, Section, Table};

pub(crate) const TITLE: &str = "Memory";

/// Answers before the peak is read.
const ANSWERS: usize = 10_000;
/// The large answer, in bytes.
const LARGE: usize = 5_000_000;

/// Each in turn: many small answers in one process, one large one in another.
pub(crate) fn measure(place: &Place, _: usize) -> anyhow::Result<Section> {
    let peers = [Peer::Floor, Peer::Ask, Peer::Lambda, Peer::Node, Peer::Python];
    let (small, large) = (provider::start(80, None)?, provider::start(LARGE, None)?);
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

fn peak(peer: Peer, place: &Place, provider: &str, answers: usize) -> anyhow::Result<f64> {
    let api = Api::start()?;
    let process = peer.start(place, &api, provider)?;
    api.round(answers)?;
    process.memory("VmHWM")
}
